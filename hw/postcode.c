/* postcode.c - a POST card: each byte that is written to its port is a line of the trace, whatever -d says.
 *
 * Test programs for processors show their progress so (test386 at port 190h); firmware writes to port 80h, where the
 * card lies over the DMA controller's spare page register. A read gives the last code.
 */
#include "hw/postcode.h"

static u32 postcode_read(void *dev, u32 offset, unsigned bytes)
{
    (void)offset, (void)bytes;
    return ((Postcode *)dev)->code;
}

static void postcode_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Postcode *p = dev;
    (void)offset, (void)bytes;
    p->code = (u8)value;
    trace_line("post: %02x", p->code);
}

static void postcode_state(void *dev, State *s) { state_u8(s, "code", &((Postcode *)dev)->code); }

const PartKind postcode_part = {.version = 1, .state = postcode_state};

static const IoOps postcode_ops = {postcode_read, postcode_write, 1, 1};

void postcode_init(Postcode *p, Bus *bus, u16 port)
{
    p->code = 0;
    bus_add_ports(bus, port, 1, &postcode_ops, p, "post");
}

/* glassbox.c - the glass box: a guest asks what the translator made of its code, and what was counted. Not a real chip;
 * the guest of `ring3 -tour` (bios/tour/) is written for it.
 *
 * Ports: 540h, 32 bits, what is asked for (glassbox_ports.h); read: how many bytes of the answer are left. 544h: a write of
 * 32 bits is the question's argument (for GLASSBOX_EXPLAIN the linear address, by the page tables of the moment) and
 * makes the answer; a read of 1, 2 or 4 bytes takes the next of it, and zeros behind its end. A write to 540h takes
 * the old answer away.
 *
 * What the answers do not tell: where anything lies in the host (docs/SECURITY.md). The source sees to that.
 *
 * Not implemented: interrupts; an answer of more than GLASSBOX_BYTES, which is cut.
 */
#include "hw/glassbox.h"

enum { REG_SELECT = 0, REG_DATA = GLASSBOX_DATA - GLASSBOX_SELECT };

static u32 take(Glassbox *g, unsigned bytes)
{
    u32 v = 0;
    for (unsigned n = 0; n < bytes && g->at < g->used; n++) v |= (u32)g->answer[g->at++] << 8 * n;
    return v;
}

static u32 glassbox_read(void *dev, u32 offset, unsigned bytes)
{
    Glassbox *g = dev;
    if (offset == REG_DATA) return take(g, bytes);
    return offset == REG_SELECT ? g->used - g->at : 0;
}

static void answer(Glassbox *g, u32 argument)
{
    u32 n = g->source.write(g->source.ctx, g->what, argument, g->answer, sizeof g->answer);
    CHECK(n <= sizeof g->answer, "an answer of %u bytes", n);
    g->used = n;
    g->at = 0;
}

static void glassbox_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Glassbox *g = dev;
    if (bytes != 4) return;
    if (offset == REG_DATA) answer(g, value);
    if (offset != REG_SELECT) return;
    glassbox_reset(g);
    g->what = value;
}

void glassbox_reset(void *dev)
{
    Glassbox *g = dev;
    g->what = g->used = g->at = 0;
}

static void glassbox_state(void *dev, State *s)
{
    Glassbox *g = dev;
    state_u32(s, "what", &g->what);
    state_u32(s, "used", &g->used);
    state_u32(s, "at", &g->at);
    state_check(s, g->at <= g->used && g->used <= GLASSBOX_BYTES, "at");
    state_bytes(s, "answer", g->answer, sizeof g->answer);
}

const PartKind glassbox_part = {.version = 1, .reset = glassbox_reset, .state = glassbox_state};

static const IoOps glassbox_ops = {glassbox_read, glassbox_write, 1, 4};

void glassbox_init(Glassbox *g, Bus *bus, const GlassboxSource *source)
{
    g->source = *source;
    glassbox_reset(g);
    bus_add_ports(bus, GLASSBOX_SELECT, GLASSBOX_PORTS, &glassbox_ops, g, "glassbox");
}

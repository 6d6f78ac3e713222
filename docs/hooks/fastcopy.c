/* fastcopy.c - a hook library: a guest's slow memcpy, done by the host's.
 *
 *     ring3 -symbols kernel.elf -hook 'at memcpy replace fastcopy:copy(u32 arg1, u32 arg2, u32 arg3)' ...
 *
 * The arguments are memcpy's: to, from, how many bytes; what it returns is `to`. Add the convention if it is not cdecl
 * (Linux kernels: regparm3). It goes run by run to the end of a page, on pointers to the guest's memory. Where the
 * guest would get a page fault, or there is a device, it gives up before a byte is moved, and the guest's own function
 * runs. Ranges that overlap behave as a copy that goes up byte by byte.
 */
#include <string.h>

#include "ring3-hook.h"

enum { RUNS = 256 /* that can be written in a call: 1 MiB or a bit less */ };
typedef struct Run {
    char *to;
    const char *from;
    uint32_t bytes;
} Run;

static const Ring3 *ring3;
static Run runs[2 * RUNS];

int ring3_hook_open(const Ring3 *r, const char *arguments)
{
    ring3 = r;
    return *arguments != 0;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* How many runs; 0: not all of it is there. */
static unsigned look_up(uint32_t to, uint32_t from, uint32_t bytes)
{
    uint32_t to_room = 0, from_room = 0;
    char *d = NULL;
    const char *s = NULL;
    unsigned n = 0;
    for (; bytes; n++) {
        if (n == 2 * RUNS) return 0;
        if (!to_room && !(d = ring3->ram(to, &to_room, 1))) return 0;
        if (!from_room && !(s = ring3->ram(from, &from_room, 0))) return 0;
        uint32_t run = least(bytes, least(to_room, from_room));
        runs[n] = (Run){.to = d, .from = s, .bytes = run};
        d += run, to += run, to_room -= run;
        s += run, from += run, from_room -= run;
        bytes -= run;
    }
    return n;
}

uint32_t copy(uint32_t to, uint32_t from, uint32_t bytes);

uint32_t copy(uint32_t to, uint32_t from, uint32_t bytes)
{
    unsigned n = look_up(to, from, bytes);
    if (bytes && !n) ring3->decline();
    for (unsigned k = 0; k < n; k++) {
        Run *r = &runs[k];
        if (to - from >= bytes)
            memmove(r->to, r->from, r->bytes);
        else
            for (uint32_t at = 0; at < r->bytes; at++) r->to[at] = r->from[at];
    }
    return to;
}

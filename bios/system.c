/* system.c - INT 15h: memory sizes, A20, hooks that others take over, configuration; INT 05h.
 *
 * Elsewhere: 53h apm.S, 83h/86h time.c, 87h/89h entry.S, C2h mouse.c.
 *
 * Sources: IBM BIOS Interface Technical Reference, INT 15h; ACPI 2.0, 14 "System Address Map Interfaces" (E820h).
 * Not implemented: 00h-03h (cassette), 84h (joystick), C3h (watchdog), C4h (POS).
 */
#include "bios16.h"

enum { UNSUPPORTED = 0x86 };

bool wait_event(u16 seg, u16 off, u32 us);
void wait_cancel(void);
bool wait_long(u32 us);
void mouse_service(Regs *r);

void far_copy_to(u16 seg, u16 off, const void *from, u16 bytes)
{
    const u8 *p = from;
    while (bytes--) far8_set(seg, off++, *p++);
}

void far_copy_from(void *to, u16 seg, u16 off, u16 bytes)
{
    u8 *p = to;
    while (bytes--) *p++ = far8(seg, off++);
}

static void fail(Regs *r, u8 status)
{
    r->ah = status;
    set_cf(r, true);
}

static void done(Regs *r)
{
    r->ah = 0;
    set_cf(r, false);
}

/* --- memory ---------------------------------------------------------------------------------------------- */

static u32 below_16m_kib(void) { return shared.ext_kib < 15360 ? shared.ext_kib : 15360; }

static void memory_e801(Regs *r)
{
    r->ax = r->cx = (u16)below_16m_kib();
    r->bx = r->dx = (u16)((shared.ext_kib - below_16m_kib()) / 64);
    set_cf(r, false);
}

static void memory_e820(Regs *r)
{
    u32 i = r->ebx;
    if (r->edx != 0x534d4150 || i >= shared.e820_count || r->ecx < sizeof(E820)) {
        fail(r, UNSUPPORTED);
        return;
    }
    far_copy_to(r->es, r->di, &shared.e820[i], sizeof(E820));
    r->eax = 0x534d4150;
    r->ecx = sizeof(E820);
    r->ebx = i + 1 < shared.e820_count ? i + 1 : 0;
    set_cf(r, false);
}

static void memory_map_c7(Regs *r)
{
    u32 low = below_16m_kib(), high = shared.ext_kib - low;
    const u32 v[] = {low, high, low, high, low, high, low, high};
    far16_set(r->ds, r->si, 0x28);
    far_copy_to(r->ds, (u16)(r->si + 2), v, sizeof v);
    far32_set(r->ds, (u16)(r->si + 0x22), 0); /* no free segment in C000-DFFF known */
    far32_set(r->ds, (u16)(r->si + 0x26), 0);
    done(r);
}

static void extended(Regs *r)
{
    switch (r->ax) {
    case 0xe801: memory_e801(r); break;
    case 0xe881:
        r->eax = r->ecx = below_16m_kib();
        r->ebx = r->edx = (shared.ext_kib - below_16m_kib()) / 64;
        set_cf(r, false);
        break;
    case 0xe820: memory_e820(r); break;
    default: fail(r, UNSUPPORTED);
    }
}

/* --- the rest -------------------------------------------------------------------------------------------- */

static void a20(Regs *r)
{
    u8 v = inb(PORT_A20);
    switch (r->al) {
    case 0: outb(PORT_A20, (u8)(v & ~3)); break;
    case 1: outb(PORT_A20, (u8)((v & ~1) | 2)); break;
    case 2: r->al = v >> 1 & 1; break;
    case 3: r->bx = 3; break; /* keyboard controller and port 92h */
    default: fail(r, UNSUPPORTED); return;
    }
    done(r);
}

static void event(Regs *r)
{
    if (r->al == 1)
        wait_cancel();
    else if (r->al == 0) {
        if (!wait_event(r->es, r->bx, (u32)r->cx << 16 | r->dx)) {
            fail(r, 0x83);
            return;
        }
    } else {
        fail(r, UNSUPPORTED);
        return;
    }
    done(r);
}

void int15_service(Regs *r);
void int15_service(Regs *r)
{
    extern const u8 system_configuration[];
    switch (r->ah) {
    case 0x24: a20(r); break;
    case 0x4f: set_cf(r, true); break; /* the key stays as it is */
    case 0x52:                         /* medium may be ejected */
    case 0x80: /* device open, close, end of program, SysRq, busy, interrupt: for others to hook */
    case 0x81:
    case 0x82:
    case 0x85:
    case 0x91: done(r); break;
    case 0x90: done(r); break;
    case 0x83: event(r); break;
    case 0x86:
        if (wait_long((u32)r->cx << 16 | r->dx))
            done(r);
        else
            fail(r, 0x83);
        break;
    case 0x88:
        r->ax = (u16)(shared.ext_kib < 0xfc00 ? shared.ext_kib : 0xfc00);
        set_cf(r, false);
        break;
    case 0x8a:
        r->ax = (u16)shared.ext_kib, r->dx = (u16)(shared.ext_kib >> 16);
        set_cf(r, false);
        break;
    case 0xc0:
        r->es = 0xf000, r->bx = (u16)(u32)system_configuration;
        done(r);
        break;
    case 0xc1:
        r->es = ebda();
        set_cf(r, false);
        break;
    case 0xc2: mouse_service(r); break;
    case 0xc7: memory_map_c7(r); break;
    case 0xe8: extended(r); break;
    default: fail(r, UNSUPPORTED);
    }
}

/* --- INT 05h --------------------------------------------------------------------------------------------- */

static u16 video_call(u16 ax, u16 *dx, u16 bx, u16 *cx)
{
    Regs r = {.ax = ax, .bx = bx, .dx = *dx};
    int_call(0x10, &r);
    *dx = r.dx, *cx = r.bx;
    return r.ax;
}

static bool printer_put(u8 c)
{
    Regs r = {.ax = c};
    int_call(0x17, &r);
    return !(r.ah & 0x29);
}

void print_screen(Regs *r);
void print_screen(Regs *r)
{
    (void)r;
    if (far8(0x50, 0) == 1) return;
    far8_set(0x50, 0, 1);
    sti();
    u16 none = 0, page, home, unused;
    u8 columns = (u8)(video_call(0x0f00, &none, 0, &page) >> 8), rows = far8(BDA_SEG, 0x84);
    u16 cursor = 0;
    page &= 0xff00;
    video_call(0x0300, &cursor, page, &unused);
    bool good = printer_put('\r') && printer_put('\n');
    for (u8 row = 0; good && row <= (rows ? rows : 24); row++) {
        for (u8 column = 0; good && column < columns; column++) {
            home = (u16)(row << 8 | column);
            video_call(0x0200, &home, page, &unused);
            u8 c = (u8)video_call(0x0800, &home, page, &unused);
            good = printer_put(c ? c : ' ');
        }
        good = good && printer_put('\r') && printer_put('\n');
    }
    video_call(0x0200, &cursor, page, &unused);
    far8_set(0x50, 0, good ? 0 : 0xff);
}

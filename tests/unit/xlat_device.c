/* xlat_device.c - loops over device memory and ports (tests/guests/devices.S): the device sees the same accesses from
 * both engines, in number, order and size. RING3_DEVICE_BENCH=1 prints what an access costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mmu/bus.h"
#include "tests/vm.h"

#define PROGRAM(name) extern const u8 name[], name##_end[];
PROGRAM(device_stores)
PROGRAM(device_loads)
PROGRAM(device_latch)
PROGRAM(device_rep_stosw)
PROGRAM(device_rep_movsw_to)
PROGRAM(device_rep_movsw_from)
PROGRAM(device_rep_movsb_within)
PROGRAM(device_rep_lodsb)
PROGRAM(device_stosb_small)
PROGRAM(device_ports)
PROGRAM(device_ports_immediate)

enum { DEVICE_PA = 0xa0000, DEVICE_BYTES = 0x20000, RAM_AT = 0x20000, COMPARED = 0x80000, PD_AT = 0x90000 };

/* Folds every access into a word, so that the order counts. */
typedef struct Device {
    u8 memory[DEVICE_BYTES];
    u32 sum;
    u64 accesses;
} Device;

static void note(Device *d, u32 what)
{
    d->sum = (d->sum << 5 | d->sum >> 27) ^ what;
    d->accesses++;
}

static u32 device_read(void *dev, u32 offset, unsigned bytes)
{
    Device *d = dev;
    note(d, offset << 3 | bytes);
    return bytes == 1   ? d->memory[offset]
           : bytes == 2 ? load16(d->memory + offset)
                        : load32(d->memory + offset);
}

static void device_write(void *dev, u32 offset, u32 value, unsigned bytes)
{
    Device *d = dev;
    note(d, (offset << 3 | bytes) ^ value * 0x9e3779b1u);
    for (unsigned n = 0; n < bytes; n++) d->memory[offset + n] = (u8)(value >> 8 * n);
}

static const IoOps ops = {device_read, device_write, 1, 4};

typedef struct Loop {
    const char *name;
    const u8 *begin, *end;
    u32 rounds, accesses; /* a round */
} Loop;

typedef struct Result {
    u32 gpr[8], eip, eflags;
    u8 *ram;
    u64 ns;
    Device device;
} Result;

/* One directory of 4 MiB pages that maps everything to itself. */
static void paging_on(Vm *v)
{
    for (u32 n = 0; n < 1024; n++) store32(v->phys->ram + PD_AT + 4 * n, n << 22 | 0x1e3);
    v->c.cr3 = PD_AT;
    v->c.cr4 = CR4_PSE;
    v->c.cr0 |= CR0_PG;
    v->c.engine->paging_changed(v->c.engine->ctx, &v->c, EV_CR0 | EV_CR3 | EV_CR4);
}

static void run(const Loop *l, bool translate, bool paged, Result *r)
{
    static Vm v;
    memset(&v, 0, sizeof v);
    memset(&r->device, 0, sizeof r->device);
    vm_start(&v, translate);
    bus_add_mmio(v.bus, DEVICE_PA, DEVICE_BYTES, &ops, &r->device, "device");
    bus_add_ports(v.bus, 0x3d0, 16, &ops, &r->device, "ports");
    bus_add_ports(v.bus, 0x61, 1, &ops, &r->device, "port");
    memcpy(v.phys->ram + v.c.eip, l->begin, (size_t)(l->end - l->begin));
    for (u32 n = 0; n < 4096; n++) v.phys->ram[RAM_AT + n] = (u8)(n * 7);
    for (u32 n = 0; n < DEVICE_BYTES; n++) r->device.memory[n] = (u8)(n * 3 >> 2);
    v.c.gpr[EDX] = l->rounds;
    v.c.gpr[EBX] = DEVICE_PA;
    v.c.gpr[EBP] = RAM_AT;
    if (paged) paging_on(&v);
    u64 began = host_now_ns();
    assert_int_equal(vm_run(&v), STOP_HLT);
    r->ns = host_now_ns() - began;
    memcpy(r->gpr, v.c.gpr, sizeof r->gpr);
    r->eip = v.c.eip;
    r->eflags = v.c.eflags & 0xcd5;
    r->ram = malloc(COMPARED);
    memcpy(r->ram, v.phys->ram, COMPARED);
    vm_end(&v);
}

static void same_accesses(void **state)
{
    const Loop *l = *state;
    static Result a, b;
    for (int paged = 0; paged < 2; paged++) {
        run(l, false, paged, &a);
        run(l, true, paged, &b);
        if (getenv("RING3_DEVICE_BENCH"))
            print_message("%-28s %s %6.1f ns an access (interpreter %.1f)\n", l->name,
                          paged ? "paged" : "     ", (double)b.ns / l->rounds / l->accesses,
                          (double)a.ns / l->rounds / l->accesses);
        assert_memory_equal(a.gpr, b.gpr, sizeof a.gpr);
        assert_int_equal(a.eip, b.eip);
        assert_int_equal(a.eflags, b.eflags);
        assert_memory_equal(a.ram, b.ram, COMPARED);
        assert_int_equal(a.device.accesses, (u64)l->rounds * l->accesses);
        assert_int_equal(b.device.accesses, a.device.accesses);
        assert_int_equal(a.device.sum, b.device.sum);
        assert_memory_equal(a.device.memory, b.device.memory, DEVICE_BYTES);
        free(a.ram);
        free(b.ram);
    }
}

/* clang-format off */
#define CODE(name) #name, name, name##_end
static const Loop loops[] = {
    {CODE(device_stores), 100000, 2},
    {CODE(device_loads), 100000, 2},
    {CODE(device_latch), 100000, 2},
    {CODE(device_rep_stosw), 200, 1000},
    {CODE(device_rep_movsw_to), 200, 1000},
    {CODE(device_rep_movsw_from), 200, 1000},
    {CODE(device_rep_movsb_within), 200, 2000},
    {CODE(device_rep_lodsb), 200, 1000},
    {CODE(device_stosb_small), 20000, 8},
    {CODE(device_ports), 100000, 2},
    {CODE(device_ports_immediate), 100000, 2},
};
/* clang-format on */

int main(void)
{
    static struct CMUnitTest tests[ARRAY_LEN(loops)];
    for (unsigned n = 0; n < ARRAY_LEN(loops); n++)
        tests[n] = (struct CMUnitTest){
            .name = loops[n].name, .test_func = same_accesses, .initial_state = (void *)(uintptr_t)&loops[n]};
    return _cmocka_run_group_tests("xlat_device", tests, ARRAY_LEN(loops), NULL, NULL);
}

/* register_names.c - see register_names.h. */
#include "frontend/debug/register_names.h"

static bool segment_value(const Vcpu *c, const char *name, s64 *value)
{
    static const char segments[SEG_COUNT][3] = {
        [ES] = "es", [CS] = "cs", [SS] = "ss", [DS] = "ds", [FS] = "fs", [GS] = "gs"};
    for (int n = 0; n < SEG_COUNT; n++) {
        if (strncmp(name, segments[n], 2)) continue;
        const Segment *s = &c->seg[n];
        *value = !name[2] ? s->sel : !strcmp(name + 2, ".base") ? s->base : s->limit;
        return !name[2] || !strcmp(name + 2, ".base") || !strcmp(name + 2, ".limit");
    }
    return false;
}

bool register_named(void *cpu, const char *name, s64 *value)
{
    static const char gpr[8][4] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    static const char bytes[8][3] = {"al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"};
    const Vcpu *c = cpu;
    for (int n = 0; n < 8; n++) {
        if (!strcmp(name, gpr[n])) return *value = c->gpr[n], true;
        if (!strcmp(name, gpr[n] + 1)) return *value = c->gpr[n] & 0xffff, true;
        if (!strcmp(name, bytes[n])) return *value = reg_read(c, (unsigned)n, 1), true;
    }
    const struct {
        const char *name;
        u32 value;
    } others[] = {{"eip", c->eip},       {"pc", c->seg[CS].base + c->eip},
                  {"eflags", c->eflags}, {"cr0", c->cr0},
                  {"cr2", c->cr2},       {"cr3", c->cr3},
                  {"cr4", c->cr4},       {"cpl", c->cpl}};
    for (unsigned n = 0; n < ARRAY_LEN(others); n++)
        if (!strcmp(name, others[n].name)) return *value = others[n].value, true;
    return segment_value(c, name, value);
}

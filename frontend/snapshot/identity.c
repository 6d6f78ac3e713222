/* identity.c - see identity.h.
 *
 * Guest state has a place only in a machine that looks the same to the guest: memory, processor, hard disks, the
 * board's version. What the host is like is no part of it: a machine saved with one engine, form or host is loaded
 * with another.
 */
#include "frontend/snapshot/identity.h"

#include <stdio.h>

static u8 drive_kind(const Drive *d)
{
    if (!d->present) return 0;
    return d->floppy ? 1 : d->cdrom ? 2 : 3;
}

void identity_fill(Identity *i, Pc *pc)
{
    *i = (Identity){.version = MACHINE_VERSION};
    const Phys *phys = machine_phys(pc->machine);
    const CpuModel *m = pc->cpu.model;
    i->ram_bytes = phys->ram_bytes;
    i->vram_bytes = phys->vram_pages << PAGE_BITS;
    snprintf(i->cpu, sizeof i->cpu, "%s", m->name);
    i->cpu_family = m->family;
    i->cpu_model = m->model;
    i->cpu_stepping = m->stepping;
    i->cpu_features = pc->cpu.features;
    for (int n = 0; n < DRIVE_COUNT; n++) {
        const Drive *d = machine_drive(pc->machine, (DriveId)n);
        i->drive[n] = drive_kind(d);
        i->sectors[n] = i->drive[n] == 3 && d->medium ? d->medium->sectors : 0;
    }
}

static void compare_drives(State *s, const Identity *was, const Identity *is)
{
    static const char *const kinds[] = {"no drive", "a floppy drive", "a CD drive", "a hard disk"};
    for (int n = 0; n < DRIVE_COUNT; n++) {
        if (was->drive[n] >= ARRAY_LEN(kinds))
            state_fail(s, "the saved state has an impossible drive");
        else if (was->drive[n] != is->drive[n])
            state_fail(s, "the machine was saved with %s as drive %d, and has %s there", kinds[was->drive[n]],
                       n, kinds[is->drive[n]]);
        else if (was->sectors[n] != is->sectors[n])
            state_fail(s, "its hard disk (drive %d) had %llu sectors, and has %llu now", n,
                       (unsigned long long)was->sectors[n], (unsigned long long)is->sectors[n]);
    }
}

static void compare(State *s, Identity *was, const Identity *is)
{
    was->version[sizeof was->version - 1] = was->cpu[sizeof was->cpu - 1] = 0;
    bool same_cpu = was->cpu_family == is->cpu_family && was->cpu_model == is->cpu_model &&
                    was->cpu_stepping == is->cpu_stepping;
    if (strcmp(was->version, is->version))
        state_fail(s, "it was saved on a machine pc-%s, and this is pc-%s", was->version, is->version);
    else if (was->ram_bytes != is->ram_bytes)
        state_fail(s, "it was saved with -m %u, and this machine has -m %u: start it with -m %u",
                   was->ram_bytes >> 20, is->ram_bytes >> 20, was->ram_bytes >> 20);
    else if (!same_cpu)
        state_fail(s, "it was saved with -cpu %s, and this machine has -cpu %s: start it with -cpu %s",
                   was->cpu, is->cpu, was->cpu);
    else if (was->cpu_features != is->cpu_features)
        state_fail(s, "it was saved with other processor features (%08x) than this machine has (%08x): -cpu",
                   was->cpu_features, is->cpu_features);
    else if (was->vram_bytes != is->vram_bytes)
        state_fail(s, "it was saved with %u MiB of video memory, and this machine has %u",
                   was->vram_bytes >> 20, is->vram_bytes >> 20);
    else
        compare_drives(s, was, is);
}

static void identity_state(void *dev, State *s)
{
    Identity *is = dev, was = *is;
    state_bytes(s, "version", (u8 *)was.version, sizeof was.version);
    state_u32(s, "ram_bytes", &was.ram_bytes);
    state_u32(s, "vram_bytes", &was.vram_bytes);
    state_bytes(s, "cpu", (u8 *)was.cpu, sizeof was.cpu);
    state_u32(s, "cpu_family", &was.cpu_family);
    state_u32(s, "cpu_model", &was.cpu_model);
    state_u32(s, "cpu_stepping", &was.cpu_stepping);
    state_u32(s, "cpu_features", &was.cpu_features);
    state_bytes(s, "drives", was.drive, sizeof was.drive);
    state_values(s, "sectors", was.sectors, 8, ARRAY_LEN(was.sectors));
    if (s->way == STATE_LOAD && !s->problem[0]) compare(s, &was, is);
}

const PartKind identity_part = {.version = 1, .state = identity_state};

bool identity_check(Identity *i, const u8 *from, u32 count, char problem[STATE_PROBLEM])
{
    State s = {.way = STATE_LOAD};
    if (!state_is_sound(from, count, problem)) return false;
    if (state_section(&s, "machine", identity_part.version, from, count)) {
        identity_state(i, &s);
        state_section_end(&s);
    }
    memcpy(problem, s.problem, STATE_PROBLEM);
    return !s.problem[0];
}

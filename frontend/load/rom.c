/* rom.c - where firmware images lie, and what is accepted as one.
 *
 * ring3's own are bios.bin and vgabios.bin, built from bios/. They are looked for beside the program (bios/ of a build
 * tree), then where an installation puts them (share/ring3 beside bin).
 *
 * Boot ROMs of network cards are iPXE's, which distributions package for QEMU: pxe-MODEL.rom.
 */
#define _GNU_SOURCE
#include "frontend/load/rom.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/load/image.h"

enum {
    PATH_BYTES = 1024,
    BIOS_UNIT = 64 << 10,
    BIOS_LIMIT = 1 << 20,
    OPTION_UNIT = 512,
    OPTION_LIMIT = 256 << 10
};

/* Beside the program: /path/to/ring3 -> /path/to/bios/NAME, else /path/to/../share/ring3/NAME. */
static bool own_path(char path[PATH_BYTES], const char *name, Problem *p)
{
    static const char *const places[] = {"bios", "../share/ring3"};
    char program[PATH_BYTES / 2];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) return problem_set(p, "cannot find out where ring3's own %s lies", name);
    while (n && program[n - 1] != '/') n--;
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        snprintf(path, PATH_BYTES, "%.*s%s/%s", (int)n, program, places[i], name);
        if (!access(path, R_OK)) return true;
    }
    return problem_set(p, "ring3's own %s is missing: build all, or install", name);
}

static bool rom_read(Rom *r, const char *option, const char *path, u32 unit, u32 limit, Problem *p)
{
    Image i;
    if (!image_open(&i, option, path, p)) return false;
    bool ok = true;
    if (i.bytes % unit || i.bytes > limit)
        ok = problem_set(p, "%s %.200s: %u bytes are no firmware; it takes a multiple of %u up to %u", option,
                         path, i.bytes, unit, limit);
    r->count = i.bytes;
    r->bytes = ok ? malloc(i.bytes) : NULL;
    if (ok && !r->bytes) ok = problem_set(p, "%s %.200s: no memory", option, path);
    ok = ok && image_read(&i, 0, r->bytes, i.bytes, p);
    image_close(&i);
    return ok;
}

bool rom_open_bios(Rom *r, const char *path, Problem *p)
{
    char own[PATH_BYTES];
    if (!path && !own_path(own, "bios.bin", p)) return false;
    return rom_read(r, "-bios", path ? path : own, BIOS_UNIT, BIOS_LIMIT, p);
}

bool rom_open_option(Rom *r, const char *option, const char *path, const char *name, Problem *p)
{
    char own[PATH_BYTES];
    if (!path && !own_path(own, name, p)) return false;
    return rom_read(r, option, path ? path : own, OPTION_UNIT, OPTION_LIMIT, p);
}

/* Among what distributions install for QEMU; false: it is not there. */
static bool find_installed(char path[PATH_BYTES], const char *name)
{
    static const char *const places[] = {"/usr/lib/ipxe/qemu", "/usr/share/qemu", "/usr/share/seabios",
                                         "/usr/share/ipxe/qemu"};
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        snprintf(path, PATH_BYTES, "%s/%.200s", places[i], name);
        if (!access(path, R_OK)) return true;
    }
    return false;
}

bool rom_open_extra(Rom *r, const char *option, const char *path, Problem *p)
{
    char found[PATH_BYTES];
    bool elsewhere = !strchr(path, '/') && access(path, R_OK) && find_installed(found, path);
    if (!rom_read(r, option, elsewhere ? found : path, OPTION_UNIT, OPTION_LIMIT, p)) return false;
    if (r->count && load16(r->bytes) == 0xaa55) return true;
    return problem_set(p, "%s %.200s: no option ROM, which begins with 55h AAh", option, path);
}

bool rom_open_card(Rom *r, const char *model, Problem *p)
{
    char name[64], found[PATH_BYTES];
    *r = (Rom){0};
    snprintf(name, sizeof name, "pxe-%.40s.rom", model);
    return !find_installed(found, name) || rom_open_extra(r, "romfile", found, p);
}

/* fwcfg.c - the firmware configuration device of QEMU's machines, which ring3 has, too: selector at 510h, data at 511h.
 *
 * It hands over what the board knows better than its firmware: ACPI tables (loader.c), SMBIOS, boot menu. Nothing here
 * needs it. The file directory (key 19h) is big-endian: a count, then entries of 64 bytes.
 */
#include "bios32.h"

enum { SELECTOR = 0x510, DATA = 0x511, KEY_SIGNATURE = 0x00, KEY_DIRECTORY = 0x19 };

typedef struct PACKED File {
    u32 bytes;
    u16 key, reserved;
    char name[56];
} File;

static u32 swap32(u32 v) { return v << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24; }

void fwcfg_read(u16 key, void *to, u32 bytes)
{
    if (!fwcfg_present()) return;
    outw(SELECTOR, key);
    for (u8 *p = to; bytes--; p++) *p = inb(DATA);
}

bool fwcfg_present(void)
{
    u8 s[4];
    outw(SELECTOR, KEY_SIGNATURE);
    for (u32 i = 0; i < 4; i++) s[i] = inb(DATA);
    return !memcmp(s, "QEMU", 4);
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static bool begins(const char *text, const char *with)
{
    while (*with && *text == *with) text++, with++;
    return !*with;
}

/* The nth that is_it() says yes to. */
static u32 find(const char *name, bool (*is_it)(const char *file, const char *name), u32 n, u16 *key)
{
    u32 count;
    File f;
    if (!fwcfg_present()) return 0;
    outw(SELECTOR, KEY_DIRECTORY);
    for (u32 i = 0; i < 4; i++) ((u8 *)&count)[i] = inb(DATA);
    for (count = swap32(count); count && count < 4096; count--) {
        for (u32 i = 0; i < sizeof f; i++) ((u8 *)&f)[i] = inb(DATA);
        f.name[55] = 0;
        if (!is_it(f.name, name) || n--) continue;
        *key = (u16)(f.key << 8 | f.key >> 8);
        return swap32(f.bytes);
    }
    return 0;
}

u32 fwcfg_find(const char *name, u16 *key) { return find(name, same, 0, key); }
u32 fwcfg_find_nth(const char *folder, u32 n, u16 *key) { return find(folder, begins, n, key); }

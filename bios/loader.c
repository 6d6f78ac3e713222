/* loader.c - ACPI tables that the board made: they come as blobs by fw_cfg, with a script ("etc/table-loader") of 128-byte
 * commands: allocate memory for a blob, add one blob's address to a pointer in another, make a checksum.
 *
 * So the board describes itself, and the firmware needs to know nothing about its hardware but how to follow the
 * script. A script that cannot be followed is given up as a whole.
 *
 * Not implemented: WRITE_POINTER (4), which tells the board where a blob went; zones are honoured.
 */
#include "bios32.h"

enum { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2, BLOBS = 8, NAME = 56 };

typedef struct PACKED Command {
    u32 what;
    union {
        struct PACKED {
            char file[NAME];
            u32 align;
            u8 zone;
        } allocate;
        struct PACKED {
            char in[NAME], of[NAME];
            u32 offset;
            u8 bytes;
        } pointer;
        struct PACKED {
            char file[NAME];
            u32 offset, start, length;
        } checksum;
        u8 size[124];
    };
} Command;
_Static_assert(sizeof(Command) == 128, "as the script has it");

typedef struct Blob {
    char name[NAME];
    u32 pa, bytes;
} Blob;

static Blob blob[BLOBS];
static u32 blobs;

static Blob *find(const char *name)
{
    for (u32 i = 0; i < blobs; i++)
        if (!memcmp(blob[i].name, name, NAME)) return &blob[i];
    return NULL;
}

static bool allocate(Command *c)
{
    u16 key;
    c->allocate.file[NAME - 1] = 0;
    u32 bytes = fwcfg_find(c->allocate.file, &key);
    if (!bytes || blobs == BLOBS) return false;
    Blob *b = &blob[blobs];
    b->pa = c->allocate.zone == ZONE_FSEG
                ? memory_alloc_fseg(bytes, c->allocate.align > 16 ? c->allocate.align : 16)
                : memory_alloc_high(bytes, c->allocate.align);
    if (!b->pa) return false;
    b->bytes = bytes;
    memcpy(b->name, c->allocate.file, NAME);
    fwcfg_read(key, (void *)b->pa, bytes);
    blobs++;
    return true;
}

static bool add_pointer(const Command *c)
{
    const Blob *in = find(c->pointer.in), *of = find(c->pointer.of);
    u32 n = c->pointer.bytes, at = c->pointer.offset;
    if (!in || !of || (n != 1 && n != 2 && n != 4 && n != 8) || at > in->bytes || in->bytes - at < n)
        return false;
    u32 v = 0;
    u8 *p = (u8 *)(in->pa + at);
    memcpy(&v, p, n < 4 ? n : 4);
    v += of->pa;
    memcpy(p, &v, n < 4 ? n : 4);
    return true;
}

static bool add_checksum(const Command *c)
{
    const Blob *b = find(c->checksum.file);
    u32 at = c->checksum.offset, start = c->checksum.start, length = c->checksum.length;
    if (!b || at >= b->bytes || start > b->bytes || length > b->bytes - start) return false;
    u8 *p = (u8 *)b->pa, sum = 0;
    for (u32 i = 0; i < length; i++) sum = (u8)(sum + p[start + i]);
    p[at] = (u8)(p[at] - sum);
    return true;
}

static bool follow(Command *c)
{
    switch (c->what) {
    case ALLOCATE: return allocate(c);
    case ADD_POINTER: return add_pointer(c);
    case ADD_CHECKSUM: return add_checksum(c);
    default: return true;
    }
}

bool loader_run(void)
{
    u16 key;
    u32 bytes = fwcfg_find("etc/table-loader", &key);
    if (!bytes) return false;
    u32 pa = 0x30000; /* below the boot sector's memory, free now */
    if (bytes > 0x10000) return false;
    fwcfg_read(key, (void *)pa, bytes);
    for (u32 i = 0; i + sizeof(Command) <= bytes; i += sizeof(Command))
        if (!follow((Command *)(pa + i))) {
            print("ACPI tables are not usable\n");
            return false;
        }
    return true;
}

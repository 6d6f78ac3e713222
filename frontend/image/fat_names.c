/* fat_names.c - names in FAT directories: 8 and 3 characters, and long ones in entries before them.
 *
 * Microsoft, FAT File System Specification, "Long Directory Entries". A name that is upper case and short is itself.
 * Every other one is kept as a long name; its short one is the same in upper case if that fits and is free, else some
 * of it with ~ and a number. A byte that is no UTF-8, and what FAT does not allow, is '_'. Of names that differ only
 * in case the second has no long name: a FAT system would take them for the same.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "frontend/image/fat.h"
#include "frontend/utf8.h"

enum { BASE = 8, EXTENSION = 3, LONG_PART = 13, LONG_MAX = 255, LAST_PART = 0x40, DELETED = 0xe5 };

/* --- short names ----------------------------------------------------------------------------------------- */

static bool is_plain(u8 c) { return isalnum(c) || strchr("$%'-_@~`!(){}^#&", c); }

/* Letters of `from` up to `end`, at most `room`. False: some are others now, or were left out. */
static bool short_part(const char *from, const char *end, u8 *to, u32 room)
{
    bool exact = true;
    u32 n = 0;
    for (; from < end; from++) {
        u8 c = (u8)*from;
        exact &= is_plain(c) && c < 0x80 && n < room;
        if (c == ' ' || c == '.' || n == room) continue;
        to[n++] = c < 0x80 && is_plain(c) ? (u8)toupper(c) : '_';
    }
    return exact;
}

/* True: it is the name itself, but for case. */
static bool short_make(const char *name, u8 to[FAT_SHORT])
{
    const char *dot = strrchr(name, '.'), *end = name + strlen(name);
    if (dot == name) dot = NULL;
    memset(to, ' ', FAT_SHORT);
    bool exact = short_part(name, dot ? dot : end, to, BASE);
    if (dot) exact &= short_part(dot + 1, end, to + BASE, EXTENSION) && dot[1];
    if (to[0] == ' ') to[0] = '_';
    return exact;
}

/* Short names that are taken: a table of a power of two, less than half full. */
typedef struct Taken {
    const u8 **at;
    u32 mask;
} Taken;

static u32 hash_of(const u8 name[FAT_SHORT])
{
    u32 h = 2166136261u;
    for (u32 n = 0; n < FAT_SHORT; n++) h = (h ^ name[n]) * 16777619u;
    return h ^ h >> 15;
}

static bool take(Taken *t, const u8 *name)
{
    u32 at = hash_of(name) & t->mask;
    for (; t->at[at]; at = (at + 1) & t->mask)
        if (!memcmp(t->at[at], name, FAT_SHORT)) return false;
    t->at[at] = name;
    return true;
}

/* NAME~1 to ~4; then NA and four digits of what the name is, which Windows does, too, ~1 and on. */
static void number_put(FatNode *n, const u8 first[FAT_SHORT], u32 number, u32 hash)
{
    static const char digits[] = "0123456789ABCDEF";
    char tail[8];
    u32 keep = 0, most = BASE;
    memcpy(n->short_name, first, FAT_SHORT);
    if (number > 4) {
        while (keep < 2 && first[keep] != ' ') keep++;
        for (u32 k = 0; k < 4; k++) n->short_name[keep++] = (u8)digits[hash >> 4 * k & 15];
        memset(n->short_name + keep, ' ', BASE - keep);
        number -= 4;
    }
    u32 length = (u32)snprintf(tail, sizeof tail, "~%u", number);
    while (most && n->short_name[most - 1] == ' ') most--;
    if (most > BASE - length) most = BASE - length;
    memcpy(n->short_name + most, tail, length);
    memset(n->short_name + most + length, ' ', BASE - most - length);
}

static void choose(FatNode *n, Taken *taken)
{
    u8 first[FAT_SHORT];
    bool exact = short_make(n->name, n->short_name);
    n->has_long = !exact;
    for (const char *c = n->name; *c; c++) n->has_long |= islower((u8)*c) != 0;
    if (exact && take(taken, n->short_name)) return;
    n->has_long = true;
    memcpy(first, n->short_name, FAT_SHORT);
    u32 hash = 0;
    for (const char *c = n->name; *c; c++) hash = hash * 31 + (u8)*c;
    for (u32 number = 1; number < 1000; number++) {
        number_put(n, first, number, hash + number / 10 * 0x9e37);
        if (take(taken, n->short_name)) return;
    }
}

void fat_names_choose(FatNode *child, u32 count)
{
    Taken taken = {.mask = 15};
    while (taken.mask < 4 * count) taken.mask = 2 * taken.mask + 1;
    taken.at = calloc(taken.mask + 1, sizeof *taken.at);
    CHECK(taken.at, "no memory");
    for (u32 n = 0; n < count; n++) {
        choose(&child[n], &taken);
        if (n && !strcasecmp(child[n].name, child[n - 1].name)) child[n].has_long = false;
    }
    free(taken.at);
}

/* --- long names ------------------------------------------------------------------------------------------ */

static u32 long_make(const char *name, u16 to[LONG_MAX + 1])
{
    u32 n = 0, c;
    while (n < LONG_MAX - 1 && (c = utf8_next(&name))) {
        if (c < 0x20 || c == 0xfffd || (c < 0x80 && strchr("\\/:*?\"<>|", (int)c))) c = '_';
        if (c >= 0x10000) {
            to[n++] = (u16)(0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        to[n++] = (u16)c;
    }
    return n;
}

u32 fat_names_entries(const FatNode *n)
{
    u16 name[LONG_MAX + 1];
    return n->has_long ? 1 + (long_make(n->name, name) + LONG_PART - 1) / LONG_PART : 1;
}

static u8 checksum(const u8 name[FAT_SHORT])
{
    u8 sum = 0;
    for (u32 n = 0; n < FAT_SHORT; n++) sum = (u8)((sum << 7 | sum >> 1) + name[n]);
    return sum;
}

/* Part `part` of a name of `length`; behind it a zero, and FFFFh to the end. */
static void long_entry(u8 *to, const u16 *name, u32 length, u32 part, u8 sum)
{
    static const u8 places[LONG_PART] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    bool is_last = (part + 1) * LONG_PART >= length;
    memset(to, 0, FAT_ENTRY);
    to[0] = (u8)(part + 1) | (is_last ? LAST_PART : 0);
    to[11] = FAT_LONG;
    to[13] = sum;
    for (u32 n = 0; n < LONG_PART; n++) {
        u32 at = part * LONG_PART + n;
        store16(to + places[n], at < length ? name[at] : at == length ? 0 : 0xffff);
    }
}

void fat_short_entry(u8 *to, const u8 name[FAT_SHORT], u8 attributes, u32 cluster, const FatNode *n)
{
    memset(to, 0, FAT_ENTRY);
    memcpy(to, name, FAT_SHORT);
    to[11] = attributes;
    store16(to + 14, n->time);
    store16(to + 16, n->date);
    store16(to + 18, n->date);
    store16(to + 20, (u16)(cluster >> 16));
    store16(to + 22, n->time);
    store16(to + 24, n->date);
    store16(to + 26, (u16)cluster);
    if (!(attributes & (FAT_FOLDER | FAT_VOLUME))) store32(to + 28, n->bytes);
}

u32 fat_names_put(const FatNode *n, u32 cluster, u8 *to)
{
    u16 name[LONG_MAX + 1];
    u32 parts = fat_names_entries(n) - 1, length = parts ? long_make(n->name, name) : 0;
    u8 sum = checksum(n->short_name);
    for (u32 k = 0; k < parts; k++) long_entry(to + k * FAT_ENTRY, name, length, parts - 1 - k, sum);
    fat_short_entry(to + parts * FAT_ENTRY, n->short_name, n->is_folder ? FAT_FOLDER : FAT_ARCHIVE, cluster,
                    n);
    return (parts + 1) * FAT_ENTRY;
}

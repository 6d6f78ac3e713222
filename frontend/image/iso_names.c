/* iso_names.c - the names that a CD has for files of the host's.
 *
 * ISO 9660, level 1: eight letters and three, of A-Z, 0-9 and _; folders have no extension. Joliet (Microsoft,
 * 1995): up to 64 characters of UCS-2, but for a few. What a name has and these do not allow is '_', and a byte
 * that is no UTF-8 is one, too. Of names that then are the same, whatever their case, all but one get a number
 * made of the whole name: four digits of base 36, the next that is free. The host's name itself, byte for byte, is
 * in Rock Ridge (iso_record.c).
 */
#include <stdlib.h>

#include "frontend/image/iso.h"
#include "frontend/utf8.h"

enum { NUMBER_DIGITS = 4, NUMBERS = 36 * 36 * 36 * 36, JOLIET_EXTENSION_MOST = 9 };

const u16 *iso_name(const IsoNode *n, IsoKind kind) { return kind == ISO_PLAIN ? n->plain : n->joliet; }

/* --- names that are taken -------------------------------------------------------------------------------- */

/* A table of a power of two, less than half full. */
typedef struct Taken {
    const IsoNode **at;
    u32 mask;
    IsoKind kind;
} Taken;

static u16 fold(u16 c) { return c >= 'a' && c <= 'z' ? (u16)(c - 'a' + 'A') : c; }

static bool is_same(const IsoNode *a, const IsoNode *b, IsoKind kind)
{
    if (a->length[kind] != b->length[kind]) return false;
    for (u32 n = 0; n < a->length[kind]; n++)
        if (fold(iso_name(a, kind)[n]) != fold(iso_name(b, kind)[n])) return false;
    return true;
}

static bool take(Taken *t, const IsoNode *node)
{
    u32 h = 2166136261u;
    for (u32 n = 0; n < node->length[t->kind]; n++) h = (h ^ fold(iso_name(node, t->kind)[n])) * 16777619u;
    u32 at = (h ^ h >> 15) & t->mask;
    for (; t->at[at]; at = (at + 1) & t->mask)
        if (is_same(t->at[at], node, t->kind)) return false;
    t->at[at] = node;
    return true;
}

static void taken_make(Taken *t, IsoKind kind, u32 count)
{
    *t = (Taken){.mask = 15, .kind = kind};
    while (t->mask < 2 * count) t->mask = 2 * t->mask + 1;
    t->at = calloc(t->mask + 1, sizeof *t->at);
    CHECK(t->at, "no memory");
}

/* --- letters --------------------------------------------------------------------------------------------- */

static u16 plain_letter(u32 c)
{
    if (c >= 'a' && c <= 'z') return (u16)(c - 'a' + 'A');
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? (u16)c : '_';
}

/* One character of UTF-8, as one or two of UTF-16. */
static u32 joliet_letters(u32 c, u16 to[2])
{
    if (c < 0x20 || c == 0x7f || c == 0xfffd || (c < 0x80 && strchr("*/:;?\\", (int)c))) c = '_';
    if (c < 0x10000) {
        to[0] = (u16)c;
        return 1;
    }
    to[0] = (u16)(0xd800 + ((c - 0x10000) >> 10));
    to[1] = (u16)(0xdc00 + (c & 0x3ff));
    return 2;
}

u32 iso_label(const char *name, IsoKind kind, u16 *to, u32 most)
{
    u32 n = 0, c;
    while ((c = utf8_next(&name))) {
        u16 letters[2] = {plain_letter(c)};
        u32 count = kind == ISO_PLAIN ? 1 : joliet_letters(c, letters);
        if (n + count > most) break;
        for (u32 k = 0; k < count; k++) to[n++] = letters[k];
    }
    return n;
}

/* --- names ----------------------------------------------------------------------------------------------- */

/* Where the last dot is, if something is before it; else the end. */
static size_t dot_of(const char *name, bool is_folder)
{
    const char *dot = is_folder ? NULL : strrchr(name, '.');
    return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

static u32 part_of(const char *from, size_t bytes, IsoKind kind, u16 *to, u32 most)
{
    char part[256];
    if (bytes >= sizeof part) bytes = sizeof part - 1;
    memcpy(part, from, bytes);
    part[bytes] = 0;
    return iso_label(part, kind, to, most);
}

/* A number in front of what `end` is of the name; 0: none, and only what is too long goes. */
static void name_join(IsoNode *n, IsoKind kind, const u16 *base, u32 base_count, const u16 *end,
                      u32 end_count, u32 number)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    u16 *to = kind == ISO_PLAIN ? n->plain : n->joliet;
    u32 most = kind == ISO_PLAIN ? ISO_BASE : ISO_JOLIET_MOST - end_count,
        keep = number ? most - NUMBER_DIGITS : most, at;
    if (base_count < keep) keep = base_count;
    for (at = 0; at < keep; at++) to[at] = base[at];
    if (at < base_count && at && (to[at - 1] & 0xfc00) == 0xd800) at--; /* half a character */
    for (u32 k = 0; number && k < NUMBER_DIGITS; k++, number /= 36) to[at++] = (u16)digits[number % 36];
    for (u32 k = 0; k < end_count; k++) to[at++] = end[k];
    n->length[kind] = (u8)at;
}

static u32 hash_of(const char *name)
{
    u32 h = 2166136261u;
    for (; *name; name++) h = (h ^ (u8)*name) * 16777619u;
    return (h ^ h >> 15) % (NUMBERS - 1);
}

/* There are more numbers than a folder has names. */
static void choose(IsoNode *n, const FolderNode *named, Taken *taken)
{
    u16 base[ISO_JOLIET_MOST], end[ISO_JOLIET_MOST];
    size_t dot = dot_of(named->name, named->is_folder), bytes = strlen(named->name);
    bool is_plain = taken->kind == ISO_PLAIN;
    u32 end_count = 0;
    if (!is_plain && bytes - dot > JOLIET_EXTENSION_MOST) dot = bytes;
    u32 base_count = part_of(named->name, dot, taken->kind, base, ISO_JOLIET_MOST);
    if (dot < bytes || (is_plain && !named->is_folder)) end[end_count++] = '.';
    if (dot < bytes)
        end_count += part_of(named->name + dot + 1, bytes - dot - 1, taken->kind, end + 1,
                             is_plain ? ISO_EXTENSION : JOLIET_EXTENSION_MOST);
    name_join(n, taken->kind, base, base_count, end, end_count, 0);
    for (u32 number = hash_of(named->name); !take(taken, n); number = (number + 1) % (NUMBERS - 1))
        name_join(n, taken->kind, base, base_count, end, end_count, number + 1);
}

void iso_names_choose(IsoNode *child, const FolderNode *named, u32 count)
{
    for (int kind = 0; kind < ISO_KINDS; kind++) {
        Taken taken;
        taken_make(&taken, (IsoKind)kind, count);
        for (u32 n = 0; n < count; n++) choose(&child[n], &named[n], &taken);
        free(taken.at);
    }
}

int iso_names_order(const IsoNode *a, const IsoNode *b, IsoKind kind)
{
    u32 least = a->length[kind] < b->length[kind] ? a->length[kind] : b->length[kind];
    for (u32 n = 0; n < least; n++)
        if (iso_name(a, kind)[n] != iso_name(b, kind)[n]) return iso_name(a, kind)[n] - iso_name(b, kind)[n];
    return a->length[kind] - b->length[kind];
}

u32 iso_name_put(const IsoNode *n, IsoKind kind, bool version, u8 *to)
{
    u32 at = 0, length = n->length[kind];
    for (u32 k = 0; k < length + (version ? 2 : 0); k++) {
        u16 c = k < length ? iso_name(n, kind)[k] : k == length ? ';' : '1';
        if (kind == ISO_JOLIET) to[at++] = (u8)(c >> 8);
        to[at++] = (u8)c;
    }
    return at;
}

/* iso_layout.c - what lies where on a CD that is a folder of the host's, and all of it that is no file.
 *
 * ECMA-119, in blocks of 2048 bytes: 16 empty ones, a descriptor of the volume, Joliet's descriptor, the end of
 * descriptors; path tables, in both orders of bytes, for both trees; directories of the plain tree, of Joliet's;
 * Rock Ridge's rests; the files, in the order of the tree. Folders may lie deeper than the eight levels that the
 * standard has for DOS: systems do not mind.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frontend/image/iso.h"

enum {
    FIRST = 16,
    DESCRIPTORS = 3,
    ROOT_RECORD = 34,
    LABEL = 32,
    TYPE_PLAIN = 1,
    TYPE_JOLIET = 2,
    TYPE_END = 255
};
static const u64 BLOCKS_MAX = 1u << 31; /* 4 TiB */

/* --- order ------------------------------------------------------------------------------------------------ */

static int order_plain(const void *a, const void *b, void *node)
{
    return iso_names_order((IsoNode *)node + *(const u32 *)a, (IsoNode *)node + *(const u32 *)b, ISO_PLAIN);
}

static int order_joliet(const void *a, const void *b, void *node)
{
    return iso_names_order((IsoNode *)node + *(const u32 *)a, (IsoNode *)node + *(const u32 *)b, ISO_JOLIET);
}

static u32 *array_make(u32 count)
{
    u32 *a = calloc(count, sizeof *a);
    CHECK(a, "no memory");
    for (u32 n = 0; n < count; n++) a[n] = n;
    return a;
}

/* Level by level, in a level by the parent's number, then by name: as path tables have them. */
static void folders_number(IsoTree *t, IsoKind kind)
{
    u32 *list = t->folders[kind] = array_make(t->folder_count), count = 1;
    t->node[0].number[kind] = 1;
    for (u32 at = 0; at < count; at++) {
        const FolderNode *f = &t->folder.node[list[at]];
        for (u32 k = 0; k < f->children; k++) {
            u32 child = t->order[kind][f->first_child + k];
            if (!t->folder.node[child].is_folder) continue;
            list[count++] = child;
            t->node[child].number[kind] = count;
        }
    }
}

static void names_sort(IsoTree *t)
{
    for (u32 n = 0; n < t->folder.count; n++) {
        const FolderNode *f = &t->folder.node[n];
        if (!f->is_folder) continue;
        u32 first = f->first_child;
        t->folder_count++;
        if (n) t->node[f->parent].folders++;
        iso_names_choose(t->node + first, t->folder.node + first, f->children);
        qsort_r(t->order[ISO_PLAIN] + first, f->children, sizeof(u32), order_plain, t->node);
        qsort_r(t->order[ISO_JOLIET] + first, f->children, sizeof(u32), order_joliet, t->node);
    }
}

/* --- places ----------------------------------------------------------------------------------------------- */

static u32 up(u64 n) { return (u32)((n + ISO_BLOCK - 1) / ISO_BLOCK); }

/* A record does not cross the end of a block. Returns where the next one goes. */
static u32 record_at(u32 at, u32 bytes)
{
    return at % ISO_BLOCK + bytes > ISO_BLOCK ? up(at) * ISO_BLOCK : at;
}

/* Each of a directory's records; `to` NULL: only how many bytes there are. */
static u32 directory_put(const IsoTree *t, u32 n, IsoKind kind, u8 *to)
{
    const FolderNode *f = &t->folder.node[n];
    u32 at = iso_record_put(t, n, kind, ISO_ITSELF, to);
    at += iso_record_put(t, f->parent, kind, ISO_PARENT, to ? to + at : NULL);
    for (u32 k = 0; k < f->children; k++) {
        u32 child = t->order[kind][f->first_child + k];
        at = record_at(at, iso_record_put(t, child, kind, ISO_CHILD, NULL));
        at += iso_record_put(t, child, kind, ISO_CHILD, to ? to + at : NULL);
    }
    return up(at) * ISO_BLOCK;
}

static u32 table_put(const IsoTree *t, IsoKind kind, bool big, u8 *to)
{
    u32 at = 0;
    for (u32 k = 0; k < t->folder_count; k++) {
        u32 n = t->folders[kind][k];
        u16 parent = (u16)t->node[t->folder.node[n].parent].number[kind];
        u8 r[8 + 2 * ISO_JOLIET_MOST + 1] = {0};
        r[0] = n ? (u8)iso_name_put(&t->node[n], kind, false, r + 8) : 1;
        if (big) {
            iso_put_big32(r + 2, t->node[n].block[kind]);
            r[6] = (u8)(parent >> 8);
            r[7] = (u8)parent;
        } else {
            store32(r + 2, t->node[n].block[kind]);
            store16(r + 6, parent);
        }
        u32 bytes = 8 + r[0] + r[0] % 2;
        if (to) memcpy(to + at, r, bytes);
        at += bytes;
    }
    return at;
}

static u64 place_directories(IsoTree *t, u64 block)
{
    for (int kind = 0; kind < ISO_KINDS; kind++)
        for (u32 k = 0; k < t->folder_count; k++) {
            IsoNode *n = &t->node[t->folders[kind][k]];
            n->bytes[kind] = directory_put(t, t->folders[kind][k], (IsoKind)kind, NULL);
            n->block[kind] = (u32)block;
            block += n->bytes[kind] / ISO_BLOCK;
        }
    return block;
}

static u64 place_more(IsoTree *t, u64 block)
{
    u8 more[ISO_MORE_MOST];
    u32 at = 0;
    for (u32 n = 0; n < t->folder.count; n++) {
        u32 bytes = iso_record_more(t, n, n ? ISO_CHILD : ISO_ITSELF, more);
        if (!bytes) continue;
        at = record_at(at, bytes);
        t->node[n].more_block = (u32)block + at / ISO_BLOCK;
        t->node[n].more_at = at % ISO_BLOCK;
        at += bytes;
    }
    return block + up(at);
}

static u64 place_files(IsoTree *t, u64 block)
{
    for (u32 n = 0; n < t->folder.count; n++) {
        if (t->folder.node[n].is_folder) continue;
        t->node[n].block[ISO_PLAIN] = t->node[n].block[ISO_JOLIET] = (u32)block;
        block += up(t->folder.node[n].bytes);
    }
    return block;
}

static bool place(IsoTree *t, Problem *p)
{
    u64 block = FIRST + DESCRIPTORS;
    for (int kind = 0; kind < ISO_KINDS; kind++) {
        t->table_bytes[kind] = table_put(t, (IsoKind)kind, false, NULL);
        for (int big = 0; big < 2; big++, block += up(t->table_bytes[kind]))
            t->table_block[kind][big] = (u32)block;
    }
    block = place_more(t, place_directories(t, block));
    if (block > ISO_HEAD_BLOCKS) return problem_set(p, "has more and longer names than ring3 takes");
    t->head_blocks = (u32)block;
    t->blocks = place_files(t, block);
    return t->blocks < BLOCKS_MAX || problem_set(p, "is too large for a CD (4 TiB)");
}

/* --- contents --------------------------------------------------------------------------------------------- */

static void text_put(u8 *to, u32 bytes, const char *text, IsoKind kind)
{
    u16 letters[128];
    u32 count = iso_label(text, kind, letters, kind == ISO_PLAIN ? bytes : bytes / 2);
    for (u32 n = 0; n < (kind == ISO_PLAIN ? bytes : bytes / 2); n++) {
        u16 c = n < count ? letters[n] : ' ';
        if (kind == ISO_JOLIET) *to++ = (u8)(c >> 8);
        *to++ = (u8)c;
    }
}

static void long_date_put(u8 *to, s64 seconds)
{
    struct tm tm = {.tm_year = 70, .tm_mday = 1};
    time_t at = seconds < 0 ? 0 : (time_t)seconds;
    char text[40];
    if (!gmtime_r(&at, &tm) || tm.tm_year > 8099) return;
    snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02d00", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(to, text, 16);
}

static void no_date_put(u8 *to) { memset(to, '0', 16); }

static void descriptor_put(const IsoTree *t, IsoKind kind, u8 *to)
{
    to[0] = kind == ISO_PLAIN ? TYPE_PLAIN : TYPE_JOLIET;
    memcpy(to + 1, "CD001\1", 6);
    text_put(to + 8, 32, "", kind);
    text_put(to + 40, LABEL, t->name, kind);
    iso_put_both32(to + 80, (u32)t->blocks);
    if (kind == ISO_JOLIET) memcpy(to + 88, "%/E", 3); /* UCS-2, level 3 */
    iso_put_both16(to + 120, 1);
    iso_put_both16(to + 124, 1);
    iso_put_both16(to + 128, ISO_BLOCK);
    iso_put_both32(to + 132, t->table_bytes[kind]);
    store32(to + 140, t->table_block[kind][0]);
    iso_put_big32(to + 148, t->table_block[kind][1]);
    u8 root[ISO_RECORD_MOST];
    iso_record_put(t, 0, kind, ISO_ITSELF, root);
    memcpy(to + 156, root, ROOT_RECORD);
    to[156] = ROOT_RECORD; /* without Rock Ridge */
    for (u32 n = 0; n < 4; n++) text_put(to + 190 + 128 * n, 128, n == 3 ? "RING3" : "", kind);
    for (u32 n = 0; n < 3; n++) text_put(to + 702 + 37 * n, 37, "", kind);
    long_date_put(to + 813, t->folder.node[0].modified);
    long_date_put(to + 830, t->folder.node[0].modified);
    no_date_put(to + 847);
    no_date_put(to + 864);
    to[881] = 1;
}

static void head_fill(IsoTree *t)
{
    u8 more[ISO_MORE_MOST], *at = t->head;
    descriptor_put(t, ISO_PLAIN, at + FIRST * ISO_BLOCK);
    descriptor_put(t, ISO_JOLIET, at + (FIRST + 1) * ISO_BLOCK);
    at[(FIRST + 2) * ISO_BLOCK] = TYPE_END;
    memcpy(at + (FIRST + 2) * ISO_BLOCK + 1, "CD001\1", 6);
    for (int kind = 0; kind < ISO_KINDS; kind++) {
        for (int big = 0; big < 2; big++)
            table_put(t, (IsoKind)kind, big, at + (u64)t->table_block[kind][big] * ISO_BLOCK);
        for (u32 k = 0; k < t->folder_count; k++) {
            u32 n = t->folders[kind][k];
            directory_put(t, n, (IsoKind)kind, at + (u64)t->node[n].block[kind] * ISO_BLOCK);
        }
    }
    for (u32 n = 0; n < t->folder.count; n++) {
        u32 bytes = iso_record_more(t, n, n ? ISO_CHILD : ISO_ITSELF, more);
        if (bytes) memcpy(at + (u64)t->node[n].more_block * ISO_BLOCK + t->node[n].more_at, more, bytes);
    }
}

bool iso_layout_make(IsoTree *t, Problem *p)
{
    t->node = calloc(t->folder.count, sizeof *t->node);
    CHECK(t->node, "no memory");
    for (int kind = 0; kind < ISO_KINDS; kind++) t->order[kind] = array_make(t->folder.count);
    names_sort(t);
    if (t->folder_count > ISO_FOLDERS_MAX) return problem_set(p, "has more than %d folders", ISO_FOLDERS_MAX);
    for (int kind = 0; kind < ISO_KINDS; kind++) folders_number(t, (IsoKind)kind);
    if (!place(t, p)) return false;
    t->head = calloc(t->head_blocks, ISO_BLOCK);
    CHECK(t->head, "no memory");
    head_fill(t);
    return true;
}

void iso_layout_free(IsoTree *t)
{
    for (int kind = 0; kind < ISO_KINDS; kind++) {
        free(t->order[kind]);
        free(t->folders[kind]);
    }
    free(t->node);
    free(t->head);
    host_folder_free(&t->folder);
    *t = (IsoTree){.node = NULL};
}

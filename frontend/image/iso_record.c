/* iso_record.c - the records of a CD's directories, and Rock Ridge in them.
 *
 * ECMA-119 9.1: a record says where a file lies, how long it is, when it was made, and its name. Rock Ridge (IEEE
 * P1282, the System Use Sharing Protocol P1281) adds fields behind the name, in the plain tree: PX, mode, links
 * and owner; TF, times; NM, the name as the host has it. A record has 254 bytes: a name that does not fit lies
 * elsewhere, where a CE points. The root's "." says by SP and ER that there is Rock Ridge at all.
 *
 * On a CD nobody writes, and the host's users are not the guest's: all may be read, what one could run all may
 * run, root has it.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "frontend/image/iso.h"

enum {
    HEAD = 33,
    FLAG_FOLDER = 2,
    PX_BYTES = 36,
    TF_BYTES = 26,
    NM_HEAD = 5,
    CE_BYTES = 28,
    SP_BYTES = 7,
    NM_MOST = 240
};
enum { NM_CONTINUES = 1, TF_THREE_TIMES = 0x0e /* modified, read, attributes */ };

/* --- numbers and dates ------------------------------------------------------------------------------------ */

void iso_put_big32(u8 *to, u32 value)
{
    for (u32 n = 0; n < 4; n++) to[n] = (u8)(value >> (24 - 8 * n));
}

void iso_put_both32(u8 *to, u32 value)
{
    store32(to, value);
    iso_put_big32(to + 4, value);
}

void iso_put_both16(u8 *to, u16 value)
{
    store16(to, value);
    to[2] = (u8)(value >> 8);
    to[3] = (u8)value;
}

void iso_put_date(u8 *to, s64 seconds)
{
    struct tm tm;
    time_t at = seconds < 0 ? 0 : (time_t)seconds;
    memset(to, 0, 7);
    if (!gmtime_r(&at, &tm) || tm.tm_year > 255) return;
    const int part[] = {tm.tm_year, tm.tm_mon + 1, tm.tm_mday,
                        tm.tm_hour, tm.tm_min,     tm.tm_sec > 59 ? 59 : tm.tm_sec};
    for (u32 n = 0; n < ARRAY_LEN(part); n++) to[n] = (u8)part[n];
}

/* --- Rock Ridge ------------------------------------------------------------------------------------------- */

static u8 *field(u8 *to, const char *word, u32 bytes)
{
    memset(to, 0, bytes);
    to[0] = (u8)word[0];
    to[1] = (u8)word[1];
    to[2] = (u8)bytes;
    to[3] = 1;
    return to + bytes;
}

static u8 *put_px(u8 *to, const FolderNode *f, u32 folders)
{
    u32 mode = (f->is_folder ? S_IFDIR : S_IFREG) | 0444 | (f->mode & 0111 || f->is_folder ? 0111 : 0);
    u8 *end = field(to, "PX", PX_BYTES);
    iso_put_both32(to + 4, mode);
    iso_put_both32(to + 12, f->is_folder ? 2 + folders : 1);
    return end;
}

static u8 *put_tf(u8 *to, const FolderNode *f)
{
    u8 *end = field(to, "TF", TF_BYTES);
    to[4] = TF_THREE_TIMES;
    for (u32 n = 0; n < 3; n++) iso_put_date(to + 5 + 7 * n, f->modified);
    return end;
}

static u8 *put_nm(u8 *to, const char *name, u32 bytes, u8 flags)
{
    u8 *end = field(to, "NM", NM_HEAD + bytes);
    to[4] = flags;
    memcpy(to + NM_HEAD, name, bytes);
    return end;
}

static u8 *put_er(u8 *to)
{
    static const char id[] = "RRIP_1991A", what[] = "ROCK RIDGE: POSIX NAMES AND MODES",
                      where[] = "IEEE P1282";
    enum { ID = sizeof id - 1, WHAT = sizeof what - 1, WHERE = sizeof where - 1 };
    u8 *end = field(to, "ER", 8 + ID + WHAT + WHERE);
    to[4] = ID;
    to[5] = WHAT;
    to[6] = WHERE;
    to[7] = 1;
    memcpy(to + 8, id, ID);
    memcpy(to + 8 + ID, what, WHAT);
    memcpy(to + 8 + ID + WHAT, where, WHERE);
    return end;
}

static u32 plain_bytes(const IsoNode *n, bool version)
{
    u32 name = n->length[ISO_PLAIN] + (version ? 2u : 0u);
    return HEAD + name + (name % 2 ? 0 : 1);
}

static bool name_fits(const IsoNode *n, const FolderNode *f)
{
    u32 bytes = plain_bytes(n, !f->is_folder) + PX_BYTES + TF_BYTES + NM_HEAD + (u32)strlen(f->name);
    return bytes <= ISO_RECORD_MOST;
}

u32 iso_record_more(const IsoTree *t, u32 n, IsoEntry entry, u8 to[ISO_MORE_MOST])
{
    const FolderNode *f = &t->folder.node[n];
    u8 *end = to;
    if (entry == ISO_ITSELF && !n) return (u32)(put_er(to) - to);
    if (entry != ISO_CHILD || name_fits(&t->node[n], f)) return 0;
    u32 bytes = (u32)strlen(f->name), first = bytes > NM_MOST ? NM_MOST : bytes;
    end = put_nm(end, f->name, first, bytes > first ? NM_CONTINUES : 0);
    if (bytes > first) end = put_nm(end, f->name + first, bytes - first, 0);
    return (u32)(end - to);
}

static u8 *put_ce(u8 *to, const IsoNode *n, u32 bytes)
{
    u8 *end = field(to, "CE", CE_BYTES);
    iso_put_both32(to + 4, n->more_block);
    iso_put_both32(to + 12, n->more_at);
    iso_put_both32(to + 20, bytes);
    return end;
}

static u8 *put_rock_ridge(const IsoTree *t, u32 n, IsoEntry entry, u8 *to)
{
    const FolderNode *f = &t->folder.node[n];
    u8 more[ISO_MORE_MOST];
    u32 bytes = iso_record_more(t, n, entry, more);
    if (entry == ISO_ITSELF && !n) {
        u8 *sp = to;
        to = field(to, "SP", SP_BYTES);
        sp[4] = 0xbe;
        sp[5] = 0xef;
    }
    to = put_tf(put_px(to, f, t->node[n].folders), f);
    if (bytes) return put_ce(to, &t->node[n], bytes);
    return entry == ISO_CHILD ? put_nm(to, f->name, (u32)strlen(f->name), 0) : to;
}

/* --- records ---------------------------------------------------------------------------------------------- */

/* Its name, which stands for itself and the parent as a byte 0 and 1. */
static u32 put_name(const IsoTree *t, u32 n, IsoKind kind, IsoEntry entry, u8 *to)
{
    if (entry == ISO_CHILD) return iso_name_put(&t->node[n], kind, !t->folder.node[n].is_folder, to);
    to[0] = entry == ISO_PARENT;
    return 1;
}

u32 iso_record_put(const IsoTree *t, u32 n, IsoKind kind, IsoEntry entry, u8 *to)
{
    u8 r[2 * ISO_RECORD_MOST] = {0};
    const FolderNode *f = &t->folder.node[n];
    const IsoNode *node = &t->node[n];
    iso_put_both32(r + 2, node->block[kind]);
    iso_put_both32(r + 10, f->is_folder ? node->bytes[kind] : (u32)f->bytes);
    iso_put_date(r + 18, f->modified);
    r[25] = f->is_folder ? FLAG_FOLDER : 0;
    iso_put_both16(r + 28, 1);
    r[32] = (u8)put_name(t, n, kind, entry, r + HEAD);
    u8 *end = r + HEAD + r[32] + (r[32] % 2 ? 0 : 1);
    if (kind == ISO_PLAIN) end = put_rock_ridge(t, n, entry, end);
    u32 bytes = (u32)(end - r + 1) & ~1u;
    CHECK(bytes <= ISO_RECORD_MOST, "a directory record of a CD is too long");
    r[0] = (u8)bytes;
    if (to) memcpy(to, r, bytes);
    return bytes;
}

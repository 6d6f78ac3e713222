/* iso.h - a folder of the host's as a CD (ISO 9660). Between iso.c (sectors), iso_layout.c (what lies where),
 * iso_record.c (what a directory's records are) and iso_names.c (names).
 */
#ifndef RING3_ISO_H
#define RING3_ISO_H

#include "frontend/image/host_folder.h"
#include "frontend/image/format.h"

enum {
    ISO_BLOCK = 2048,
    ISO_NODES_MAX = 1 << 17,   /* files and folders */
    ISO_FOLDERS_MAX = 65535,   /* their numbers have 16 bits */
    ISO_HEAD_BLOCKS = 1 << 16, /* what is before the files: 128 MiB */
    ISO_BASE = 8,
    ISO_EXTENSION = 3,
    ISO_PLAIN_MOST = ISO_BASE + 1 + ISO_EXTENSION,
    ISO_JOLIET_MOST = 64,
    ISO_RECORD_MOST = 254,
};

/* A CD has two trees of directories, whose files are the same. */
typedef enum IsoKind { ISO_PLAIN, ISO_JOLIET, ISO_KINDS } IsoKind;

typedef struct IsoNode {
    u16 plain[ISO_PLAIN_MOST], joliet[ISO_JOLIET_MOST]; /* names, without a version */
    u8 length[ISO_KINDS];
    u32 block[ISO_KINDS];    /* where it begins; a file is the same in both */
    u32 bytes[ISO_KINDS];    /* of a folder's directory: whole blocks */
    u32 number[ISO_KINDS];   /* of a folder in the path tables, from 1 */
    u32 folders;             /* of a folder: how many are in it */
    u32 more_block, more_at; /* where the rest of its Rock Ridge is; 0: there is none */
} IsoNode;

typedef struct IsoTree {
    FolderTree folder; /* node n is its node n */
    IsoNode *node;
    u32 *order[ISO_KINDS];   /* a folder's children by name, in the places that they have in `folder` */
    u32 *folders[ISO_KINDS]; /* in the path tables' order */
    u32 folder_count;
    u32 table_bytes[ISO_KINDS], table_block[ISO_KINDS][2]; /* path tables: little, big endian */
    u32 head_blocks;                                       /* before the files */
    u64 blocks;
    u8 *head;
    const char *name; /* the folder's, for the label */
} IsoTree;

/* ---- iso.c ---- */
const char *iso_folder(const char *path); /* of "dir:..."; NULL: it is no such name */

/* ---- iso_names.c ---- */
/* iso_names_choose - names for a folder's children, each its own in both trees. */
void iso_names_choose(IsoNode *child, const FolderNode *named, u32 count);
const u16 *iso_name(const IsoNode *n, IsoKind kind);
/* iso_names_order - less than, equal to or more than 0. */
int iso_names_order(const IsoNode *a, const IsoNode *b, IsoKind kind);
/* iso_name_put - as a record has it; returns how many bytes. `version`: a file's. */
u32 iso_name_put(const IsoNode *n, IsoKind kind, bool version, u8 *to);
/* iso_label - of UTF-8, in at most `most` characters; returns how many. */
u32 iso_label(const char *name, IsoKind kind, u16 *to, u32 most);

/* ---- iso_record.c ---- */
typedef enum IsoEntry { ISO_ITSELF, ISO_PARENT, ISO_CHILD } IsoEntry;
/* iso_record_put - the record by which a directory names node n: itself ("."), its parent (".."), a child. With `to`
 * NULL only its length is told. */
u32 iso_record_put(const IsoTree *t, u32 n, IsoKind kind, IsoEntry entry, u8 *to);
/* iso_record_more - what does not fit; returns how many bytes, 0: all does. */
enum { ISO_MORE_MOST = 300 };
u32 iso_record_more(const IsoTree *t, u32 n, IsoEntry entry, u8 to[ISO_MORE_MOST]);
void iso_put_both32(u8 *to, u32 value);
void iso_put_both16(u8 *to, u16 value);
void iso_put_big32(u8 *to, u32 value);
/* iso_put_date - 7 bytes, UTC. */
void iso_put_date(u8 *to, s64 seconds);

/* ---- iso_layout.c ---- */
bool iso_layout_make(IsoTree *t, Problem *p);
void iso_layout_free(IsoTree *t);

#endif

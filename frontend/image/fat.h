/* fat.h - a folder of the host's as a FAT disk that is only read. Between fat.c (sectors), fat_layout.c (where
 * what lies), fat_tree.c (the folder) and fat_names.c (names).
 */
#ifndef RING3_FAT_H
#define RING3_FAT_H

#include "frontend/image/host_folder.h"
#include "frontend/image/format.h"

enum {
    FAT_NODES_MAX = 65536, /* files and folders */
    FAT_FOLDER_BYTES = 32 << 20,
    FAT_ENTRY = 32, /* bytes of a directory entry */
    FAT_SHORT = 11, /* of a short name: 8 and 3, with spaces */
};

/* What "fat:[floppy:][12|16|32:]FOLDER" says. */
typedef struct FatSpec {
    bool floppy, writable;
    u32 bits; /* 12, 16, 32; 0: what fits */
    const char *folder;
} FatSpec;

typedef struct FatNode { /* a file or a folder; the first is the folder itself */
    const char *name;    /* in its folder */
    u8 short_name[FAT_SHORT];
    bool has_long; /* the short name does not say it all */
    bool is_folder;
    u32 parent;
    u32 children, first_child; /* of a folder: they are next to each other */
    u32 bytes;
    u32 cluster, clusters; /* one after the other; 0, 0: it is empty, or the root of FAT12 and FAT16 */
    u16 date, time;
    u8 *entries; /* of a folder: its directory, `bytes` of it */
} FatNode;

typedef struct FatTree {
    FolderTree folder; /* node n is its node n */
    FatNode *node;
    u32 count;
    u64 folder_bytes; /* of all directories */
} FatTree;

typedef struct FatLayout { /* sectors, but for the names */
    u32 bits;
    u64 disk;
    u32 begin; /* of the volume: behind the partition table, or 0 */
    u32 reserved, fat_sectors, root_sectors, per_cluster, clusters;
    u32 volume; /* how many it has */
    u16 heads, per_track;
    bool is_written; /* a quarter is to be free at least */
} FatLayout;

/* ---- fat.c ---- */
const char *fat_folder(const char *path); /* of "fat:..."; NULL: it is no such name */

bool fat_is_written(const char *path); /* "fat:rw:..." */

/* ---- fat_names.c ---- */
/* fat_names_choose - short names for a folder's children, each its own; names that need a long one are told. */
void fat_names_choose(FatNode *child, u32 count);
/* fat_names_entries - how many directory entries a name takes: a long name's, and its own. */
u32 fat_names_entries(const FatNode *n);
/* fat_names_put - those entries; returns how many bytes. */
u32 fat_names_put(const FatNode *n, u32 cluster, u8 *to);
void fat_short_entry(u8 *to, const u8 name[FAT_SHORT], u8 attributes, u32 cluster, const FatNode *n);
enum { FAT_READ_ONLY = 1, FAT_VOLUME = 8, FAT_FOLDER = 0x10, FAT_ARCHIVE = 0x20, FAT_LONG = 0x0f };

/* ---- fat_tree.c ---- */
bool fat_tree_scan(FatTree *t, const char *folder, Problem *p);
void fat_tree_free(FatTree *t);

/* ---- fat_layout.c ---- */
/* fat_layout_make - a layout in which the tree has room, and each node's clusters. */
bool fat_layout_make(FatLayout *l, FatTree *t, const FatSpec *s, Problem *p);
/* fat_layout_folders - the directories' entries. */
void fat_layout_folders(FatTree *t);
/* fat_layout_sector - one before the tables: partition table, boot sector, what FAT32 has besides. */
void fat_layout_sector(const FatLayout *l, u64 sector, u8 to[SECTOR_BYTES]);

#endif

/* fat_carry.h - what a guest has made of a folder that is a disk (fat:rw:FOLDER): read from its file system
 * (fat_walk.c), and carried back to the folder (fat_carry.c).
 */
#ifndef RING3_FAT_CARRY_H
#define RING3_FAT_CARRY_H

#include "frontend/host/keeper.h"
#include "frontend/image/fat.h"

typedef struct FatFound { /* a file or a folder of the guest's; the first is the root */
    char *name;           /* UTF-8 */
    char *host;           /* its name on the host; NULL: the same */
    bool is_folder, has_stamp;
    u8 depth;
    u16 date, time;
    u32 parent, children, first_child;
    u32 bytes, cluster;
    u32 base; /* the node of the FatTree that it was at the start; 0: none */
    KeeperStamp stamp;
} FatFound;

typedef struct FatWalk {
    FatFound *node;
    u32 count, room;
    u64 *used;        /* bit n: cluster n is a file's or a folder's */
    u32 left_out;     /* names that a host's folder should not have */
    char example[64]; /* one of them */
    const char *why;  /* EAGAIN: what is wrong */
} FatWalk;

/* ---- fat_walk.c ---- */
/* fat_walk - read the whole tree. 0; EAGAIN: it is not sound, at this moment at least (w->why); another errno:
 * reading failed. Whatever is on the disk, the tree has at most FAT_NODES_MAX nodes and plain names. */
int fat_walk(FatWalk *w, Disk *d, const FatLayout *l);
void fat_walk_free(FatWalk *w);
/* fat_next_cluster - of a chain that was walked; 0: it ends, or cannot be read. *t: zeroed; what was read last. */
typedef struct FatTable {
    bool valid;
    u64 sector;
    u8 bytes[2 * SECTOR_BYTES];
} FatTable;
u32 fat_next_cluster(Disk *d, const FatLayout *l, FatTable *t, u32 cluster);
u64 fat_cluster_sector(const FatLayout *l, u32 cluster);

/* ---- fat_overlay.c ---- */
typedef struct FatOverlay { /* what the guest has written: a temporary file with the disk's places */
    HostFile file;
    u64 *written, *dirty; /* bit n: sector n is in it; and was written since it was carried back */
    u64 sectors;
} FatOverlay;
bool fat_overlay_open(FatOverlay *o, u64 sectors, Problem *p);
void fat_overlay_close(FatOverlay *o);
bool fat_overlay_has(const FatOverlay *o, u64 sector);
bool fat_overlay_is_dirty(const FatOverlay *o, u64 sector);
int fat_overlay_write(FatOverlay *o, u64 sector, const void *from, u64 count, bool dirty);
void fat_overlay_clean(FatOverlay *o);
/* fat_overlay_run - how many sectors from this one on, of `most`, are alike: in it or not. */
u64 fat_overlay_run(const FatOverlay *o, u64 sector, u64 most);

/* ---- fat_carry.c ---- */
typedef struct FatCarry FatCarry;
/* What fat.c has and does. */
typedef struct FatCarryHost {
    Disk *disk;
    const FatLayout *layout;
    const FatTree *tree;
    const char *folder;
    bool (*is_dirty)(Disk *d, u64 sector); /* written since fat_carry() returned 0 */
    int (*pin)(Disk *d,
               u32 node); /* the folder's file is about to go: what is read of it is from now on elsewhere */
} FatCarryHost;

/* fat_carry_begin - NULL: *p. */
FatCarry *fat_carry_begin(const FatCarryHost *host, Problem *p);
/* fat_carry - 0: the folder is as the guest's file system; EAGAIN: that is not sound, another time; else an errno.
 * `last`: there is no other time, say so. */
int fat_carry(FatCarry *c, bool last);
void fat_carry_end(FatCarry *c);
bool fat_carry_uses(const FatCarry *c, u32 cluster); /* has the last walk found it in use? */

#endif

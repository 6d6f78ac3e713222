/* host_folder.h - a folder of the host's that is shown to a guest as a disk or a CD (fat.h, iso.h): what is in it,
 * as it was when it was looked at, and its files' bytes. See host_folder.c.
 */
#ifndef RING3_HOST_FOLDER_H
#define RING3_HOST_FOLDER_H

#include "frontend/say.h"

enum { FOLDER_PATH_BYTES = 4096, FOLDER_DEPTH_MAX = 32 /* folders in folders */ };

typedef struct FolderNode { /* a file or a folder; the first is the folder itself */
    char *name;             /* in its folder; any bytes but a zero and a slash */
    bool is_folder;
    u8 depth;
    u32 mode; /* as of stat() */
    u32 parent;
    u32 children,
        first_child; /* of a folder: they are next to each other, sorted by name, whatever its case */
    u64 bytes;       /* of a file */
    s64 modified;    /* seconds since 1970 */
} FolderNode;

typedef struct FolderTree {
    FolderNode *node;
    u32 count, room;
} FolderTree;

typedef struct FolderLimits {
    u32 nodes;
    u64 file_bytes;    /* the most that a file may have */
    const char *holds; /* "FAT": what cannot hold larger ones */
} FolderLimits;

/* host_folder_scan - false: *p says why, without the folder's name. The tree is to be freed in any case. */
bool host_folder_scan(FolderTree *t, const char *folder, const FolderLimits *l, Problem *p);
void host_folder_free(FolderTree *t);

/* Files that are being read: the last few stay open. */
enum { FOLDER_OPEN_FILES = 8 };
typedef struct FolderFiles {
    struct {
        int fd; /* -1: none */
        u32 node;
    } file[FOLDER_OPEN_FILES];
    u32 next; /* whose place is taken next */
} FolderFiles;

void host_folder_files_init(FolderFiles *f);
void host_folder_files_close(FolderFiles *f);
/* host_folder_read - bytes of a file of the tree: 0, or an errno: it has gone, is shorter now, or is a link. */
int host_folder_read(FolderFiles *f, const FolderTree *t, const char *folder, u32 node, u64 offset, void *to,
                     u64 bytes);

#endif

/* keeper.h - the one process that changes a folder which is a disk (fat:rw:FOLDER), and never loses what was in
 * it. See keeper.c. */
#ifndef RING3_KEEPER_H
#define RING3_KEEPER_H

#include <sys/types.h>

#include "frontend/say.h"

enum { KEEPER_PATH_BYTES = 4096, KEEPER_DATA_BYTES = 1 << 16 };

typedef struct Keeper {
    int socket; /* -1: there is none */
    pid_t process;
} Keeper;

/* Which file, and which contents: a file that another program has changed has another one. */
typedef struct KeeperStamp {
    u64 device, inode, bytes;
    s64 seconds, nanoseconds;
} KeeperStamp;

typedef enum KeeperResult {
    KEEPER_DONE,
    KEEPER_BESIDE, /* another program has changed the file or made one: the guest's lies beside it, as `name` */
    KEEPER_STAYS   /* another program has changed it: it is not taken away */
} KeeperResult;

typedef struct KeeperAnswer {
    s32 error;        /* errno; 0: done */
    u32 result, kept; /* KeeperResult; how many things were put away since the start */
    KeeperStamp stamp;
    char name[256]; /* of the file, in its folder */
} KeeperAnswer;

/* keeper_start - before there are threads. `most`: bytes of a file. False: *p. */
bool keeper_start(Keeper *k, const char *folder, u64 most, Problem *p);
void keeper_end(Keeper *k);

/* All return 0 or an errno. Paths are relative, of plain names: no "..", nothing hidden, no control characters. */
int keeper_stat(Keeper *k, const char *path, KeeperAnswer *a);
int keeper_make_folder(Keeper *k, const char *path, KeeperAnswer *a);
/* keeper_put - begin, then as many bytes as there are, then place it: where there is a file with the stamp `old`
 * (NULL: none is expected), that is kept. */
int keeper_put_begin(Keeper *k, const char *path, KeeperAnswer *a);
int keeper_put_bytes(Keeper *k, const void *bytes, u32 count);
int keeper_put_place(Keeper *k, const char *path, const KeeperStamp *old, s64 modified, KeeperAnswer *a);
int keeper_take_away(Keeper *k, const char *path, const KeeperStamp *old, bool is_folder, KeeperAnswer *a);

#endif

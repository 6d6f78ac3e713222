/* files.h - opening a file that a person names while the machine runs: by this process, or, from a cage, by its broker
 * (broker.h). See files.c. */
#ifndef RING3_FILES_H
#define RING3_FILES_H

#include <stdbool.h>
#include <stdint.h>

typedef enum FileUse {
    FILE_READ,      /* a medium that is only read */
    FILE_WRITE,     /* one that exists, and is read and written */
    FILE_SYNC,      /* the same; each write is on the host's disk when it returns */
    FILE_REPLACE,   /* what ring3 makes: created, or opened with what is in it */
    FILE_CREATE,    /* the same, and it may be read; not for a machine that runs */
    FILE_TEMPORARY, /* path: a folder; a file without a name in it */
    FILE_STATE, /* path: a name in the snapshot folder, which is made if need be; created, read and written */
    FILE_STATE_OLD, /* the same, but it exists */
    FILE_BENEATH,   /* path: FOLDER/./NAME[/NAME...]: only read, and no link is followed behind the folder */
    FILE_FOLDER, /* path: FOLDER/. or FOLDER/./NAME[/NAME...]: what is in it, as FileListed's in a file without a name */
    FILE_USES
} FileUse;

/* One of a folder's files and folders; its name follows, without a zero. Hidden ones (a dot in front), links and what is
 * neither a file nor a folder are left out. More than FILE_LISTED_MAX: E2BIG. */
enum { FILE_LISTED_MAX = 1 << 18 };
typedef struct FileListed {
    uint64_t bytes;   /* of a file */
    int64_t modified; /* seconds since 1970 */
    uint32_t mode;    /* as of stat() */
    int32_t error;    /* errno: why it cannot be read; 0: it can */
    uint32_t name_bytes, unused;
} FileListed;

/* file_open - a descriptor that no child inherits and that waits for no FIFO's other end; -1: errno, and
 * file_problem() says it for people. */
int file_open(FileUse use, const char *path);
/* Why the last file_open() failed. */
const char *file_problem(void);
/* Could this process's user do that (FILE_READ, FILE_WRITE)? */
bool file_may(FileUse use, const char *path);
/* Away with a FILE_REPLACE that went wrong. */
void file_discard(const char *path);

/* The snapshot folder (snapshot/folder.h): before the broker starts; the string is the caller's. NULL: there is none. */
extern const char *file_state_folder;
/* A plain name, which leads nowhere else. */
bool file_state_name(const char *name);
/* NAME.new in it takes the place of NAME, durably; NAME goes. False: file_problem(). */
bool file_state_replace(const char *name);
bool file_state_remove(const char *name);

/* Where FILE_TEMPORARY is to be: $TMPDIR, or /var/tmp. */
const char *file_temporary_folder(void);

/* Who does it for a process in a cage. NULL: nobody, it does so itself. What it has as `why` may be filled in with what
 * errno does not say. */
enum { FILE_WHY_BYTES = 240 };
typedef struct FileServer {
    int (*open)(FileUse use, const char *path, char why[FILE_WHY_BYTES]);
    bool (*may)(FileUse use, const char *path);
    void (*discard)(const char *path);
    bool (*replace)(const char *name, char why[FILE_WHY_BYTES]);
    bool (*remove)(const char *name, char why[FILE_WHY_BYTES]);
} FileServer;
extern const FileServer *file_server;

/* The same, by this process; for servers. */
int file_open_here(FileUse use, const char *path);
bool file_may_here(FileUse use, const char *path);
bool file_state_replace_here(const char *name); /* errno */
bool file_state_remove_here(const char *name);

#endif

/* files.c - see files.h. What is opened is not looked at here: media.c and output.c know what a medium and an output
 * are. */
#define _GNU_SOURCE
#include "frontend/host/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const FileServer *file_server;
static char problem[FILE_WHY_BYTES];

static int temporary(const char *folder)
{
    char name[4096];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    snprintf(name, sizeof name, "%.4000s/ring3-XXXXXX", folder); /* a file system without O_TMPFILE */
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) unlink(name);
    return fd;
}

/* --- the snapshot folder ---------------------------------------------------------------------------------- */

enum { STATE_PATH_BYTES = 4200 };
const char *file_state_folder;

bool file_state_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t n = strlen(name);
    return n && n < 64 && *name != '.' && strspn(name, letters) == n;
}

static bool state_path(const char *name, const char *end, char to[STATE_PATH_BYTES])
{
    errno = EINVAL;
    if (!file_state_folder || !file_state_name(name)) return false;
    errno = ENAMETOOLONG;
    return snprintf(to, STATE_PATH_BYTES, "%s/%s%s", file_state_folder, name, end) < STATE_PATH_BYTES;
}

/* No link is followed: the folder's files are ring3's own. */
static int state_open(FileUse use, const char *name)
{
    char path[STATE_PATH_BYTES];
    int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | (use == FILE_STATE ? O_CREAT : 0);
    if (!state_path(name, "", path)) return -1;
    int fd = open(path, flags, 0666);
    if (fd >= 0 || errno != ENOENT || use != FILE_STATE) return fd;
    if (mkdir(file_state_folder, 0777) < 0 && errno != EEXIST) return -1;
    return open(path, flags, 0666);
}

/* So that names last, too. */
static bool sync_folder(void)
{
    int fd = open(file_state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = fsync(fd) == 0;
    int why = errno;
    close(fd);
    errno = why;
    return ok;
}

bool file_state_replace_here(const char *name)
{
    char from[STATE_PATH_BYTES], to[STATE_PATH_BYTES];
    return state_path(name, ".new", from) && state_path(name, "", to) && !rename(from, to) && sync_folder();
}

bool file_state_remove_here(const char *name)
{
    char path[STATE_PATH_BYTES];
    return state_path(name, "", path) && !unlink(path);
}

/* One name after the other, so that none of them can be a link. A folder's last name may be "." */
static int open_beneath(const char *path, bool wants_folder)
{
    enum { FOLDER = O_PATH | O_DIRECTORY | O_CLOEXEC, MEMBER = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
    char copy[4096], *mark = NULL;
    errno = EINVAL;
    if (snprintf(copy, sizeof copy, "%s%s", path, wants_folder ? "/." : "") >= (int)sizeof copy) return -1;
    for (char *at = copy; (at = strstr(at, "/./")); at++) mark = at;
    if (!mark) return -1;
    *mark = 0;
    int fd = open(*copy ? copy : "/", FOLDER);
    int member = MEMBER | (wants_folder ? O_DIRECTORY : 0);
    char *name = mark + 3;
    while (fd >= 0 && name) {
        char *slash = strchr(name, '/');
        if (slash) *slash = 0;
        int next = strcmp(name, "..") ? openat(fd, name, (slash ? FOLDER : member) | O_NOFOLLOW) : -1;
        int why = errno;
        close(fd);
        errno = why;
        fd = next;
        name = slash ? slash + 1 : NULL;
    }
    return fd;
}

/* --- what is in a folder ----------------------------------------------------------------------------------- */

typedef struct Listing {
    int fd;
    unsigned count;
    size_t used;
    char bytes[1 << 16];
} Listing;

static bool listing_write(Listing *l)
{
    for (size_t at = 0; at < l->used;) {
        ssize_t n = write(l->fd, l->bytes + at, l->used - at);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    l->used = 0;
    return true;
}

static bool listing_add(Listing *l, int folder, const char *name)
{
    struct stat st;
    size_t n = strlen(name);
    if (*name == '.' || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) return true; /* it has just gone */
    bool is_folder = S_ISDIR(st.st_mode);
    if (!is_folder && !S_ISREG(st.st_mode)) return true;
    FileListed e = {.bytes = is_folder ? 0 : (uint64_t)st.st_size,
                    .modified = st.st_mtime,
                    .mode = st.st_mode,
                    .name_bytes = (uint32_t)n};
    if (faccessat(folder, name, is_folder ? R_OK | X_OK : R_OK, 0)) e.error = errno;
    if (++l->count > FILE_LISTED_MAX) {
        errno = E2BIG;
        return false;
    }
    if (l->used + sizeof e + n > sizeof l->bytes && !listing_write(l)) return false;
    memcpy(l->bytes + l->used, &e, sizeof e);
    memcpy(l->bytes + l->used + sizeof e, name, n);
    l->used += sizeof e + n;
    return true;
}

static bool list_into(Listing *l, int folder)
{
    _Alignas(struct dirent64) char some[1 << 15];
    ssize_t n;
    while ((n = getdents64(folder, some, sizeof some)) > 0)
        for (ssize_t at = 0; at < n;) {
            struct dirent64 *e = (struct dirent64 *)(some + at);
            at += e->d_reclen;
            if (!listing_add(l, folder, e->d_name)) return false;
        }
    return !n && listing_write(l);
}

static int list_folder(const char *path)
{
    static Listing l;
    int folder = open_beneath(path, true);
    if (folder < 0) return -1;
    l.count = 0;
    l.used = 0;
    l.fd = memfd_create("folder", MFD_CLOEXEC);
    bool good = l.fd >= 0 && list_into(&l, folder);
    int why = errno;
    close(folder);
    if (!good && l.fd >= 0) close(l.fd);
    errno = why;
    return good ? l.fd : -1;
}

/* ------------------------------------------------------------------------------------------------------------ */

int file_open_here(FileUse use, const char *path)
{
    static const int flags[] = {[FILE_READ] = O_RDONLY,
                                [FILE_WRITE] = O_RDWR,
                                [FILE_SYNC] = O_RDWR | O_DSYNC,
                                [FILE_REPLACE] = O_WRONLY | O_CREAT,
                                [FILE_CREATE] = O_RDWR | O_CREAT};
    if (use == FILE_TEMPORARY) return temporary(path);
    if (use == FILE_STATE || use == FILE_STATE_OLD) return state_open(use, path);
    if (use == FILE_BENEATH) return open_beneath(path, false);
    if (use == FILE_FOLDER) return list_folder(path);
    return open(path, flags[use] | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
}

const char *file_temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/var/tmp";
}

bool file_may_here(FileUse use, const char *path)
{
    return access(path, use == FILE_READ ? R_OK : W_OK) == 0;
}

/* Says what went wrong, unless the server has. */
static bool tell(bool ok)
{
    int why = errno;
    if (!ok && !problem[0]) snprintf(problem, sizeof problem, "%s", strerror(why));
    errno = why;
    return ok;
}

int file_open(FileUse use, const char *path)
{
    problem[0] = 0;
    int fd = file_server ? file_server->open(use, path, problem) : file_open_here(use, path);
    tell(fd >= 0);
    return fd;
}

const char *file_problem(void) { return problem; }

bool file_may(FileUse use, const char *path)
{
    return file_server ? file_server->may(use, path) : file_may_here(use, path);
}

void file_discard(const char *path)
{
    if (file_server)
        file_server->discard(path);
    else
        unlink(path);
}

bool file_state_replace(const char *name)
{
    problem[0] = 0;
    return tell(file_server ? file_server->replace(name, problem) : file_state_replace_here(name));
}

bool file_state_remove(const char *name)
{
    problem[0] = 0;
    return tell(file_server ? file_server->remove(name, problem) : file_state_remove_here(name));
}

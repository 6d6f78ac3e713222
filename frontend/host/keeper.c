/* keeper.c - see keeper.h.
 *
 * The machine's process reads the guest's file system, which is hostile, and says what is to become of the folder:
 * it has no call that changes a file by name. This one has, and believes nothing: it has the folder open and
 * reaches what lies in it name by name (openat2, RESOLVE_BENEATH and no links), names are plain, a file has at
 * most as many bytes as the disk. Landlock says the same once more. So a machine that was taken over can fill the
 * folder; it can lead nowhere else, and lose nothing:
 *
 * - a new version is written to FOLDER/.ring3-kept/new, synced, then exchanged with the old one (RENAME_EXCHANGE),
 *   which is a file's only change: it is the old or the new one, whenever ring3 is killed;
 * - what was exchanged or is to go away is moved to FOLDER/.ring3-kept/DATE-TIME/..., but for what the keeper itself
 *   has written since the start and nobody has changed since: the guest's own earlier versions;
 * - what has another stamp than the machine expects is another program's work: it stays, and the guest's lies
 *   beside it.
 *
 * Hidden names are refused, for a guest must not write .git/hooks or .profile; and what it writes is no program
 * (mode 666 less the umask).
 */
#define _GNU_SOURCE
#include "frontend/host/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frontend/host/broker.h"
#include "frontend/host/filter.h"
#include "frontend/host/landlock.h"

#define KEPT ".ring3-kept"
enum { OWN_LISTS = 4096, BESIDE_MOST = 1000 };

typedef enum KeeperWord {
    KEEPER_STAT,
    KEEPER_FOLDER,
    KEEPER_BEGIN,
    KEEPER_BYTES,
    KEEPER_PLACE,
    KEEPER_AWAY
} KeeperWord;

typedef struct KeeperRequest {
    u32 word;
    bool has_old, is_folder;
    KeeperStamp old;
    s64 modified;
    union {
        char path[KEEPER_PATH_BYTES];
        u8 bytes[KEEPER_DATA_BYTES];
    } u;
} KeeperRequest;

typedef struct Own { /* a file that we wrote */
    KeeperStamp stamp;
    struct Own *next;
} Own;

static struct {
    int folder, kept; /* kept: .ring3-kept */
    int fresh;        /* the new file, while it is written; -1 */
    u64 fresh_bytes, most;
    int error;      /* of writing it */
    char begin[32]; /* the folder in .ring3-kept that has what we put away */
    u32 count;      /* how much that is */
    Own *own[OWN_LISTS];
} k;

/* --- names ------------------------------------------------------------------------------------------------ */

static bool is_plain(const char *name, size_t n)
{
    if (!n || n > 255 || *name == '.') return false;
    for (size_t i = 0; i < n; i++)
        if ((u8)name[i] < 0x20 || name[i] == 0x7f) return false;
    return true;
}

static bool path_is_plain(const char *path)
{
    for (const char *at = path, *end;; at = end + 1) {
        end = strchrnul(at, '/');
        if (!is_plain(at, (size_t)(end - at))) return false;
        if (!*end) return true;
    }
}

static int open_at(int folder, const char *path, int flags)
{
    struct open_how how = {.flags = (u64)flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
                                      RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/* The folder that a path's last name is in; -1: errno. */
static int parent_of(int folder, const char *path, const char **name)
{
    char copy[KEEPER_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    snprintf(copy, sizeof copy, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return open_at(folder, copy, O_PATH | O_DIRECTORY);
}

/* --- stamps ------------------------------------------------------------------------------------------------ */

static void stamp_of(const struct stat *st, KeeperStamp *s)
{
    *s = (KeeperStamp){st->st_dev, st->st_ino, (u64)st->st_size, st->st_mtim.tv_sec, st->st_mtim.tv_nsec};
}

static bool is_same(const KeeperStamp *a, const KeeperStamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static bool is_own(const KeeperStamp *s)
{
    const Own *o = k.own[s->inode % OWN_LISTS];
    while (o && !is_same(&o->stamp, s)) o = o->next;
    return o;
}

static void own_add(const KeeperStamp *s)
{
    Own *o = malloc(sizeof *o), **list = &k.own[s->inode % OWN_LISTS];
    if (!o) return; /* it will be kept, then */
    *o = (Own){*s, *list};
    *list = o;
}

/* --- what is kept ------------------------------------------------------------------------------------------- */

/* .ring3-kept/DATE-TIME and the folders of a path below it; -1: errno. */
static int kept_parent(const char *path)
{
    int at = openat(k.kept, k.begin, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (at < 0 && errno == ENOENT && !mkdirat(k.kept, k.begin, 0777))
        at = openat(k.kept, k.begin, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (const char *end; at >= 0 && (end = strchr(path, '/')); path = end + 1) {
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)(end - path), path);
        (void)mkdirat(at, name, 0777);
        int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = next;
    }
    return at;
}

/* folder/name goes to where `path` is kept; nothing there is overwritten. 0 or an errno. */
static int keep(int folder, const char *name, const char *path)
{
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    char to[256];
    int at = kept_parent(path), error = at < 0 ? errno : EEXIST;
    for (u32 n = 1; at >= 0 && error == EEXIST && n < BESIDE_MOST; n++) {
        snprintf(to, sizeof to, n > 1 ? "%.240s.~%u~" : "%.255s", last, n);
        error = renameat2(folder, name, at, to, RENAME_NOREPLACE) ? errno : 0;
    }
    if (at >= 0) close(at);
    if (!error) k.count++;
    return error;
}

/* --- a new version -------------------------------------------------------------------------------------------- */

static int begin(void)
{
    if (k.fresh >= 0) close(k.fresh);
    unlinkat(k.kept, "new", 0);
    k.fresh = openat(k.kept, "new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    k.fresh_bytes = 0;
    k.error = k.fresh < 0 ? errno : 0;
    return k.error;
}

static void take_bytes(const u8 *bytes, size_t count)
{
    if (!k.error && count > k.most - k.fresh_bytes) k.error = EFBIG;
    while (count && !k.error) {
        ssize_t n = write(k.fresh, bytes, count);
        if (n <= 0) k.error = n < 0 ? errno : EIO;
        if (n <= 0) break;
        bytes += n;
        count -= (size_t)n;
        k.fresh_bytes += (u64)n;
    }
}

static int finish(s64 modified)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = modified}};
    if (k.fresh < 0) return EINVAL;
    if (!k.error && modified) (void)futimens(k.fresh, times);
    if (!k.error && fsync(k.fresh)) k.error = errno;
    close(k.fresh);
    k.fresh = -1;
    return k.error;
}

/* "name (guest).ext", " (guest 2)" ...: the first that is free. */
static int place_beside(int folder, const char *name, KeeperAnswer *a)
{
    const char *dot = strrchr(name, '.');
    int error = EEXIST, base = dot ? (int)(dot - name) : (int)strlen(name);
    if (!dot || strlen(dot) > 20) dot = "";
    if (base > 200) base = 200;
    for (u32 n = 1; error == EEXIST && n < BESIDE_MOST; n++) {
        char number[16] = "";
        if (n > 1) snprintf(number, sizeof number, " %u", n);
        snprintf(a->name, sizeof a->name, "%.*s (guest%s)%s", base, name, number, dot);
        error = renameat2(k.kept, "new", folder, a->name, RENAME_NOREPLACE) ? errno : 0;
    }
    a->result = KEEPER_BESIDE;
    return error;
}

/* The two change places at once; what was there is kept, whoever has changed it in this very moment. */
static int replace(int folder, const char *name, const char *path)
{
    struct stat st;
    KeeperStamp old;
    if (renameat2(k.kept, "new", folder, name, RENAME_EXCHANGE)) {
        if (errno != EINVAL && errno != ENOSYS) return errno;
        int error = keep(folder, name, path); /* a file system that cannot exchange */
        return error ? error : renameat2(k.kept, "new", folder, name, RENAME_NOREPLACE) ? errno : 0;
    }
    if (fstatat(k.kept, "new", &st, AT_SYMLINK_NOFOLLOW)) return errno;
    stamp_of(&st, &old);
    if (is_own(&old)) return unlinkat(k.kept, "new", 0) ? errno : 0;
    int error = keep(k.kept, "new", path);
    if (error &&
        renameat2(k.kept, "new", folder, name, RENAME_EXCHANGE)) /* back, or to where nobody takes it away */
        (void)keep(k.kept, "new", "interrupted");
    return error;
}

static int place(int folder, const char *name, const KeeperRequest *r, KeeperAnswer *a)
{
    struct stat st;
    KeeperStamp now;
    snprintf(a->name, sizeof a->name, "%s", name);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) {
        if (errno != ENOENT) return errno;
        if (!renameat2(k.kept, "new", folder, name, RENAME_NOREPLACE)) return 0;
        if (errno != EEXIST) return errno;
        return place_beside(folder, name, a);
    }
    stamp_of(&st, &now);
    bool expected = S_ISREG(st.st_mode) && (is_own(&now) || (r->has_old && is_same(&now, &r->old)));
    return expected ? replace(folder, name, r->u.path) : place_beside(folder, name, a);
}

static int sync_folder(int folder)
{
    int fd = open_at(folder, ".", O_RDONLY | O_DIRECTORY);
    int error = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0) close(fd);
    return error;
}

static int do_place(const KeeperRequest *r, KeeperAnswer *a)
{
    const char *name;
    struct stat st;
    int error = finish(r->modified), folder = error ? -1 : parent_of(k.folder, r->u.path, &name);
    if (!error && folder < 0) error = errno;
    if (!error) error = place(folder, name, r, a);
    if (!error && fstatat(folder, a->name, &st, AT_SYMLINK_NOFOLLOW)) error = errno;
    if (!error) {
        stamp_of(&st, &a->stamp);
        own_add(&a->stamp);
        error = sync_folder(folder);
    }
    if (folder >= 0) close(folder);
    if (error) unlinkat(k.kept, "new", 0);
    return error;
}

/* --- other requests --------------------------------------------------------------------------------------------- */

static int do_stat(const KeeperRequest *r, KeeperAnswer *a)
{
    const char *name;
    struct stat st;
    int folder = parent_of(k.folder, r->u.path, &name), error = folder < 0 ? errno : 0;
    if (!error && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) error = errno;
    if (!error) stamp_of(&st, &a->stamp);
    if (folder >= 0) close(folder);
    return error;
}

static int do_folder(const KeeperRequest *r)
{
    const char *name;
    struct stat st;
    int folder = parent_of(k.folder, r->u.path, &name), error = folder < 0 ? errno : 0;
    if (!error && mkdirat(folder, name, 0777)) error = errno;
    if (error == EEXIST && !fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode)) error = 0;
    if (folder >= 0) close(folder);
    return error;
}

static int away(int folder, const char *name, const KeeperRequest *r, KeeperAnswer *a)
{
    struct stat st;
    KeeperStamp now;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW)) return errno == ENOENT ? 0 : errno;
    stamp_of(&st, &now);
    if (r->is_folder && S_ISDIR(st.st_mode)) {
        if (!unlinkat(folder, name, AT_REMOVEDIR)) return 0; /* nothing was in it */
        return keep(folder, name, r->u.path);
    }
    if (!r->is_folder && S_ISREG(st.st_mode) && is_own(&now)) return unlinkat(folder, name, 0) ? errno : 0;
    if (!r->is_folder && r->has_old && is_same(&now, &r->old)) return keep(folder, name, r->u.path);
    a->result = KEEPER_STAYS;
    return 0;
}

static int do_away(const KeeperRequest *r, KeeperAnswer *a)
{
    const char *name;
    int folder = parent_of(k.folder, r->u.path, &name), error = folder < 0 ? errno : 0;
    if (error == ENOENT) return 0;
    if (!error) error = away(folder, name, r, a);
    if (folder >= 0) close(folder);
    return error;
}

static int carry_out(const KeeperRequest *r, KeeperAnswer *a)
{
    if (!path_is_plain(r->u.path)) return EINVAL;
    switch (r->word) {
    case KEEPER_STAT: return do_stat(r, a);
    case KEEPER_FOLDER: return do_folder(r);
    case KEEPER_BEGIN: return begin();
    case KEEPER_PLACE: return do_place(r, a);
    case KEEPER_AWAY: return do_away(r, a);
    default: return EINVAL;
    }
}

/* --- life
 * -------------------------------------------------------------------------------------------------------- */

static void confine(void)
{
    static const Call calls[] = {
        {.number = SYS_recvmsg},
        {.number = SYS_sendmsg},
        {.number = SYS_recvfrom},
        {.number = SYS_sendto},
        {.number = SYS_openat},
        {.number = SYS_openat2},
        {.number = SYS_close},
        {.number = SYS_newfstatat},
        {.number = SYS_fstat},
        {.number = SYS_write},
        {.number = SYS_fsync},
        {.number = SYS_utimensat},
        {.number = SYS_renameat2},
        {.number = SYS_mkdirat},
        {.number = SYS_unlinkat},
        {.number = SYS_brk},
        {.number = SYS_munmap},
        {.number = SYS_madvise},
        {.number = SYS_futex},
        {.number = SYS_getrandom},
        {.number = SYS_exit_group},
        {SYS_mmap, CALL_NO_EXEC, NULL, 0},
        {SYS_mprotect, CALL_NO_EXEC, NULL, 0},
    };
    int version = landlock_version();
    if (version >= 2) landlock_enter_beneath(version, k.folder);
    filter_confine(calls, ARRAY_LEN(calls), false);
}

/* The end of the socket is the end of the disk. */
static _Noreturn void serve(int socket)
{
    static KeeperRequest r;
    for (;;) {
        ssize_t n = recv(socket, &r, sizeof r, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < (ssize_t)offsetof(KeeperRequest, u) + 1) break;
        size_t count = (size_t)n - offsetof(KeeperRequest, u);
        KeeperAnswer a = {.error = 0};
        if (r.word == KEEPER_BYTES) {
            take_bytes(r.u.bytes, count);
            continue;
        }
        r.u.path[(count < KEEPER_PATH_BYTES ? count : KEEPER_PATH_BYTES) - 1] = 0;
        a.error = carry_out(&r, &a);
        a.kept = k.count;
        if (send(socket, &a, sizeof a, MSG_NOSIGNAL) < 0) break;
    }
    unlinkat(k.kept, "new", 0);
    unlinkat(k.folder, KEPT, AT_REMOVEDIR); /* if nothing is in it */
    _exit(0);
}

/* The date and time of the start, and a number if two start in one second. */
static bool kept_open(Problem *p, const char *folder)
{
    struct tm tm;
    struct stat st;
    time_t now = time(NULL);
    if (flock(k.folder, LOCK_EX | LOCK_NB)) return problem_set(p, "another ring3 writes to it");
    if ((mkdirat(k.folder, KEPT, 0777) && errno != EEXIST) ||
        (k.kept = openat(k.folder, KEPT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return problem_set(p, "'%.200s/" KEPT "', for what the guest replaces: %s", folder, strerror(errno));
    if (!localtime_r(&now, &tm)) memset(&tm, 0, sizeof tm);
    char text[24];
    strftime(text, sizeof text, "%Y%m%d-%H%M%S", &tm);
    for (u32 n = 1; n < BESIDE_MOST; n++) {
        snprintf(k.begin, sizeof k.begin, n > 1 ? "%s-%u" : "%s", text, n);
        if (fstatat(k.kept, k.begin, &st, AT_SYMLINK_NOFOLLOW)) break;
    }
    /* what was being put in place when a ring3 was killed: the old version of a file, or half of a new one */
    return !fstatat(k.kept, "new", &st, AT_SYMLINK_NOFOLLOW) ? !keep(k.kept, "new", "interrupted") : true;
}

bool keeper_start(Keeper *keeper, const char *folder, u64 most, Problem *p)
{
    int pair[2];
    k.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    k.fresh = k.kept = -1;
    k.most = most;
    if (k.folder < 0) return problem_set(p, "%s", strerror(errno));
    bool good = kept_open(p, folder);
    if (good && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        good = problem_set(p, "%s", strerror(errno));
    pid_t child = good ? fork() : -1;
    if (!child) {
        int kept = fcntl(k.kept, F_DUPFD_CLOEXEC, 10), all = fcntl(k.folder, F_DUPFD_CLOEXEC, 10);
        int socket = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
        k.folder = dup2(all, 4);
        k.kept = dup2(kept, 5);
        socket = dup2(socket, 3);
        prctl(PR_SET_NAME, "ring3-keeper");
        sigset_t every;
        sigfillset(&every);
        sigprocmask(SIG_SETMASK, &every, NULL);
        closefrom(6);
        confine();
        serve(socket);
    }
    close(k.folder);
    if (k.kept >= 0) close(k.kept);
    if (!good) return false;
    close(pair[1]);
    if (child < 0) return problem_set(p, "%s", strerror(errno));
    *keeper = (Keeper){pair[0], child};
    return true;
}

void keeper_end(Keeper *keeper)
{
    if (keeper->socket < 0) return;
    close(keeper->socket);
    keeper->socket = -1;
    waitpid(keeper->process, NULL, 0);
}

/* --- the machine's side
 * --------------------------------------------------------------------------------------------- */

static int ask(Keeper *keeper, KeeperRequest *r, const char *path, KeeperAnswer *a)
{
    size_t n = strlen(path) + 1;
    *a = (KeeperAnswer){.error = ENAMETOOLONG};
    if (n > sizeof r->u.path) return ENAMETOOLONG;
    memcpy(r->u.path, path, n);
    ssize_t got = send(keeper->socket, r, offsetof(KeeperRequest, u) + n, MSG_NOSIGNAL);
    while (got >= 0 && (got = recv(keeper->socket, a, sizeof *a, 0)) < 0 && errno == EINTR) got = 0;
    a->name[sizeof a->name - 1] = 0;
    return got == sizeof *a ? a->error : EIO;
}

int keeper_stat(Keeper *keeper, const char *path, KeeperAnswer *a)
{
    return ask(keeper, &(KeeperRequest){.word = KEEPER_STAT}, path, a);
}

int keeper_make_folder(Keeper *keeper, const char *path, KeeperAnswer *a)
{
    return ask(keeper, &(KeeperRequest){.word = KEEPER_FOLDER}, path, a);
}

int keeper_put_begin(Keeper *keeper, const char *path, KeeperAnswer *a)
{
    return ask(keeper, &(KeeperRequest){.word = KEEPER_BEGIN}, path, a);
}

int keeper_put_bytes(Keeper *keeper, const void *bytes, u32 count)
{
    KeeperRequest r = {.word = KEEPER_BYTES};
    memcpy(r.u.bytes, bytes, count);
    ssize_t sent;
    do sent = send(keeper->socket, &r, offsetof(KeeperRequest, u) + count, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? EIO : 0;
}

int keeper_put_place(Keeper *keeper, const char *path, const KeeperStamp *old, s64 modified, KeeperAnswer *a)
{
    KeeperRequest r = {.word = KEEPER_PLACE, .has_old = old, .modified = modified};
    if (old) r.old = *old;
    return ask(keeper, &r, path, a);
}

int keeper_take_away(Keeper *keeper, const char *path, const KeeperStamp *old, bool is_folder,
                     KeeperAnswer *a)
{
    KeeperRequest r = {.word = KEEPER_AWAY, .has_old = old, .is_folder = is_folder};
    if (old) r.old = *old;
    return ask(keeper, &r, path, a);
}

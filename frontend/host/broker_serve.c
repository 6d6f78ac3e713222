/* broker_serve.c - the broker's process: see broker.h.
 *
 * It believes the machine's process until that says that the guest runs (BROKER_SHUT). From then on it takes every
 * request for one that the guest may have made, and opens what a person at the monitor or in the window would:
 * pictures, dumps of memory, images. It cannot know whether a person asked, so there are files that it does not open:
 *   - hidden ones (a name with a dot in front, anywhere on the way), where keys, passwords and what shells read at
 *     their start are; but for those in the current folder or beside files of the command line, as far as these are
 *     hidden themselves;
 *   - what is in /proc and /sys;
 *   - in the snapshot folder, what is not a plain name (files.c);
 *   - to write: programs and scripts, block devices, and of other devices all but a terminal, /dev/null and /dev/full.
 * What remains is said in docs/SECURITY.md.
 *
 * Where a machine is to move to (`migrate`) it connects, to hosts by number and to sockets that it would open as a file, if there is
 * anybody who can have asked: a monitor. The connection goes to the saver, which speaks nothing but its own protocol.
 *
 * All signals are blocked: those from a terminal go to its whole group, and the machine's process is the one to act
 * on them. The end of the socket is the end of the machine. It has a cage of its own, which lets it open files; a
 * call that is not in its list fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frontend/host/broker.h"
#include "frontend/host/filter.h"
#include "frontend/host/silence.h"
#include "frontend/snapshot/migrate_address.h"

enum { FOLDERS_MAX = 16 };

static struct {
    int socket, gate, listener; /* gate: -1: nobody may connect; listener: -1: none yet */
    pid_t machine;
    bool shut;
    bool is_deaf;              /* forbidden calls end the machine without a listener (before Linux 5.7) */
    char *folder[FOLDERS_MAX]; /* in which hidden files may be opened; resolved */
    unsigned folders;
    char *temporary;
    dev_t made_device; /* the last FILE_REPLACE */
    ino_t made_inode;
    bool has_terminal;
    struct termios terminal; /* as it was */
} s = {.listener = -1};

/* --- which files ----------------------------------------------------------------------------------------- */

/* Where a path leads; of a file that is not there yet, by its folder. NULL: nowhere. The caller frees it. */
static char *resolve(const char *path)
{
    char *whole = realpath(path, NULL), *copy, *folder, *joined = NULL;
    if (whole || errno != ENOENT) return whole;
    if (!(copy = strdup(path))) return NULL;
    char *slash = strrchr(copy, '/'), *name = slash ? slash + 1 : copy;
    if (slash) *slash = 0;
    folder = realpath(!slash ? "." : *copy ? copy : "/", NULL);
    if (folder && *name && asprintf(&joined, "%s/%s", folder, name) < 0) joined = NULL;
    free(folder);
    free(copy);
    return joined;
}

static bool is_below(const char *whole, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(whole, folder, n) && (whole[n] == '/' || (n && folder[n - 1] == '/'));
}

static bool is_hidden(const char *whole)
{
    size_t trusted = 0;
    for (unsigned n = 0; n < s.folders; n++)
        if (is_below(whole, s.folder[n]) && strlen(s.folder[n]) > trusted) trusted = strlen(s.folder[n]);
    return strstr(whole + (trusted > 1 ? trusted : 0), "/.");
}

/* ELF, or #! */
static bool is_program(const char *whole)
{
    u8 head[4] = {0};
    int fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return false;
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    return (n == 4 && !memcmp(head, "\177ELF", 4)) || (n >= 2 && head[0] == '#' && head[1] == '!');
}

static bool is_harmless_device(const char *whole)
{
    static const char *const devices[] = {"/dev/null", "/dev/full", "/dev/tty", "/dev/console"};
    for (unsigned n = 0; n < ARRAY_LEN(devices); n++)
        if (!strcmp(whole, devices[n])) return true;
    return is_below(whole, "/dev/pts");
}

static const char *why_not_written(const char *whole)
{
    struct stat st;
    if (stat(whole, &st) < 0) return NULL;
    if (S_ISBLK(st.st_mode)) return "a device is written only if the command line names it";
    if (S_ISCHR(st.st_mode) && !is_harmless_device(whole))
        return "a device, which a running machine does not write";
    if (S_ISREG(st.st_mode) && is_program(whole)) return "a program, which a running machine does not write";
    return NULL;
}

/* What is wrong with opening it for a machine that is not trusted; NULL: nothing. */
static const char *why_not(FileUse use, const char *whole)
{
    if (use == FILE_TEMPORARY)
        return s.temporary && !strcmp(whole, s.temporary) ? NULL : "not the folder for temporary files";
    if (use == FILE_CREATE) return "not to be made by a running machine";
    if (is_below(whole, "/proc") || is_below(whole, "/sys")) return "a file of the kernel's";
    if (is_hidden(whole))
        return "hidden, which a running machine opens only beside files of the command line";
    return use == FILE_READ || use == FILE_BENEATH || use == FILE_FOLDER ? NULL : why_not_written(whole);
}

/* Of standard output and error by name there is no path, but the machine has them anyway. */
static bool is_standard(const char *path)
{
    return !strcmp(path, "/dev/stdout") || !strcmp(path, "/dev/stderr");
}

static bool is_refused(FileUse use, const char *path, BrokerAnswer *a)
{
    bool state =
        use == FILE_STATE || use == FILE_STATE_OLD; /* which names no other folder: file_state_name() */
    if (!s.shut || is_standard(path) || state) return false;
    char *whole = resolve(path);
    const char *why = whole ? why_not(use, whole) : NULL;
    free(whole);
    if (why) {
        snprintf(a->why, sizeof a->why, "%s", why);
        a->error = ENOTSUP;
    }
    return why;
}

/* --- requests -------------------------------------------------------------------------------------------- */

static void remember_made(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return;
    s.made_device = st.st_dev;
    s.made_inode = st.st_ino;
}

static int do_open(const BrokerRequest *r, BrokerAnswer *a)
{
    if (is_refused((FileUse)r->use, r->path, a)) return -1;
    int fd = file_open_here((FileUse)r->use, r->path);
    a->error = fd < 0 ? errno : 0;
    if (fd >= 0 && r->use == FILE_REPLACE) remember_made(fd);
    return fd;
}

/* Only what was made last. */
static void do_discard(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == s.made_device &&
        st.st_ino == s.made_inode)
        unlink(path);
}

static void do_background(void)
{
    silence(STDIN_FILENO, STDERR_FILENO);
    s.has_terminal = false;
}

static void do_connect(const BrokerRequest *r, BrokerAnswer *a)
{
    const char *path = migrate_unix_path(r->path);
    Problem p;
    a->error = ENOTSUP;
    if (s.gate < 0) {
        snprintf(a->why, sizeof a->why, "without a monitor ring3 connects to nobody");
        return;
    }
    if (path && is_refused(FILE_WRITE, path, a)) return;
    int fd = migrate_connect(r->path, &p);
    if (fd < 0) {
        snprintf(a->why, sizeof a->why, "%.230s", p.text);
        return;
    }
    a->error = broker_send(s.gate, "c", 1, fd) ? 0 : EIO;
    close(fd);
}

static void do_shut(int fd)
{
    if (s.shut) return;
    s.listener = fd;
    s.is_deaf = fd < 0;
    s.shut = true;
}

static int carry_out(const BrokerRequest *r, int fd, BrokerAnswer *a)
{
    switch (r->word) {
    case BROKER_OPEN: return do_open(r, a);
    case BROKER_MAY:
        if (!is_refused((FileUse)r->use, r->path, a) && !file_may_here((FileUse)r->use, r->path))
            a->error = EACCES;
        break;
    case BROKER_DISCARD: do_discard(r->path); break;
    case BROKER_REPLACE:
        if (!file_state_replace_here(r->path)) a->error = errno;
        break;
    case BROKER_REMOVE:
        if (!file_state_remove_here(r->path)) a->error = errno;
        break;
    case BROKER_CONNECT: do_connect(r, a); break;
    case BROKER_OWN:
        if (!s.shut) broker_owns(r->path);
        break;
    case BROKER_BACKGROUND: do_background(); break;
    case BROKER_SHUT: do_shut(fd); break;
    default: broker_tidy(); _exit(0);
    }
    return -1;
}

/* The machine's process has ended, and not in good order. */
static _Noreturn void serve_end(void)
{
    if (s.is_deaf)
        say("the machine's process has ended without a word; if it was by SIGSYS ('Bad system call'), it "
            "tried what its cage forbids");
    _exit(0);
}

static void serve_request(void)
{
    BrokerRequest r = {0};
    BrokerAnswer a = {0};
    int given;
    if (!broker_receive(s.socket, &r, sizeof r, offsetof(BrokerRequest, path) + 1, &given)) serve_end();
    r.path[sizeof r.path - 1] = 0;
    bool takes = r.word == BROKER_SHUT && !s.shut;
    int fd = -1;
    if (r.use < FILE_USES)
        fd = carry_out(&r, given, &a);
    else
        a.error = EINVAL;
    if (given >= 0 && !takes) close(given);
    bool sent = broker_send(s.socket, &a, sizeof a, fd);
    if (fd >= 0) close(fd);
    if (!sent) _exit(0);
}

/* --- forbidden calls ------------------------------------------------------------------------------------- */

static void name_call(const FilterCall *call, char *to, size_t room)
{
    const char *name = filter_call_name(call->number);
    bool exec = (call->number == SYS_mmap || call->number == SYS_mprotect) && call->argument[2] & PROT_EXEC;
    if (name)
        snprintf(to, room, "%s%s", name, exec ? " with PROT_EXEC" : "");
    else
        snprintf(to, room, "system call %u", call->number);
}

/* The machine is to leave the terminal to the shell as it was, and no file of its own. */
static void serve_violation(void)
{
    FilterCall call;
    char text[60];
    if (!filter_next(s.listener, &call)) return;
    if (s.has_terminal && tcgetpgrp(STDIN_FILENO) == getpgrp()) tcsetattr(STDIN_FILENO, TCSANOW, &s.terminal);
    broker_tidy();
    name_call(&call, text, sizeof text);
    say("the machine's process was ended: it tried what its cage forbids (%s); its guest has broken into it, "
        "or ring3 has a fault",
        text);
    kill(s.machine, SIGKILL);
}

/* --- its own cage ---------------------------------------------------------------------------------------- */

static void confine(void)
{
    static const u32 ioctls[] = {TCGETS, TCSETS, TIOCGPGRP, SECCOMP_IOCTL_NOTIF_RECV};
    static const u32 families[] = {AF_UNIX, AF_INET, AF_INET6}, levels[] = {IPPROTO_TCP, SOL_SOCKET};
    enum { CONNECTING = 3 };
    static u32 machine;
    static const Call calls[] = {
        {.number = SYS_poll},
        {.number = SYS_recvmsg},
        {.number = SYS_sendmsg},
        {.number = SYS_openat},
        {.number = SYS_close},
        {.number = SYS_read},
        {.number = SYS_write},
        {.number = SYS_readlink},
        {.number = SYS_readlinkat},
        {.number = SYS_newfstatat},
        {.number = SYS_fstat},
        {.number = SYS_stat},
        {.number = SYS_lstat},
        {.number = SYS_getcwd},
        {.number = SYS_access},
        {.number = SYS_faccessat},
        {.number = SYS_faccessat2},
        {.number = SYS_statx},
        {.number = SYS_unlink},
        {.number = SYS_rename}, /* these three: the snapshot folder */
        {.number = SYS_mkdir},
        {.number = SYS_fsync},
        {.number = SYS_getdents64}, /* these two: FILE_FOLDER */
        {.number = SYS_memfd_create},
        {.number = SYS_dup2},
        {.number = SYS_brk},
        {.number = SYS_munmap},
        {.number = SYS_getpgrp},
        {.number = SYS_getrandom},
        {.number = SYS_exit_group},
        {.number = SYS_restart_syscall},
        {.number = SYS_futex},
        {.number = SYS_madvise},
        {.number = SYS_sched_yield},
        {SYS_ioctl, CALL_SECOND, ioctls, ARRAY_LEN(ioctls)},
        {SYS_kill, CALL_FIRST, &machine, 1},
        {SYS_mmap, CALL_NO_EXEC, NULL, 0},
        {SYS_mprotect, CALL_NO_EXEC, NULL, 0},
        /* the last, CONNECTING of them: only with a gate */
        {SYS_socket, CALL_FIRST, families, ARRAY_LEN(families)},
        {SYS_setsockopt, CALL_SECOND, levels, ARRAY_LEN(levels)},
        {.number = SYS_connect},
    };
    machine = (u32)s.machine;
    filter_install_for_good(FILTER_REFUSES, calls, ARRAY_LEN(calls) - (s.gate < 0 ? CONNECTING : 0));
}

/* --- life ------------------------------------------------------------------------------------------------ */

static void know_folder(char *folder)
{
    if (folder && s.folders < FOLDERS_MAX)
        s.folder[s.folders++] = folder;
    else
        free(folder);
}

static void know_folder_of(const char *path)
{
    struct stat st;
    char *whole = resolve(path), *slash = whole ? strrchr(whole, '/') : NULL;
    bool is_folder = whole && !stat(whole, &st) && S_ISDIR(st.st_mode); /* itself, then */
    if (slash && !is_folder) slash[slash == whole] = 0;
    know_folder(whole);
}

_Noreturn void broker_serve(const BrokerStart *start)
{
    s.gate = broker_become("ring3-broker", start->socket, start->gate);
    s.socket = BROKER_SOCKET;
    s.machine = start->machine;
    s.has_terminal = start->has_terminal;
    s.terminal = start->terminal;
    know_folder(realpath(".", NULL));
    for (unsigned n = 0; n < start->count; n++) know_folder_of(start->named[n]);
    s.temporary = realpath(file_temporary_folder(), NULL);
    confine();
    for (;;) {
        struct pollfd p[] = {{.fd = s.socket, .events = POLLIN}, {.fd = s.listener, .events = POLLIN}};
        if (poll(p, ARRAY_LEN(p), -1) < 0) continue;
        if (p[1].revents & POLLIN)
            serve_violation();
        else if (p[1].revents)
            s.listener = -1; /* the machine's process has ended */
        if (p[0].revents) serve_request();
    }
}

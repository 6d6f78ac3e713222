/* vm_folder.c - what a machine's folder is: see vm.h.
 *
 *     NAME.ring3/machine.conf    command-line words, for people to edit (vm_conf.c)
 *                disk.qcow2      disks that the words name; any name, any format
 *                nvram           the CMOS memory (-nvram)
 *                snapshots/      of savevm (-snapshots)
 *                screenshot.png  the last picture before a stop
 *                log             traces (-d)
 *                pid, control.sock, suspended    while it runs, or is suspended
 *
 * All names in it are relative to it, and ring3 goes into it before it reads them: a folder that is moved or copied is the
 * machine. A running machine is one whose ring3 holds the lock of `pid`.
 *
 * New folders are made beside (.NAME.ring3.new-XXXXXX) and get their name when they are whole, if nobody else has it by then.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/bytes.h"
#include "frontend/vm/tar.h"
#include "frontend/vm/vm.h"

const char *vm_path(const char *folder, const char *name)
{
    static char path[4][VM_PATH + 300];
    static unsigned next;
    char *to = path[next++ % 4];
    snprintf(to, sizeof path[0], "%s/%s", folder, name);
    return to;
}

/* --- names ----------------------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_so(const char *name)
{
    size_t n = strlen(name), end = sizeof VM_END - 1;
    return n > end && !strcmp(name + n - end, VM_END);
}

/* Without slashes at its end, and with .ring3. */
static bool whole_name(const char *name, char to[VM_PATH], Problem *p)
{
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/') n--;
    int put = snprintf(to, VM_PATH, "%.*s", (int)n, name);
    if (put > 0 && put < VM_PATH && !ends_so(to))
        put += snprintf(to + put, (size_t)(VM_PATH - put), "%s", VM_END);
    return (n && put < VM_PATH) || problem_set(p, "'%.60s': no name for a machine", name);
}

static bool take_name(Vm *vm, Problem *p)
{
    const char *slash = strrchr(vm->folder, '/'), *base = slash ? slash + 1 : vm->folder;
    size_t n = strlen(base) - (ends_so(base) ? sizeof VM_END - 1 : 0);
    if (n >= sizeof vm->name || !tar_plain_name(base))
        return problem_set(
            p, "'%.60s': a machine's name has at most %d printable characters and no dot in front", base,
            VM_NAME - 1);
    memcpy(vm->name, base, n);
    vm->name[n] = 0;
    return true;
}

bool vm_find(Vm *vm, const char *name, Problem *p)
{
    char path[VM_PATH], *whole;
    if (is_folder(name))
        snprintf(path, sizeof path, "%s", name);
    else if (!whole_name(name, path, p))
        return false;
    whole = realpath(path, NULL);
    if (!whole) return problem_set(p, "'%.200s': there is no such machine (%s)", path, strerror(errno));
    bool fits = snprintf(vm->folder, sizeof vm->folder, "%s", whole) < VM_PATH;
    free(whole);
    if (!fits || !is_folder(vm->folder)) return problem_set(p, "'%.200s': not a machine's folder", path);
    if (access(vm_path(vm->folder, VM_CONF), F_OK))
        return problem_set(p, "'%.200s': a folder, but not a machine's: it has no " VM_CONF, path);
    return take_name(vm, p);
}

bool vm_place(Vm *vm, const char *name, Problem *p)
{
    char path[VM_PATH], *parent;
    struct stat st;
    if (!whole_name(name, path, p)) return false;
    if (lstat(path, &st) == 0) return problem_set(p, "'%.200s': it is there already", path);
    char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    if (slash) *slash = 0;
    parent = realpath(!slash ? "." : *path ? path : "/", NULL);
    if (!parent) return problem_set(p, "'%.200s': %s", path, strerror(errno));
    bool fits = snprintf(vm->folder, sizeof vm->folder, "%s/%s", parent, base) < VM_PATH;
    free(parent);
    return (fits || problem_set(p, "the name is too long")) && take_name(vm, p);
}

/* --- running --------------------------------------------------------------------------------------------- */

int vm_process(const Vm *vm)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(vm_path(vm->folder, VM_PID), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    bool known = fcntl(fd, F_GETLK, &l) == 0;
    close(fd);
    return !known ? -1 : l.l_type == F_UNLCK ? 0 : l.l_pid;
}

bool vm_is_free(const Vm *vm, Problem *p)
{
    int process = vm_process(vm);
    if (!process) return true;
    if (process < 0)
        return problem_set(p, "'%.100s': whether it runs cannot be told: %s", vm->name, strerror(errno));
    return problem_set(p, "'%.100s' is running (process %d); 'ring3 vm stop' stops it", vm->name, process);
}

/* --- files ----------------------------------------------------------------------------------------------- */

bool vm_is_own_file(const Vm *vm, const char *path)
{
    struct stat st;
    return tar_plain_name(path) && lstat(vm_path(vm->folder, path), &st) == 0 && S_ISREG(st.st_mode);
}

char *vm_read(const char *path, u64 most, Problem *p)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    char *text = NULL;
    if (fd < 0 || fstat(fd, &st) < 0)
        problem_set(p, "%.100s: %s", name, strerror(errno));
    else if (!S_ISREG(st.st_mode) || (u64)st.st_size > most)
        problem_set(p, "%.100s: not a file of at most %llu KiB", name, (unsigned long long)most >> 10);
    else if (!(text = calloc(1, (size_t)st.st_size + 1)) || bytes_read(fd, 0, text, (u64)st.st_size)) {
        problem_set(p, "%.100s: cannot be read", name);
        free(text);
        text = NULL;
    } else if (strlen(text) != (size_t)st.st_size) {
        problem_set(p, "%.100s: not a text", name);
        free(text);
        text = NULL;
    }
    if (fd >= 0) close(fd);
    return text;
}

bool vm_write(const char *path, const char *text, Problem *p)
{
    char beside[VM_PATH + 310];
    snprintf(beside, sizeof beside, "%s.new", path);
    unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int error = fd < 0 ? errno : bytes_write(fd, 0, text, strlen(text));
    if (!error && fsync(fd)) error = errno;
    if (fd >= 0) close(fd);
    if (!error && rename(beside, path)) error = errno;
    if (error) unlink(beside);
    return !error || problem_set(p, "%.300s: %s", path, strerror(error));
}

/* --- a new one ------------------------------------------------------------------------------------------- */

bool vm_begin(const Vm *vm, char building[VM_PATH], Problem *p)
{
    const char *slash = strrchr(vm->folder, '/');
    if (snprintf(building, VM_PATH, "%.*s/.%s.new-XXXXXX", (int)(slash - vm->folder), vm->folder,
                 slash + 1) >= VM_PATH)
        return problem_set(p, "the name is too long");
    mode_t mask = umask(0);
    umask(mask);
    return (mkdtemp(building) && !chmod(building, 0777 & ~mask)) ||
           problem_set(p, "'%.200s': %s", vm->folder, strerror(errno));
}

bool vm_commit(const Vm *vm, const char *building, Problem *p)
{
    int fd = open(building, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    if (synced && !renameat2(AT_FDCWD, building, AT_FDCWD, vm->folder, RENAME_NOREPLACE)) return true;
    /* A file system that has no such rename: a folder takes the place of an empty one at most. */
    if (synced && errno == EINVAL && access(vm->folder, F_OK) && !rename(building, vm->folder)) return true;
    return problem_set(p, "'%.200s': %s", vm->folder, strerror(errno));
}

void vm_abandon(const char *building)
{
    DIR *d = opendir(building);
    for (struct dirent *e; d && (e = readdir(d));) unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    rmdir(building);
}

/* vm_delete.c - `ring3 vm delete`: what is the machine's own goes, and nothing else.
 *
 * Its own are: machine.conf and the files that ring3 makes beside it, the snapshots, and plain files in its folder that its
 * words name as disks, with the backing files that `clone --linked` made of them. No link is followed. What else lies in
 * the folder stays, and the folder with it. machine.conf goes last, so that a deletion that was cut off can be repeated. A
 * machine that is the base of a linked clone beside it is not deleted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/files.h"
#include "frontend/image/disk.h"
#include "frontend/image/format.h"
#include "frontend/vm/vm.h"

/* --- linked clones --------------------------------------------------------------------------------------- */

/* Does the image at `path` stand on a file of the folder? */
static bool stands_on(const char *path, const Vm *vm)
{
    DiskSpec s = {.path = path, .no_backing = true};
    DiskInfo i;
    Problem p;
    Disk *disk = disk_open(&s, &p);
    if (!disk) return false;
    disk_info(disk, &i);
    char *backing = i.backing ? format_name_beside(path, i.backing) : NULL,
         *whole = backing ? realpath(backing, NULL) : NULL;
    size_t n = strlen(vm->folder);
    bool does = whole && !strncmp(whole, vm->folder, n) && whole[n] == '/';
    free(backing);
    free(whole);
    disk_close(disk);
    return does;
}

/* Any file in its folder may be its disk, also when its machine.conf cannot be understood. */
static bool is_clone_of(const Vm *other, const Vm *vm)
{
    DIR *d = opendir(other->folder);
    bool is = false;
    for (struct dirent *e; d && !is && (e = readdir(d));)
        is = vm_is_own_file(other, e->d_name) && stands_on(vm_path(other->folder, e->d_name), vm);
    if (d) closedir(d);
    return is;
}

static bool is_nobodys_base(const Vm *vm, Problem *p)
{
    char parent[VM_PATH];
    snprintf(parent, sizeof parent, "%.*s/", (int)(strrchr(vm->folder, '/') - vm->folder), vm->folder);
    DIR *d = opendir(parent);
    Vm other;
    Problem ignored;
    bool good = true;
    for (struct dirent *e; d && good && (e = readdir(d));) {
        const char *end = strstr(e->d_name, VM_END);
        if (!end || end[sizeof VM_END - 1] || !vm_find(&other, vm_path(parent, e->d_name), &ignored))
            continue;
        if (strcmp(other.folder, vm->folder) && is_clone_of(&other, vm))
            good = problem_set(p, "'%s' is the base of its linked clone '%s': delete that one first",
                               vm->name, other.name);
    }
    if (d) closedir(d);
    return good;
}

/* --- deleting -------------------------------------------------------------------------------------------- */

static void remove_snapshots(void)
{
    int fd = open(VM_SNAPSHOTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        bool own = !strcmp(e->d_name, "index") || !strcmp(e->d_name, "lock") ||
                   (end && (!strcmp(end, ".state") || !strcmp(end, ".png") || !strcmp(end, ".undo") ||
                            !strcmp(end, ".new")));
        if (own && file_state_name(e->d_name)) unlinkat(fd, e->d_name, 0);
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    rmdir(VM_SNAPSHOTS);
}

/* disk.qcow2.base1 ... of clone --linked. */
static void remove_bases(const Vm *vm, const char *path)
{
    char base[300];
    for (unsigned n = 1; n < 1000; n++) {
        snprintf(base, sizeof base, "%.200s.base%u", path, n);
        if (vm_is_own_file(vm, base)) unlink(base);
    }
}

static void remove_disks(const Vm *vm, const DriveOptions *o)
{
    for (int n = 0; n < DRIVE_COUNT; n++) {
        const char *path = o->drive[n].path;
        if (!path || !vm_is_own_file(vm, path)) continue;
        remove_bases(vm, path);
        unlink(path);
    }
}

/* False: something is left. */
static bool remove_all(const Vm *vm, const DriveOptions *o)
{
    static const char *const own[] = {VM_NVRAM,   VM_LOG,       VM_PID, VM_CONTROL,
                                      VM_PICTURE, VM_SUSPENDED, VM_CONF};
    struct stat st;
    remove_snapshots();
    remove_disks(vm, o);
    for (unsigned n = 0; n < ARRAY_LEN(own); n++)
        if (!lstat(own[n], &st) && !S_ISDIR(st.st_mode)) unlink(own[n]);
    return !rmdir(vm->folder);
}

/* A person at a terminal is asked. */
static bool is_meant(const VmWords *w, const Vm *vm, Problem *p)
{
    char answer[20] = "";
    if (w->yes) return true;
    if (!isatty(STDIN_FILENO))
        return problem_set(p, "'%s' with its disks and snapshots: --yes says that this is meant", vm->name);
    printf("Delete '%s' with its disks and snapshots? (yes/no) ", vm->name);
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) && !strcmp(answer, "yes\n")) return true;
    return problem_set(p, "nothing is deleted");
}

int vm_delete(const VmWords *w)
{
    Vm vm;
    Conf c;
    Options o;
    Problem p;
    if (!vm_find(&vm, w->name[0], &p) || !vm_is_free(&vm, &p) || !is_nobodys_base(&vm, &p) ||
        !is_meant(w, &vm, &p))
        return vm_fail(w, "%s", p.text);
    if (chdir(vm.folder) < 0) return vm_fail(w, "'%s': %s", vm.name, strerror(errno));
    if (!conf_options(&vm, &c, &o, &p))
        return vm_fail(w, "'%s' is not deleted, since which disks are its own is not known: %s", vm.name,
                       p.text);
    bool all = remove_all(&vm, &o.drives);
    conf_free(&c, &o);
    if (!all) printf("%s: not empty; what is left in it is not the machine's\n", vm.folder);
    return 0;
}

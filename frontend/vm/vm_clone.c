/* vm_clone.c - `ring3 vm clone`: a copy of a machine that is off; its snapshots stay where they are.
 *
 * Full: machine.conf with its comments, disks without their backing files (zeros are not copied), and the other files that
 * its words name beside it. Linked: each qcow2 disk that is written to becomes a backing file of two overlays, the machine's own
 * and the clone's, and is not written to any more. The clone names it by a path relative to its own folder: both must be
 * moved together.
 *
 * The step to overlays is safe at any moment: the disk first gets a second name (a hard link), then the overlay is made
 * beside and renamed over the first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/image/img.h"
#include "frontend/vm/vm.h"

typedef struct Clone {
    const VmWords *w;
    Vm from, to;
    char building[VM_PATH];
    Options o;
    Problem p;
} Clone;

/* --- full ------------------------------------------------------------------------------------------------ */

static bool copy_disk(Clone *c, const DriveSpec *d)
{
    DiskSpec s = {.path = d->path, .format = d->format};
    Disk *disk = disk_open(&s, &c->p);
    if (!disk) return false;
    const char *format = disk_format(disk);
    disk_close(disk);
    ImgWords words = {.command = "clone", .format = format, .to_format = format, .quiet = true};
    words.file[0] = d->path;
    words.file[1] = vm_path(c->building, d->path);
    words.files = 2;
    return !img_convert(&words) ||
           problem_set(&c->p, "'%s': its disk %.100s was not copied", c->from.name, d->path);
}

/* Small files: nvram, a kernel. */
static bool copy_file(Clone *c, const char *name)
{
    ImgWords words = {.command = "clone", .format = "raw", .to_format = "raw", .quiet = true};
    struct stat st;
    const char *to = vm_path(c->building, name);
    if (!vm_is_own_file(&c->from, name)) return true;
    words.file[0] = name;
    words.file[1] = to;
    words.files = 2;
    if (!stat(name, &st) && !st.st_size) return true;
    return (!img_convert(&words) && !truncate(to, st.st_size)) ||
           problem_set(&c->p, "'%s': %.100s was not copied", c->from.name, name);
}

static bool is_own_disk(const Clone *c, const DriveSpec *d)
{
    return d->path && vm_is_own_file(&c->from, d->path);
}

/* --- linked ---------------------------------------------------------------------------------------------- */

static bool make_overlay(const char *path, const char *backing, Problem *p)
{
    DiskMake m = {.path = path, .format = "qcow2", .backing = backing, .backing_format = "qcow2"};
    char *whole = NULL;
    DiskSpec s = {.path = backing, .format = "qcow2"};
    if (*backing == '.') s.path = strrchr(backing, '/') + 1; /* the process is in the folder that has it */
    Disk *base = disk_open(&s, p);
    if (!base) return false;
    m.bytes = disk_sectors(base) * SECTOR_BYTES;
    disk_close(base);
    bool good = disk_create(&m, p);
    free(whole);
    return good;
}

static bool may_link(Clone *c, const DriveSpec *d)
{
    DiskSpec s = {.path = d->path, .format = d->format};
    Disk *disk = disk_open(&s, &c->p);
    if (!disk) return false;
    bool good = !strcmp(disk_format(disk), "qcow2");
    disk_close(disk);
    return good ||
           problem_set(&c->p, "%.100s is no qcow2 image, so it cannot be shared; clone without --linked",
                       d->path);
}

/* A name for what becomes the backing file. */
static void base_name(const char *path, char to[300])
{
    for (unsigned n = 1;; n++) {
        snprintf(to, 300, "%.200s.base%u", path, n);
        if (access(to, F_OK)) return;
    }
}

static bool link_disk(Clone *c, const DriveSpec *d)
{
    char base[300], beside[310], far[700];
    const char *folder = strrchr(c->from.folder, '/') + 1;
    base_name(d->path, base);
    snprintf(beside, sizeof beside, "%.200s.new", d->path);
    snprintf(far, sizeof far, "../%.300s/%s", folder, base);
    if (link(d->path, base)) return problem_set(&c->p, "%.100s: %s", base, strerror(errno));
    bool good = make_overlay(beside, base, &c->p) && make_overlay(vm_path(c->building, d->path), far, &c->p);
    if (good && rename(beside, d->path)) good = problem_set(&c->p, "%.100s: %s", d->path, strerror(errno));
    if (good) return true;
    unlink(beside);
    unlink(base); /* its contents have their first name still */
    return false;
}

static bool share_disks(Clone *c)
{
    const char *slash = strrchr(c->from.folder, '/');
    size_t n = (size_t)(slash - c->from.folder);
    if (strncmp(c->from.folder, c->to.folder, n + 1) || strchr(c->to.folder + n + 1, '/'))
        return problem_set(&c->p, "a linked clone lies beside its machine, in %.*s", (int)(n ? n : 1),
                           c->from.folder);
    unsigned snapshots;
    if (!vm_count_snapshots(&snapshots, &c->p)) return false;
    if (snapshots)
        return problem_set(&c->p,
                           "'%s' has %u snapshot%s or undecided disks (delvm and commit end them), which "
                           "need its disks as they are; "
                           "clone without --linked",
                           c->from.name, snapshots, snapshots == 1 ? "" : "s");
    for (int k = 0; k < DRIVE_COUNT; k++) {
        const DriveSpec *d = &c->o.drives.drive[k];
        if (is_own_disk(c, d) && !d->cdrom && !d->readonly && !may_link(c, d)) return false;
    }
    return true;
}

/* --- all ------------------------------------------------------------------------------------------------- */

static bool clone_drive(Clone *c, const DriveSpec *d)
{
    if (!is_own_disk(c, d)) return true;
    if (c->w->linked && !d->cdrom && !d->readonly) return link_disk(c, d);
    return d->cdrom ? copy_file(c, d->path) : copy_disk(c, d);
}

static bool fill(Clone *c)
{
    const char *const others[] = {VM_NVRAM, c->o.kernel, c->o.initrd, c->o.bios};
    char *text = vm_read(VM_CONF, 64 << 10, &c->p);
    bool good = text && vm_write(vm_path(c->building, VM_CONF), text, &c->p);
    free(text);
    for (unsigned n = 0; n < ARRAY_LEN(others) && good; n++)
        if (others[n]) good = copy_file(c, others[n]);
    if (good && c->w->linked) good = share_disks(c);
    for (int n = 0; n < DRIVE_COUNT && good; n++) good = clone_drive(c, &c->o.drives.drive[n]);
    return good && vm_commit(&c->to, c->building, &c->p);
}

int vm_clone(const VmWords *w)
{
    static Clone c;
    Conf conf;
    c.w = w;
    if (!vm_find(&c.from, w->name[0], &c.p) || !vm_place(&c.to, w->name[1], &c.p) ||
        !vm_is_free(&c.from, &c.p))
        return vm_fail(w, "%s", c.p.text);
    if (chdir(c.from.folder) < 0) return vm_fail(w, "'%s': %s", c.from.name, strerror(errno));
    if (!access(VM_SUSPENDED, F_OK))
        return vm_fail(w, "'%s' is suspended: resume it and switch it off first, or 'ring3 vm discard %s'",
                       c.from.name, c.from.name);
    if (!conf_options(&c.from, &conf, &c.o, &c.p)) return vm_fail(w, "%s", c.p.text);
    bool good = vm_begin(&c.to, c.building, &c.p);
    if (good && !fill(&c)) {
        vm_abandon(c.building);
        good = false;
    }
    conf_free(&conf, &c.o);
    if (!good) return vm_fail(w, "%s", c.p.text);
    printf("%s: a %s of '%s'\n", c.to.folder, w->linked ? "linked clone" : "copy", c.from.name);
    return 0;
}

/* ova_import.c - `ring3 vm import`: a machine out of an OVA, or out of an OVF and the files beside it.
 *
 * Taken over: name, memory, operating system (as a profile), disks with their places, network cards. Disks on IDE controllers keep
 * their places; those on SCSI and SATA, which the board has not, come on IDE in their order, and that is said. What else the
 * descriptor has is passed over.
 *
 * Everything in it may be a lie. Names of files must be plain (no folder, nothing hidden); of a tar only the entries that the
 * descriptor names are read; beside an OVF no link is followed; sums of the manifest are checked; disks are opened as images
 * without backing files, and by what they are: a raw one would be any file. The machine gets its name when all is whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/bytes.h"
#include "frontend/image/img.h"
#include "frontend/vm/ovf.h"
#include "frontend/vm/profiles.h"
#include "frontend/vm/sha.h"
#include "frontend/vm/tar.h"
#include "frontend/vm/vm.h"

enum { ENTRIES = 128, PIECE = 1 << 20, MANIFEST_BYTES = 64 << 10, IDE_PLACES = 4 };

typedef struct Import {
    const VmWords *w;
    int fd; /* of the tar, or of the folder */
    bool is_tar;
    char folder[VM_PATH];
    TarEntry entry[ENTRIES];
    unsigned entries;
    Ovf ovf;
    Vm vm;
    char building[VM_PATH];
    const OvfDisk *place[IDE_PLACES]; /* NULL: no disk */
    u32 ram_mib;
    Problem p;
} Import;

/* --- files of the package -------------------------------------------------------------------------------- */

typedef struct Piece {
    int fd;
    u64 at, bytes;
} Piece;

static bool piece_find(Import *m, const char *name, Piece *piece)
{
    struct stat st;
    if (!tar_plain_name(name))
        return problem_set(&m->p, "it names a file '%.100s', which leads elsewhere", name);
    if (!m->is_tar) {
        piece->fd = openat(m->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        bool plain = piece->fd >= 0 && fstat(piece->fd, &st) == 0 && S_ISREG(st.st_mode);
        if (!plain && piece->fd >= 0) close(piece->fd);
        *piece = (Piece){.fd = piece->fd, .bytes = plain ? (u64)st.st_size : 0};
        return plain || problem_set(&m->p, "'%.100s', which it names, is not beside it", name);
    }
    for (unsigned n = 0; n < m->entries; n++)
        if (!strcmp(m->entry[n].name, name)) {
            *piece = (Piece){m->fd, m->entry[n].at, m->entry[n].bytes};
            return true;
        }
    return problem_set(&m->p, "'%.100s', which it names, is not in it", name);
}

static void piece_close(const Import *m, const Piece *piece)
{
    if (!m->is_tar) close(piece->fd);
}

static char *piece_text(Import *m, const char *name, u64 most)
{
    Piece piece;
    if (!piece_find(m, name, &piece)) return NULL;
    char *text = piece.bytes <= most ? calloc(1, piece.bytes + 1) : NULL;
    if (!text)
        problem_set(&m->p, "'%.100s' is longer than %llu KiB", name, (unsigned long long)most >> 10);
    else if (bytes_read(piece.fd, piece.at, text, piece.bytes)) {
        problem_set(&m->p, "'%.100s' cannot be read", name);
        free(text);
        text = NULL;
    }
    piece_close(m, &piece);
    return text;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && !strcasecmp(name + n - k, end);
}

static bool list_tar(Import *m, u64 size)
{
    TarEntry e = {.next = 0};
    for (bool done;;) {
        if (!tar_next(m->fd, e.next, size, &e, &done, &m->p)) return false;
        if (done) return m->entries || problem_set(&m->p, "there is nothing in it");
        if (m->entries == ENTRIES) return problem_set(&m->p, "there are too many files in it");
        m->entry[m->entries++] = e;
    }
}

/* The package, and the name of the descriptor in it. */
static bool open_package(Import *m, const char *path, char descriptor[TAR_NAME])
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    m->is_tar = !ends_with(path, ".ovf");
    snprintf(m->folder, sizeof m->folder, "%.*s", slash ? (int)(slash - path + 1) : 2, slash ? path : "./");
    m->fd = open(m->is_tar ? path : m->folder, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (m->fd < 0 || fstat(m->fd, &st) < 0) return problem_set(&m->p, "%s", strerror(errno));
    if (!m->is_tar) {
        snprintf(descriptor, TAR_NAME, "%s", slash ? slash + 1 : path);
        return true;
    }
    if (!S_ISREG(st.st_mode)) return problem_set(&m->p, "it is no file");
    if (!list_tar(m, (u64)st.st_size)) return false;
    snprintf(descriptor, TAR_NAME, "%s", m->entry[0].name);
    return ends_with(descriptor, ".ovf") ||
           problem_set(&m->p, "it is no OVA: the first file in it is '%.100s', not a descriptor (.ovf)",
                       descriptor);
}

/* --- the manifest ---------------------------------------------------------------------------------------- */

static bool check_sum(Import *m, const char *name, bool is_256, const char *wanted)
{
    static u8 bytes[PIECE];
    char hex[SHA_HEX];
    Piece piece;
    Sha s;
    if (!piece_find(m, name, &piece)) return false;
    bool good = true;
    sha_begin(&s, is_256);
    for (u64 at = 0, n; at < piece.bytes && good; at += n) {
        n = piece.bytes - at < PIECE ? piece.bytes - at : PIECE;
        good = !bytes_read(piece.fd, piece.at + at, bytes, n);
        sha_add(&s, bytes, n);
    }
    piece_close(m, &piece);
    sha_end(&s, hex);
    return (good && !strcasecmp(hex, wanted)) ||
           problem_set(&m->p, "'%.100s' is damaged: its sum is not the manifest's", name);
}

static bool check_line(Import *m, const char *line)
{
    char kind[16], name[TAR_NAME], hex[160];
    if (!line[strspn(line, " \t\r")]) return true;
    if (sscanf(line, "%15[A-Za-z0-9-] (%255[^)]) = %150[0-9a-fA-F]", kind, name, hex) != 3 &&
        sscanf(line, "%15[A-Za-z0-9-](%255[^)])= %150[0-9a-fA-F]", kind, name, hex) != 3)
        return problem_set(&m->p, "its manifest has a line that is none: '%.60s'", line);
    bool is_256 = !strcasecmp(kind, "SHA256") || !strcasecmp(kind, "SHA-256");
    if (is_256 || !strcasecmp(kind, "SHA1") || !strcasecmp(kind, "SHA-1"))
        return check_sum(m, name, is_256, hex);
    say("vm import: sums by %s are not checked", kind);
    return true;
}

static bool check_manifest(Import *m, const char *descriptor)
{
    char name[TAR_NAME];
    Piece piece;
    snprintf(name, sizeof name, "%.*s.mf", (int)strlen(descriptor) - 4, descriptor);
    if (!piece_find(m, name, &piece)) return true; /* it is optional */
    piece_close(m, &piece);
    char *text = piece_text(m, name, MANIFEST_BYTES), *rest = text, *line;
    bool good = text != NULL;
    while (good && (line = strsep(&rest, "\n"))) good = check_line(m, line);
    free(text);
    return good;
}

/* --- the hardware ---------------------------------------------------------------------------------------- */

static const OvfItem *item_by_id(const Ovf *o, const char *id)
{
    for (unsigned n = 0; *id && n < o->items; n++)
        if (!strcmp(o->item[n].id, id)) return &o->item[n];
    return NULL;
}

/* What "ovf:/disk/ID" means. */
static const OvfDisk *disk_of(const Ovf *o, const OvfItem *i)
{
    const char *id = strstr(i->host, "/disk/");
    for (unsigned n = 0; id && n < o->disks; n++)
        if (!strcmp(o->disk[n].id, id + 6)) return &o->disk[n];
    return NULL;
}

static const OvfFile *file_of(const Ovf *o, const OvfDisk *d)
{
    for (unsigned n = 0; *d->file && n < o->files; n++)
        if (!strcmp(o->file[n].id, d->file)) return &o->file[n];
    return NULL;
}

/* 0 to 3 on the IDE controllers; -1: it is elsewhere. */
static int ide_place(const Ovf *o, const OvfItem *i)
{
    const OvfItem *parent = item_by_id(o, i->parent);
    if (!parent || parent->type != OVF_IDE) return -1;
    unsigned bus = parent->address[0] == '1', unit = i->on_parent[0] == '1';
    return (int)(2 * bus + unit);
}

static bool place_disk(Import *m, const OvfItem *i, bool ide)
{
    static const int order[IDE_PLACES] = {0, 1, 3, 2}; /* the secondary master is the CD drive's */
    int place = ide_place(&m->ovf, i);
    const OvfDisk *d = disk_of(&m->ovf, i);
    if ((place >= 0) != ide) return true;
    if (!d) return problem_set(&m->p, "its descriptor has a disk drive without a disk");
    if (d->has_parent)
        return problem_set(&m->p, "its disk %.60s stands on another one, which is not supported", d->id);
    if (place >= 0 && m->place[place]) place = -1;
    for (int n = 0; n < IDE_PLACES && place < 0; n++)
        if (!m->place[order[n]]) place = order[n];
    if (place < 0) return problem_set(&m->p, "it has more than %d disks", IDE_PLACES);
    if (!ide) say("vm import: disk %.60s is on a SCSI or SATA controller; here it is on IDE", d->id);
    m->place[place] = d;
    return true;
}

static bool take_memory(Import *m, const OvfItem *i)
{
    u64 bytes = ovf_bytes(i->quantity, i->units, 1 << 20);
    if (bytes < 1 << 20 || bytes > 1ull << 50) return problem_set(&m->p, "its memory has an impossible size");
    m->ram_mib = bytes >> 20 > RAM_MAX_MIB ? RAM_MAX_MIB : (u32)(bytes >> 20);
    if (bytes >> 20 > RAM_MAX_MIB)
        say("vm import: it has %llu MiB of memory; a 32-bit board has %u", (unsigned long long)bytes >> 20,
            RAM_MAX_MIB);
    return true;
}

static bool take_hardware(Import *m)
{
    const Ovf *o = &m->ovf;
    bool good = true;
    m->ram_mib = profile_by_cim(o->system)->ram_mib;
    for (int ide = 1; ide >= 0; ide--)
        for (unsigned n = 0; n < o->items && good; n++)
            if (o->item[n].type == OVF_DISK) good = place_disk(m, &o->item[n], ide);
    for (unsigned n = 0; n < o->items && good; n++) {
        const OvfItem *i = &o->item[n];
        if (i->type == OVF_MEMORY) good = take_memory(m, i);
        if (i->type == OVF_CPU && i->quantity > 1)
            say("vm import: it has %llu processors; here it has one", (unsigned long long)i->quantity);
    }
    return good;
}

/* --- disks ----------------------------------------------------------------------------------------------- */

static bool extract(Import *m, const Piece *piece, const char *to)
{
    static u8 bytes[PIECE];
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), error = fd < 0 ? errno : 0;
    for (u64 at = 0, n; at < piece->bytes && !error; at += n) {
        n = piece->bytes - at < PIECE ? piece->bytes - at : PIECE;
        error = bytes_read(piece->fd, piece->at + at, bytes, n);
        if (!error) error = bytes_write(fd, at, bytes, n);
    }
    if (fd >= 0) close(fd);
    return !error || problem_set(&m->p, "unpacking it failed: %s", strerror(error));
}

/* An image, and not just any file. */
static bool convert(Import *m, const char *from, const char *href, const char *to)
{
    DiskSpec s = {.path = from, .no_backing = true};
    ImgWords w = {.command = "import", .to_format = "qcow2", .quiet = true, .files = 2};
    Problem why;
    Disk *d = disk_open(&s, &why);
    if (!d) return problem_set(&m->p, "its disk '%.60s' %.250s", href, why.text);
    w.format = disk_format(d);
    DiskInfo i;
    disk_info(d, &i);
    disk_close(d);
    if (!strcmp(w.format, "raw") || !strcmp(w.format, "cue"))
        return problem_set(&m->p, "its disk '%.60s' is no image of a known format", href);
    if (i.backing)
        return problem_set(&m->p, "its disk '%.60s' stands on another one, which is not supported", href);
    w.file[0] = from;
    w.file[1] = to;
    return !img_convert(&w) || problem_set(&m->p, "its disk '%.60s' was not converted", href);
}

static bool take_file(Import *m, const OvfFile *f, const char *to)
{
    char beside[VM_PATH + 300];
    Piece piece;
    if (f->packed)
        return problem_set(&m->p, "its file '%.60s' is compressed or cut, which is not supported", f->href);
    if (!piece_find(m, f->href, &piece)) return false;
    snprintf(beside, sizeof beside, "%s",
             vm_path(m->is_tar ? m->building : m->folder, m->is_tar ? "unpacked" : f->href));
    bool good = !m->is_tar || extract(m, &piece, beside);
    piece_close(m, &piece);
    if (good) good = convert(m, beside, f->href, to);
    if (m->is_tar) unlink(beside);
    return good;
}

/* One that the package has no file of is empty. */
static bool make_empty(Import *m, const OvfDisk *d, const char *to)
{
    DiskMake make = {.path = to, .format = "qcow2", .bytes = ovf_bytes(d->capacity, d->units, 1)};
    if (*d->file) return problem_set(&m->p, "its disk %.60s has a file that it does not name", d->id);
    if (!make.bytes || make.bytes > 1ull << 41)
        return problem_set(&m->p, "its disk %.60s has an impossible size", d->id);
    return disk_create(&make, &m->p);
}

static bool take_disk(Import *m, int place)
{
    char name[20], to[VM_PATH + 300];
    const OvfDisk *d = m->place[place];
    const OvfFile *f = file_of(&m->ovf, d);
    snprintf(name, sizeof name, "disk%d.qcow2", place + 1);
    snprintf(to, sizeof to, "%s", vm_path(m->building, name));
    return f ? take_file(m, f, to) : make_empty(m, d, to);
}

/* --- machine.conf ---------------------------------------------------------------------------------------- */

static void put_cards(const Ovf *o, char *text, size_t room)
{
    for (unsigned n = 0, cards = 0; n < o->items; n++) {
        size_t used = strlen(text);
        const OvfItem *i = &o->item[n];
        if (i->type != OVF_ETHERNET || cards++ == NICS_MAX) continue;
        bool pcnet = !*i->subtype || strcasestr(i->subtype, "pcnet");
        snprintf(text + used, room - used, "nic = user,model=%s\n", pcnet ? "pcnet" : "rtl8139");
        if (!pcnet) say("vm import: its network card %.40s is an RTL8139 here", i->subtype);
    }
}

static bool write_conf(Import *m)
{
    static const char letters[] = "abcd";
    char text[2000];
    const Profile *f = profile_by_cim(m->ovf.system);
    snprintf(text, sizeof text, "# The machine '%s', imported.\n[machine]\nprofile = %s\nm = %u\n",
             m->vm.name, f->word, m->ram_mib);
    put_cards(&m->ovf, text, sizeof text);
    for (int n = 0; n < IDE_PLACES; n++) {
        size_t used = strlen(text);
        if (m->place[n])
            snprintf(text + used, sizeof text - used, "hd%c = disk%d.qcow2\n", letters[n], n + 1);
    }
    return vm_write(vm_path(m->building, VM_CONF), text, &m->p);
}

static bool fill(Import *m)
{
    bool good = true;
    for (int n = 0; n < IDE_PLACES && good; n++) good = !m->place[n] || take_disk(m, n);
    return good && write_conf(m) && vm_commit(&m->vm, m->building, &m->p);
}

/* --- all ------------------------------------------------------------------------------------------------- */

/* As the descriptor calls it, in letters that a file may have. */
static void own_name(const char *name, char to[VM_NAME])
{
    unsigned n = 0;
    for (; name[n] && n < VM_NAME - 10; n++) {
        bool bad = (u8)name[n] < ' ' || name[n] == 0x7f || name[n] == '/' || name[n] == '\\' ||
                   (!n && strchr(".-", name[n]));
        to[n] = bad ? '_' : name[n];
    }
    to[n] = 0;
    if (!n) memcpy(to, "imported", 9);
}

static bool read_package(Import *m, const char *path)
{
    char descriptor[TAR_NAME];
    if (!open_package(m, path, descriptor)) return false;
    char *text = piece_text(m, descriptor, OVF_BYTES);
    bool good = text && ovf_read(&m->ovf, text, strlen(text), &m->p);
    free(text);
    return good && check_manifest(m, descriptor) && take_hardware(m);
}

int vm_import(const VmWords *w)
{
    static Import m;
    char name[VM_NAME];
    m.w = w;
    m.fd = -1;
    bool good = read_package(&m, w->name[0]);
    if (good) own_name(m.ovf.name, name);
    if (good)
        good = vm_place(&m.vm, w->names > 1 ? w->name[1] : name, &m.p) && vm_begin(&m.vm, m.building, &m.p);
    if (good && !fill(&m)) {
        vm_abandon(m.building);
        good = false;
    }
    if (m.fd >= 0) close(m.fd);
    if (!good) return vm_fail(w, "'%.200s': %s", w->name[0], m.p.text);
    printf("%s\n", m.vm.folder);
    return 0;
}

/* ova_export.c - `ring3 vm export`: a machine as an OVA, which VirtualBox and VMware import.
 *
 * DMTF DSP0243 1.x: a tar file of the descriptor (OVF, an XML text), the disks as stream-optimized VMDKs, and a manifest with
 * the SHA-256 of each. Of the board the descriptor has what others have, too: memory, one processor, IDE controllers with
 * disks and a CD drive, a floppy drive, network cards. Speed, firmware, sound and snapshots stay behind.
 *
 * The file is written beside, and gets its name when it is whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"
#include "frontend/image/vmdk_stream.h"
#include "frontend/vm/profiles.h"
#include "frontend/vm/sha.h"
#include "frontend/vm/tar.h"
#include "frontend/vm/vm.h"

enum { TEXT = 32 << 10, PIECE = 1 << 20 };

typedef struct ExportDisk {
    int bay; /* DriveId */
    char file[TAR_NAME];
    HostFile packed; /* a temporary file */
    u64 bytes;       /* of the disk */
} ExportDisk;

typedef struct Export {
    Vm vm;
    Options o;
    Conf conf;
    ExportDisk disk[4];
    unsigned disks;
    char text[TEXT], manifest[4096], plain[VM_NAME]; /* plain: the name as the files have it */
    u32 used, instance;
    int fd;
    u64 at;
} Export;

/* --- the descriptor -------------------------------------------------------------------------------------- */

static void put(Export *e, const char *fmt, ...) PRINTF(2, 3);
static void put(Export *e, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    int n = vsnprintf(e->text + e->used, TEXT - e->used, fmt, list);
    va_end(list);
    e->used += (u32)n;
    CHECK(e->used < TEXT, "an OVF descriptor that is too long");
}

/* As XML has it. */
static const char *escape(const char *s, char to[VM_NAME * 6])
{
    char *at = to;
    for (; *s; s++) {
        const char *word = *s == '&'   ? "&amp;"
                           : *s == '<' ? "&lt;"
                           : *s == '>' ? "&gt;"
                           : *s == '"' ? "&quot;"
                                       : NULL;
        if (word)
            at = stpcpy(at, word);
        else
            *at++ = *s;
    }
    *at = 0;
    return to;
}

/* An item of the hardware; what stands in the middle is in the order of the alphabet, as the schema wants it. */
static u32 item(Export *e, const char *before, const char *name, const char *middle, const char *parent,
                const char *subtype, u32 type, const char *quantity)
{
    u32 id = ++e->instance;
    put(e,
        "      <Item>\n%s        <rasd:ElementName>%s</rasd:ElementName>\n%s"
        "        <rasd:InstanceID>%u</rasd:InstanceID>\n%s%s        <rasd:ResourceType>%u</rasd:ResourceType>\n%s      </Item>\n",
        before, name, middle, id, parent, subtype, type, quantity);
    return id;
}

static void put_head(Export *e)
{
    put(e,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Envelope ovf:version=\"1.0\" xml:lang=\"en-US\" xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"\n"
        "  xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\"\n"
        "  xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData\"\n"
        "  xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData\">\n"
        "  <References>\n");
    for (unsigned n = 0; n < e->disks; n++)
        put(e, "    <File ovf:id=\"file%u\" ovf:href=\"%s\" ovf:size=\"%llu\"/>\n", n + 1, e->disk[n].file,
            (unsigned long long)e->disk[n].packed.bytes);
    put(e, "  </References>\n  <DiskSection>\n    <Info>Virtual disks</Info>\n");
    for (unsigned n = 0; n < e->disks; n++)
        put(e,
            "    <Disk ovf:capacity=\"%llu\" ovf:diskId=\"vmdisk%u\" ovf:fileRef=\"file%u\" "
            "ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/>\n",
            (unsigned long long)e->disk[n].bytes, n + 1, n + 1);
    put(e, "  </DiskSection>\n  <NetworkSection>\n    <Info>Networks</Info>\n    <Network ovf:name=\"NAT\">\n"
           "      <Description>the host's</Description>\n    </Network>\n  </NetworkSection>\n");
}

static void put_ide(Export *e, u32 controllers[2])
{
    char text[200], parent[200];
    for (u32 n = 0; n < 2; n++) {
        snprintf(text, sizeof text, "        <rasd:Address>%u</rasd:Address>\n", n);
        controllers[n] = item(e, text, n ? "IDE controller 1" : "IDE controller 0", "", "",
                              "        <rasd:ResourceSubType>PIIX4</rasd:ResourceSubType>\n", 5, "");
    }
    for (unsigned n = 0; n < e->disks; n++) {
        int place = e->disk[n].bay - DRIVE_IDE_0;
        char host[100];
        snprintf(text, sizeof text, "        <rasd:AddressOnParent>%d</rasd:AddressOnParent>\n", place % 2);
        snprintf(host, sizeof host, "        <rasd:HostResource>ovf:/disk/vmdisk%u</rasd:HostResource>\n",
                 n + 1);
        snprintf(parent, sizeof parent, "        <rasd:Parent>%u</rasd:Parent>\n", controllers[place / 2]);
        item(e, text, "Hard disk", host, parent, "", 17, "");
    }
}

static void put_removable(Export *e, const u32 controllers[2])
{
    char parent[200], text[200];
    for (int n = DRIVE_IDE_0; n < DRIVE_COUNT; n++) {
        const DriveSpec *d = &e->o.drives.drive[n];
        bool own =
            d->option ? d->cdrom : n == DRIVE_IDE_2 && !e->o.no_defaults; /* every machine has that one */
        int place = n - DRIVE_IDE_0;
        if (!own) continue;
        snprintf(text, sizeof text,
                 "        <rasd:AddressOnParent>%d</rasd:AddressOnParent>\n"
                 "        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n",
                 place % 2);
        snprintf(parent, sizeof parent, "        <rasd:Parent>%u</rasd:Parent>\n", controllers[place / 2]);
        item(e, text, "CD drive", "", parent, "", 15, "");
    }
}

static void put_cards(Export *e)
{
    for (unsigned n = 0; n < e->o.net.cards; n++)
        item(
            e,
            "        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n        <rasd:Connection>NAT</rasd:Connection>\n",
            "Network card", "", "", "        <rasd:ResourceSubType>PCNet32</rasd:ResourceSubType>\n", 10, "");
}

static void put_system(Export *e)
{
    char name[VM_NAME * 6], quantity[120];
    u32 controllers[2];
    const Profile *f = profile_find(e->conf.profile ? e->conf.profile : "other");
    escape(e->vm.name, name);
    put(e,
        "  <VirtualSystem ovf:id=\"%s\">\n    <Info>A virtual machine</Info>\n    <Name>%s</Name>\n"
        "    <OperatingSystemSection ovf:id=\"%u\">\n      <Info>The guest operating system</Info>\n"
        "      <Description>%s</Description>\n    </OperatingSystemSection>\n    <VirtualHardwareSection>\n"
        "      <Info>Virtual hardware</Info>\n      <System>\n        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>\n"
        "        <vssd:InstanceID>0</vssd:InstanceID>\n        <vssd:VirtualSystemIdentifier>%s</vssd:VirtualSystemIdentifier>\n"
        "        <vssd:VirtualSystemType>vmx-07 virtualbox-2.2</vssd:VirtualSystemType>\n      </System>\n",
        name, name, f ? f->cim : 1, f ? f->title : "Other", name);
    item(e, "", "1 processor", "", "", "", 3, "        <rasd:VirtualQuantity>1</rasd:VirtualQuantity>\n");
    snprintf(quantity, sizeof quantity, "        <rasd:VirtualQuantity>%u</rasd:VirtualQuantity>\n",
             e->o.ram_bytes >> 20);
    item(e, "        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n", "Memory", "", "", "", 4,
         quantity);
    put_ide(e, controllers);
    put_removable(e, controllers);
    if (!e->o.no_defaults || e->o.drives.drive[DRIVE_FLOPPY_A].option)
        item(e, "        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n", "Floppy drive", "", "",
             "", 14, "");
    put_cards(e);
    put(e, "    </VirtualHardwareSection>\n  </VirtualSystem>\n</Envelope>\n");
}

/* --- the file -------------------------------------------------------------------------------------------- */

static void note_sum(Export *e, const char *name, Sha *s)
{
    char hex[SHA_HEX];
    size_t n = strlen(e->manifest);
    sha_end(s, hex);
    snprintf(e->manifest + n, sizeof e->manifest - n, "SHA256(%s)= %s\n", name, hex);
}

static int pad(Export *e)
{
    static const u8 zeros[TAR_BLOCK];
    u64 n = (TAR_BLOCK - e->at % TAR_BLOCK) % TAR_BLOCK;
    int error = bytes_write(e->fd, e->at, zeros, n);
    e->at += n;
    return error;
}

static int begin_entry(Export *e, const char *name, u64 bytes)
{
    u8 head[TAR_BLOCK];
    tar_head(head, name, bytes, (s64)time(NULL));
    int error = bytes_write(e->fd, e->at, head, sizeof head);
    e->at += sizeof head;
    return error;
}

static int add_text(Export *e, const char *end, const char *text, bool listed)
{
    char name[TAR_NAME];
    u64 n = strlen(text);
    Sha s;
    snprintf(name, sizeof name, "%s.%s", e->plain, end);
    int error = begin_entry(e, name, n);
    if (!error) error = bytes_write(e->fd, e->at, text, n);
    e->at += n;
    sha_begin(&s, true);
    sha_add(&s, text, n);
    if (listed) note_sum(e, name, &s);
    return error ? error : pad(e);
}

static int add_disk(Export *e, const ExportDisk *d)
{
    static u8 piece[PIECE];
    Sha s;
    sha_begin(&s, true);
    int error = begin_entry(e, d->file, d->packed.bytes);
    for (u64 at = 0, n; at < d->packed.bytes && !error; at += n) {
        n = d->packed.bytes - at < PIECE ? d->packed.bytes - at : PIECE;
        error = host_file_read(&d->packed, at, piece, n);
        if (!error) error = bytes_write(e->fd, e->at, piece, n);
        sha_add(&s, piece, n);
        e->at += n;
    }
    note_sum(e, d->file, &s);
    return error ? error : pad(e);
}

static int write_all(Export *e)
{
    static const u8 end[2 * TAR_BLOCK];
    int error = add_text(e, "ovf", e->text, true);
    for (unsigned n = 0; n < e->disks && !error; n++) error = add_disk(e, &e->disk[n]);
    if (!error) error = add_text(e, "mf", e->manifest, false);
    if (!error) error = bytes_write(e->fd, e->at, end, sizeof end);
    return !error && fsync(e->fd) ? errno : error;
}

/* --- disks ----------------------------------------------------------------------------------------------- */

static bool pack_disk(Export *e, int bay, const DriveSpec *d, const char *folder, Problem *p)
{
    ExportDisk *x = &e->disk[e->disks];
    DiskSpec s = {.path = d->path, .format = d->format};
    Problem why;
    Disk *disk = disk_open(&s, &why);
    if (!disk) return problem_set(p, "%.100s: %.250s", d->path, why.text);
    x->bay = bay;
    x->bytes = disk_sectors(disk) * SECTOR_BYTES;
    snprintf(x->file, sizeof x->file, "%.85s-disk%u.vmdk", e->plain, e->disks + 1);
    x->packed = (HostFile){.fd = file_open(FILE_TEMPORARY, folder), .writable = true};
    const char *lock = disk_lock(disk);
    int error = x->packed.fd < 0 ? errno : lock ? EBUSY : vmdk_stream(disk, &x->packed, x->file);
    bool good = !error || problem_set(p, "%.100s: %s", d->path,
                                      disk_trouble(disk) ? disk_trouble(disk) : strerror(error));
    if (x->packed.fd >= 0) e->disks++;
    disk_close(disk);
    return good;
}

static bool pack_disks(Export *e, const char *folder, Problem *p)
{
    for (int n = DRIVE_IDE_0; n < DRIVE_COUNT; n++) {
        const DriveSpec *d = &e->o.drives.drive[n];
        if (d->path && !d->cdrom && !pack_disk(e, n, d, folder, p)) return false;
    }
    return true;
}

/* Names of files in it: letters that every host takes. */
static void plain_name(const char *name, char to[VM_NAME])
{
    unsigned n = 0;
    for (; name[n] && n < 80; n++) {
        char c = name[n];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || c == '.';
        to[n] = fine ? c : '_';
    }
    to[n] = 0;
}

/* `path` is whole. */
static bool export_to(Export *e, const char *path, Problem *p)
{
    char folder[VM_PATH], beside[VM_PATH + 10];
    snprintf(folder, sizeof folder, "%.*s/", (int)(strrchr(path, '/') - path), path);
    snprintf(beside, sizeof beside, "%s.new", path);
    if (!access(path, F_OK)) return problem_set(p, "'%.200s': it is there already", path);
    plain_name(e->vm.name, e->plain);
    if (!pack_disks(e, folder, p)) return false;
    put_head(e);
    put_system(e);
    unlink(beside);
    e->fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int error = e->fd < 0 ? errno : write_all(e);
    if (!error && rename(beside, path)) error = errno;
    if (error) unlink(beside);
    return !error || problem_set(p, "'%.200s': %s", path, strerror(error));
}

int vm_export(const VmWords *w)
{
    static Export e;
    char path[VM_PATH], name[VM_NAME + 4], *folder;
    Problem p;
    if (!vm_find(&e.vm, w->name[0], &p) || !vm_is_free(&e.vm, &p)) return vm_fail(w, "%s", p.text);
    snprintf(name, sizeof name, "%s.ova", e.vm.name);
    const char *given = w->names > 1 ? w->name[1] : name, *slash = strrchr(given, '/');
    char *parent = slash ? strndup(given, slash == given ? 1 : (size_t)(slash - given)) : strdup(".");
    folder = parent ? realpath(parent, NULL) : NULL;
    free(parent);
    if (!folder || snprintf(path, sizeof path, "%s/%s", folder, slash ? slash + 1 : given) >= VM_PATH)
        return vm_fail(w, "'%.200s': no place for a file", given);
    free(folder);
    if (chdir(e.vm.folder) < 0) return vm_fail(w, "'%s': %s", e.vm.name, strerror(errno));
    if (!conf_options(&e.vm, &e.conf, &e.o, &p)) return vm_fail(w, "%s", p.text);
    bool good = export_to(&e, path, &p);
    for (unsigned n = 0; n < e.disks; n++) host_file_close(&e.disk[n].packed);
    if (e.fd > 0) close(e.fd);
    conf_free(&e.conf, &e.o);
    if (!good) return vm_fail(w, "%s", p.text);
    printf("%s: '%s' with %u disk%s\n", path, e.vm.name, e.disks, e.disks == 1 ? "" : "s");
    return 0;
}

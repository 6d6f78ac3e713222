/* drive_options.c - -hda and its kin, -drive, -boot: from words to drive bays.
 *
 * A -drive value is a list of key=value with commas between; a comma that belongs to a file name is doubled. Without
 * index (or bus and unit) a drive takes the first free place of its kind.
 *
 * Differences from QEMU: if=none is refused, since no device could refer to the drive; -boot knows order, once and
 * menu.
 */
#include "frontend/options/drive_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/disk.h"
#include "frontend/options/drive_limits.h"
#include "frontend/options/drive_names.h"
#include "frontend/options/option_words.h"

void drive_options_init(DriveOptions *o) { *o = (DriveOptions){.boot_order = "cad"}; }

void drive_options_free(DriveOptions *o)
{
    for (int n = 0; n < DRIVE_COUNT; n++) free(o->drive[n].copy);
    drive_options_init(o);
}

static bool take_bay(DriveOptions *o, DriveId id, const DriveSpec *s, Problem *p)
{
    DriveSpec *to = &o->drive[id];
    if (to->option)
        return problem_set(p, "%s: %s is taken already by %s %.100s", s->option, drive_place(id), to->option,
                           to->path ? to->path : "");
    *to = *s;
    return true;
}

bool drive_option_bay(DriveOptions *o, DriveId id, bool cdrom, const char *option, const char *path,
                      Problem *p)
{
    DriveSpec s = {.option = option, .path = path, .cdrom = cdrom, .readonly = cdrom};
    if (!*path) return problem_set(p, "%s '': an empty name", option);
    return take_bay(o, id, &s, p);
}

/* --- words ----------------------------------------------------------------------------------------------- */

static bool refuse_word(Problem *p, const char *what, const char *word, const char *const *known)
{
    Suggest s;
    char list[120] = "";
    suggest_begin(&s, word);
    for (; *known; known++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", *known);
        suggest_offer(&s, *known);
    }
    const char *near = suggest_result(&s);
    const char *gap = what[strlen(what) - 1] == '=' ? "" : " ";
    if (near)
        return problem_set(p, "%s%s%.60s: did you mean '%s'? (one of: %s)", what, gap, word, near, list);
    return problem_set(p, "%s%s%.60s: there is no such word; one of: %s", what, gap, word, list);
}

static bool parse_switch(const Pair *pair, const char *what, bool *to, Problem *p)
{
    static const char *const words[] = {"on", "off", NULL};
    char name[60];
    *to = !strcmp(pair->value, "on");
    if (*to || !strcmp(pair->value, "off")) return true;
    snprintf(name, sizeof name, "%s %.31s=", what, pair->key);
    return refuse_word(p, name, pair->value, words);
}

/* --- -drive ---------------------------------------------------------------------------------------------- */

enum { IF_IDE, IF_FLOPPY };

typedef struct DriveWords {
    DriveSpec spec;
    char path[PAIR_VALUE_BYTES];
    int interface, index, bus, unit; /* numbers: -1: not given */
} DriveWords;

static bool parse_place(const Pair *pair, int *to, Problem *p)
{
    char *end;
    unsigned long v = strtoul(pair->value, &end, 10);
    if (pair->value[0] < '0' || pair->value[0] > '9' || *end || v > 3)
        return problem_set(p, "-drive %s=%.60s: takes a number from 0 to 3", pair->key, pair->value);
    *to = (int)v;
    return true;
}

static bool parse_interface(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const words[] = {"ide", "floppy", NULL};
    static const Absent others[] = {
        {"none", "no device could use it; say if=ide or if=floppy"},
        {"virtio", "no virtio: if=ide is the bus that every guest knows"},
        {"scsi", "no SCSI: if=ide is the bus that every guest knows"},
        {"sd", "no SD card: if=ide makes a disk of it"},
        {"pflash", "no flash chip: -bios FILE takes a firmware; if=ide makes a disk of it"},
        {"mtd", "no flash chip: if=ide makes a disk of it"},
        {"xen", "not a Xen domain: if=ide makes a disk of it"},
        {NULL, NULL}};
    for (int n = 0; words[n]; n++)
        if (!strcmp(pair->value, words[n])) return d->interface = n, true;
    if (absent_why(others, pair->value))
        return problem_set(p, "-drive if=%.40s: %s", pair->value, absent_why(others, pair->value));
    return refuse_word(p, "-drive if=", pair->value, words);
}

static bool parse_media(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const words[] = {"disk", "cdrom", NULL};
    d->spec.cdrom = !strcmp(pair->value, "cdrom");
    if (d->spec.cdrom || !strcmp(pair->value, "disk")) return true;
    return refuse_word(p, "-drive media=", pair->value, words);
}

/* VMware's words. */
static bool parse_mode(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const words[] = {"persistent", "undoable", "nonpersistent", NULL};
    d->spec.undoable = !strcmp(pair->value, "undoable");
    if (!strcmp(pair->value, "nonpersistent")) d->spec.snapshot = true;
    for (int n = 0; words[n]; n++)
        if (!strcmp(pair->value, words[n])) return true;
    return refuse_word(p, "-drive mode=", pair->value, words);
}

static bool parse_format(const Pair *pair, DriveWords *d, Problem *p)
{
    const char *const *word = disk_formats();
    while (*word && strcmp(*word, pair->value)) word++;
    d->spec.format = *word;
    return *word || refuse_word(p, "-drive format=", pair->value, disk_formats());
}

/* What shall become of errors of the host's. */
static bool parse_errors(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const words[] = {"report", "ignore", "stop", "enospc", NULL};
    static const MediaErrors errors[] = {MEDIA_REPORT, MEDIA_IGNORE, MEDIA_STOP, MEDIA_ENOSPC};
    bool reads = pair->key[0] == 'r';
    for (int n = 0; words[n]; n++) {
        if (strcmp(pair->value, words[n]) || (reads && errors[n] == MEDIA_ENOSPC)) continue;
        *(reads ? &d->spec.read_errors : &d->spec.write_errors) = errors[n];
        return true;
    }
    if (!strcmp(pair->value, "enospc")) return problem_set(p, "-drive rerror=enospc: a read needs no room");
    return refuse_word(p, reads ? "-drive rerror=" : "-drive werror=", pair->value, words);
}

/* The host's cache is always used; what differs is when a write is on the disk: when the guest flushes it, or at once. */
static bool parse_cache(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const words[] = {"writeback", "none", "unsafe", "writethrough", "directsync", NULL};
    int n = 0;
    while (words[n] && strcmp(words[n], pair->value)) n++;
    d->spec.sync = n == 3 || n == 4;
    return words[n] || refuse_word(p, "-drive cache=", pair->value, words);
}

static bool parse_discard(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const words[] = {"ignore", "off", "unmap", "on", NULL};
    int n = 0;
    while (words[n] && strcmp(words[n], pair->value)) n++;
    d->spec.discard = n >= 2;
    return words[n] || refuse_word(p, "-drive discard=", pair->value, words);
}

static bool parse_zeros(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const words[] = {
        [MEDIA_ZEROS_OFF] = "off", [MEDIA_ZEROS_ON] = "on", [MEDIA_ZEROS_UNMAP] = "unmap", NULL};
    int n = 0;
    while (words[n] && strcmp(words[n], pair->value)) n++;
    d->spec.zeros = (MediaZeros)n;
    return words[n] || refuse_word(p, "-drive detect-zeroes=", pair->value, words);
}

/* How the host goes about it makes no difference to the guest. True: it was such a word, and *p is empty if it is one of
 * QEMU's values. */
static bool parse_host_way(const Pair *pair, Problem *p)
{
    static const struct {
        const char *key, *const values[5];
    } ways[] = {{"aio", {"threads", "native", "io_uring", NULL}}, {"copy-on-read", {"off", NULL}}};
    char name[60];
    for (unsigned n = 0; n < ARRAY_LEN(ways); n++) {
        if (strcmp(pair->key, ways[n].key)) continue;
        p->text[0] = 0;
        for (int v = 0; ways[n].values[v]; v++)
            if (!strcmp(pair->value, ways[n].values[v])) return true;
        snprintf(name, sizeof name, "-drive %s=", ways[n].key);
        refuse_word(p, name, pair->value, ways[n].values);
        return true;
    }
    return false;
}

static bool parse_drive_pair(const Pair *pair, DriveWords *d, Problem *p)
{
    static const char *const keys[] = {
        "file",     "if",    "index", "bus",     "unit",          "media",  "format", "id", "snapshot", "mode",
        "readonly", "cache", "aio",   "discard", "detect-zeroes", "werror", "rerror", "throttling.bps-total",
        "throttling.iops-total", NULL};
    const char *k = pair->key;
    if (!strcmp(k, "file")) return snprintf(d->path, sizeof d->path, "%s", pair->value), true;
    if (!strcmp(k, "if")) return parse_interface(pair, d, p);
    if (!strcmp(k, "index")) return parse_place(pair, &d->index, p);
    if (!strcmp(k, "bus")) return parse_place(pair, &d->bus, p);
    if (!strcmp(k, "unit")) return parse_place(pair, &d->unit, p);
    if (!strcmp(k, "media")) return parse_media(pair, d, p);
    if (!strcmp(k, "mode")) return parse_mode(pair, d, p);
    if (!strcmp(k, "format")) return parse_format(pair, d, p);
    if (!strcmp(k, "werror") || !strcmp(k, "rerror")) return parse_errors(pair, d, p);
    if (!strcmp(k, "snapshot")) return parse_switch(pair, "-drive", &d->spec.snapshot, p);
    if (!strcmp(k, "readonly") || !strcmp(k, "read-only"))
        return parse_switch(pair, "-drive", &d->spec.readonly, p);
    if (!strcmp(k, "id")) return true;
    if (!strcmp(k, "cache")) return parse_cache(pair, d, p);
    if (!strcmp(k, "discard")) return parse_discard(pair, d, p);
    if (!strcmp(k, "detect-zeroes")) return parse_zeros(pair, d, p);
    if (parse_host_way(pair, p)) return !p->text[0];
    if (drive_limit_take(pair, &d->spec.limits, p)) return !p->text[0];
    return refuse_word(p, "-drive", k, keys);
}

/* The bay that the words mean, or -1. */
static int find_bay(const DriveOptions *o, const DriveWords *d, Problem *p)
{
    int places = d->interface == IF_FLOPPY ? 2 : 4, per_bus = 2, index = d->index;
    int first = d->interface == IF_FLOPPY ? DRIVE_FLOPPY_A : DRIVE_IDE_0;
    if (index >= 0 && (d->bus >= 0 || d->unit >= 0))
        return problem_set(p, "-drive: index= or bus= and unit=, not both"), -1;
    if (d->bus >= 0 || d->unit >= 0)
        index = (d->bus > 0 ? d->bus : 0) * per_bus + (d->unit > 0 ? d->unit : 0);
    if (d->unit >= per_bus || index >= places)
        return problem_set(p, "-drive: there is no %s drive in that place",
                           d->interface == IF_FLOPPY ? "floppy" : "IDE"),
               -1;
    if (index >= 0) return first + index;
    for (int n = 0; n < places; n++)
        if (!o->drive[first + n].option) return first + n;
    return problem_set(p, "-drive: all %d places of its kind are taken", places), -1;
}

bool drive_option_drive(DriveOptions *o, const char *value, Problem *p)
{
    DriveWords d = {.spec = {.option = "-drive"}, .index = -1, .bus = -1, .unit = -1};
    Pair pair;
    while (pair_next(&value, NULL, &pair))
        if (!parse_drive_pair(&pair, &d, p)) return false;
    if (d.interface == IF_FLOPPY && d.spec.cdrom) return problem_set(p, "-drive: a floppy drive takes no CD");
    if (!d.path[0] && d.interface == IF_IDE && !d.spec.cdrom)
        return problem_set(p, "-drive: file=FILE is missing (only CD and floppy drives may be empty)");
    if (d.spec.zeros == MEDIA_ZEROS_UNMAP && !d.spec.discard)
        return problem_set(p, "-drive detect-zeroes=unmap: only with discard=unmap");
    if (d.spec.undoable && (d.interface == IF_FLOPPY || d.spec.cdrom || d.spec.readonly || d.spec.snapshot ||
                            disk_folder(d.path)))
        return problem_set(p, "-drive mode=undoable: only for hard disks that are written to");
    if (!drive_limits_agree(&d.spec.limits)) return problem_set(p, "-drive: %s", drive_limits_differ);
    if (d.interface == IF_FLOPPY && limits_are_set(&d.spec.limits))
        return problem_set(p, "-drive: a floppy drive has its own speed, and no limits");
    int bay = find_bay(o, &d, p);
    if (bay < 0) return false;
    d.spec.readonly |= d.spec.cdrom;
    if (d.path[0]) {
        d.spec.path = d.spec.copy = strdup(d.path);
        if (!d.spec.copy) return problem_set(p, "-drive: no memory");
    }
    if (take_bay(o, (DriveId)bay, &d.spec, p)) return true;
    free(d.spec.copy);
    return false;
}

/* --- -boot ----------------------------------------------------------------------------------------------- */

static bool parse_order(const Pair *pair, char to[8], Problem *p)
{
    const char *s = pair->value;
    if (!*s) return problem_set(p, "-boot %s=: no drive named; a floppy, c disk, d CD, n network", pair->key);
    for (const char *at = s; *at; at++)
        if (!strchr("acdn", *at) || strchr(at + 1, *at))
            return problem_set(p,
                               "-boot %s=%.40s: takes each of a (floppy), c (disk), d (CD), n (network) once",
                               pair->key, s);
    memcpy(to, s, strlen(s) + 1);
    return true;
}

bool drive_option_boot(DriveOptions *o, const char *value, Problem *p)
{
    static const char *const keys[] = {"order", "once", "menu", "strict", NULL};
    const char *implied = "order";
    Pair pair;
    for (; pair_next(&value, implied, &pair); implied = NULL) {
        bool ok;
        if (!strcmp(pair.key, "order"))
            ok = parse_order(&pair, o->boot_order, p);
        else if (!strcmp(pair.key, "once"))
            ok = parse_order(&pair, o->boot_once, p);
        else if (!strcmp(pair.key, "menu"))
            ok = parse_switch(&pair, "-boot", &o->boot_menu, p);
        else if (!strcmp(pair.key, "strict"))
            ok = parse_switch(&pair, "-boot", &o->boot_strict, p);
        else if (!strcmp(pair.key, "splash") || !strcmp(pair.key, "splash-time"))
            ok = problem_set(p, "-boot %s=: the firmware shows no picture: leave it out", pair.key);
        else if (!strcmp(pair.key, "reboot-timeout"))
            ok = problem_set(p, "-boot reboot-timeout=: without a system the firmware waits for a key: leave "
                                "it out");
        else
            ok = refuse_word(p, "-boot", pair.key, keys);
        if (!ok) return false;
    }
    return true;
}

/* --- the bays -------------------------------------------------------------------------------------------- */

static bool drive_open(const DriveOptions *o, const DriveSpec *s, Drive *bay, Problem *p)
{
    MediaSpec m = {.option = s->option,
                   .path = s->path,
                   .readonly = s->readonly,
                   .format = s->format,
                   .sync = s->sync,
                   .floppy = bay->floppy,
                   .cdrom = s->cdrom,
                   .later = o->incoming,
                   .discard = s->discard,
                   .zeros = s->zeros,
                   .read_errors = s->read_errors,
                   .write_errors = s->write_errors};
    m.snapshot = (s->snapshot || o->snapshot) && !s->readonly;
    m.readonly |= s->path && disk_folder(s->path) && !disk_folder_is_written(s->path) && !m.snapshot;
    bay->present = true;
    bay->cdrom = s->cdrom;
    bay->limits = s->limits;
    bay->read_errors = (u8)s->read_errors;
    bay->write_errors = (u8)s->write_errors;
    if (!s->path) return true;
    return (bay->medium = media_open(&m, p)) != NULL;
}

bool drives_open(const DriveOptions *o, Drive bays[DRIVE_COUNT], Problem *p)
{
    for (int n = 0; n < DRIVE_COUNT; n++) bays[n] = (Drive){.floppy = n <= DRIVE_FLOPPY_B};
    bays[DRIVE_FLOPPY_A].present = !o->no_empty;
    bays[DRIVE_IDE_2] = (Drive){.present = !o->no_empty, .cdrom = true};
    for (int n = 0; n < DRIVE_COUNT; n++)
        if (o->drive[n].option && !drive_open(o, &o->drive[n], &bays[n], p)) {
            while (n--) media_close(bays[n].medium);
            return false;
        }
    return true;
}

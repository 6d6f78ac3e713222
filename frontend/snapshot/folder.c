/* folder.c - see folder.h.
 *
 * The file "index", a line a fact, so that a person can read it, and repair it:
 *
 *     ring3-snapshots 1
 *     current 2                                 the snapshot that the machine came from or made last
 *     loading 0                                 not 0: loadvm was on its way; the next start completes it
 *     disk ide0-hd0 4194304 2147483648 1764455000 123 0     sectors, bytes of the image, its time (s, ns), in use
 *     session ide0-hd0 4711 1764455000 0     of an undoable disk: mark and time where it began, 1: being discarded
 *     snapshot 2                                and what belongs to it:
 *     name before the update
 *     parent 1
 *     date 1764455000 2025-11-29 22:23:20.250000000     what is between is for people
 *     clock 73500000000                         guest time, ns
 *     state 41234567                            bytes of the file 2.state
 *     mark ide0-hd0 4711                        undo.h
 *     end
 *
 * Unknown words are refused: an older ring3 must not lose what a newer one wrote.
 */
#define _GNU_SOURCE
#include "frontend/snapshot/folder.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "frontend/host/bytes.h"
#include "frontend/host/files.h"
#include "frontend/options/drive_names.h"

enum { INDEX_BYTES_MAX = 1 << 20 };

bool folder_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (!n || n >= SNAPSHOT_NAME || name[0] == ' ' || name[n - 1] == ' ') return false;
    for (; *name; name++)
        if ((u8)*name < ' ' || *name == 0x7f) return false;
    return true;
}

void folder_state_name(u32 id, const char *end, char to[40]) { snprintf(to, 40, "%u.state%s", id, end); }

/* --- finding ---------------------------------------------------------------------------------------------- */

Snapshot *folder_by_id(Folder *f, u32 id)
{
    for (unsigned n = 0; n < f->count; n++)
        if (f->snapshot[n].id == id) return &f->snapshot[n];
    return NULL;
}

Snapshot *folder_find(Folder *f, const char *name)
{
    char *end;
    for (unsigned n = 0; n < f->count; n++)
        if (!strcmp(f->snapshot[n].name, name)) return &f->snapshot[n];
    unsigned long id = strtoul(name, &end, 10);
    return *name && !*end ? folder_by_id(f, (u32)id) : NULL;
}

u32 folder_next_id(const Folder *f)
{
    u32 next = 1;
    for (unsigned n = 0; n < f->count; n++)
        if (f->snapshot[n].id >= next) next = f->snapshot[n].id + 1;
    return next;
}

void folder_remove(Folder *f, u32 id)
{
    Snapshot *gone = folder_by_id(f, id);
    if (!gone) return;
    u32 parent = gone->parent;
    unsigned at = (unsigned)(gone - f->snapshot);
    memmove(gone, gone + 1, (f->count - at - 1) * sizeof *gone);
    f->count--;
    for (unsigned n = 0; n < f->count; n++)
        if (f->snapshot[n].parent == id) f->snapshot[n].parent = parent;
    if (f->current == id) f->current = parent;
}

/* --- reading ---------------------------------------------------------------------------------------------- */

/* A line: its words, and the rest behind the first. */
typedef struct Line {
    const char *word, *rest;
    unsigned number;
} Line;

static bool wrong(const Line *l, Problem *p)
{
    return problem_set(p, "the snapshot folder's index: line %u, '%.40s': not what ring3 writes", l->number,
                       l->word);
}

/* Up to `most` numbers out of the text; how many there were. */
static unsigned numbers(const char *text, u64 *to, unsigned most)
{
    unsigned n = 0;
    while (n < most) {
        char *end;
        errno = 0;
        if (*text < '0' || *text > '9') break;
        to[n] = strtoull(text, &end, 10);
        if (errno || (*end && *end != ' ')) break;
        n++;
        if (!*end) break;
        text = end + 1;
    }
    return n;
}

/* "NAME numbers": the drive that it names. */
static bool take_disk(const char **rest, unsigned *drive)
{
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        size_t length = strlen(drive_name((DriveId)n, false));
        if (strncmp(*rest, drive_name((DriveId)n, false), length) || (*rest)[length] != ' ') continue;
        *rest += length + 1;
        *drive = n;
        return true;
    }
    return false;
}

static bool read_disk(Folder *f, const Line *l)
{
    const char *rest = l->rest;
    unsigned drive;
    u64 v[5];
    if (!take_disk(&rest, &drive) || numbers(rest, v, 5) != 5 || v[4] > 1) return false;
    FolderDisk *d = &f->disk[drive];
    d->sectors = v[0];
    d->bytes = v[1];
    d->changed_s = (s64)v[2];
    d->changed_ns = (s64)v[3];
    d->used = v[4] != 0;
    return true;
}

static bool read_session(Folder *f, const Line *l)
{
    const char *rest = l->rest;
    unsigned drive;
    u64 v[3];
    if (!take_disk(&rest, &drive) || numbers(rest, v, 3) != 3 || !v[0] || v[1] > INT64_MAX || v[2] > 1)
        return false;
    f->disk[drive].session = v[0];
    f->disk[drive].session_unix_s = (s64)v[1];
    f->disk[drive].discarding = v[2] != 0;
    return true;
}

static bool read_mark(Snapshot *s, const Line *l)
{
    const char *rest = l->rest;
    unsigned drive;
    return take_disk(&rest, &drive) && numbers(rest, &s->mark[drive], 1) == 1;
}

static bool begin_snapshot(Folder *f, u64 id)
{
    if (f->count == SNAPSHOTS_MAX || !id || id > UINT32_MAX || folder_by_id(f, (u32)id)) return false;
    f->snapshot[f->count++] = (Snapshot){.id = (u32)id};
    return true;
}

static bool read_name(Snapshot *s, const char *rest)
{
    if (!folder_name_ok(rest)) return false;
    snprintf(s->name, sizeof s->name, "%s", rest);
    return true;
}

/* Older ones have no fraction. */
static bool read_date(Snapshot *s, const char *rest)
{
    const char *dot = strchr(rest, '.');
    u64 v[2] = {0};
    if (numbers(rest, v, 1) != 1 || v[0] > INT64_MAX) return false;
    if (dot && (numbers(dot + 1, v + 1, 1) != 1 || v[1] > 999999999)) return false;
    s->date_unix_s = (s64)v[0];
    s->date_ns = (u32)v[1];
    return true;
}

static bool read_of_snapshot(Snapshot *s, const Line *l)
{
    u64 v = 0;
    if (!strcmp(l->word, "name")) return read_name(s, l->rest);
    if (!strcmp(l->word, "mark")) return read_mark(s, l);
    if (!strcmp(l->word, "date")) return read_date(s, l->rest);
    if (numbers(l->rest, &v, 1) != 1) return false;
    if (!strcmp(l->word, "parent")) return s->parent = (u32)v, v <= UINT32_MAX;
    if (!strcmp(l->word, "clock")) return s->clock_ns = v, true;
    if (!strcmp(l->word, "state")) return s->state_bytes = v, true;
    if (!strcmp(l->word, "spoiled")) return s->spoiled = v, v <= 1;
    return false;
}

static bool read_line(Folder *f, const Line *l)
{
    u64 v;
    if (!strcmp(l->word, "disk")) return read_disk(f, l);
    if (!strcmp(l->word, "session")) return read_session(f, l);
    if (!strcmp(l->word, "snapshot")) return numbers(l->rest, &v, 1) == 1 && begin_snapshot(f, v);
    if (f->count) return read_of_snapshot(&f->snapshot[f->count - 1], l);
    if (numbers(l->rest, &v, 1) != 1 || v > UINT32_MAX) return false;
    if (!strcmp(l->word, "current")) return f->current = (u32)v, true;
    if (!strcmp(l->word, "loading")) return f->loading = (u32)v, true;
    return false;
}

/* References lead to snapshots, parents to older ones. */
static bool is_sound(Folder *f, Problem *p)
{
    if ((f->current && !folder_by_id(f, f->current)) || (f->loading && !folder_by_id(f, f->loading)))
        return problem_set(p, "the snapshot folder's index: it names a current snapshot that is not there");
    for (unsigned n = 0; n < f->count; n++) {
        const Snapshot *s = &f->snapshot[n];
        if (!*s->name) return problem_set(p, "the snapshot folder's index: snapshot %u has no name", s->id);
        if (s->parent && (s->parent >= s->id || !folder_by_id(f, s->parent)))
            return problem_set(p, "the snapshot folder's index: snapshot %u has an impossible parent", s->id);
    }
    return true;
}

static bool parse(Folder *f, char *text, Problem *p)
{
    Line l = {.number = 1};
    static const char first[] = "ring3-snapshots 1";
    char *next = text;
    for (char *at = text; *at; at = next, l.number++) {
        next = strchr(at, '\n');
        if (!next) break; /* its last line is not whole: no "end" */
        *next++ = 0;
        char *space = strchr(at, ' ');
        l.word = at;
        l.rest = space ? space + 1 : "";
        if (l.number == 1) {
            if (strcmp(at, first)) return problem_set(p, "the snapshot folder's index is of another version");
            continue;
        }
        if (!strcmp(at, "end")) return is_sound(f, p);
        if (space) *space = 0;
        if (!read_line(f, &l)) return wrong(&l, p);
    }
    return problem_set(p, "the snapshot folder's index is cut off: its last line is not 'end'");
}

bool folder_read(Folder *f, bool *there, Problem *p)
{
    memset(f, 0, sizeof *f);
    int fd = file_open(FILE_STATE_OLD, "index");
    int error = errno;
    *there = fd >= 0;
    if (fd < 0 && (error == ENOENT || error == ENOTDIR)) return true;
    if (fd < 0) return problem_set(p, "the snapshot folder's index: %.120s", file_problem());
    off_t end = lseek(fd, 0, SEEK_END);
    char *text = end >= 0 && end <= INDEX_BYTES_MAX ? malloc((size_t)end + 1) : NULL;
    bool good = text && !bytes_read(fd, 0, text, (u64)end);
    close(fd);
    if (good) text[end] = 0;
    if (good)
        good = parse(f, text, p);
    else
        problem_set(p, "the snapshot folder's index cannot be read");
    free(text);
    return good;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

typedef struct Text {
    char *at;
    size_t count;
} Text;

static void PRINTF(2, 3) put(Text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->at + t->count, INDEX_BYTES_MAX - t->count, fmt, args);
    va_end(args);
    CHECK(n >= 0 && (size_t)n < INDEX_BYTES_MAX - t->count, "an index that is too long");
    t->count += (size_t)n;
}

static void put_snapshot(Text *t, const Snapshot *s)
{
    time_t date = (time_t)s->date_unix_s;
    struct tm tm = {0};
    char text[40] = "";
    size_t bytes = gmtime_r(&date, &tm) ? strftime(text, sizeof text, " %Y-%m-%d %H:%M:%S", &tm) : 0;
    if (bytes) snprintf(text + bytes, sizeof text - bytes, ".%09u", s->date_ns % 1000000000);
    put(t, "snapshot %u\nname %s\nparent %u\ndate %lld%s\nclock %llu\nstate %llu\n", s->id, s->name,
        s->parent, (long long)s->date_unix_s, text, (unsigned long long)s->clock_ns,
        (unsigned long long)s->state_bytes);
    for (unsigned n = 0; n < DRIVE_COUNT; n++)
        if (s->mark[n])
            put(t, "mark %s %llu\n", drive_name((DriveId)n, false), (unsigned long long)s->mark[n]);
    if (s->spoiled) put(t, "spoiled 1\n");
}

static void put_folder(Text *t, const Folder *f)
{
    put(t, "ring3-snapshots 1\ncurrent %u\nloading %u\n", f->current, f->loading);
    for (unsigned n = 0; n < DRIVE_COUNT; n++) {
        const FolderDisk *d = &f->disk[n];
        if (!d->sectors) continue;
        put(t, "disk %s %llu %llu %lld %lld %d\n", drive_name((DriveId)n, false),
            (unsigned long long)d->sectors, (unsigned long long)d->bytes, (long long)d->changed_s,
            (long long)d->changed_ns, d->used);
        if (d->session)
            put(t, "session %s %llu %lld %d\n", drive_name((DriveId)n, false), (unsigned long long)d->session,
                (long long)d->session_unix_s, d->discarding);
    }
    for (unsigned n = 0; n < f->count; n++) put_snapshot(t, &f->snapshot[n]);
    put(t, "end\n");
}

static int write_text(const Text *t)
{
    int fd = file_open(FILE_STATE, "index.new");
    if (fd < 0) return errno;
    int error = ftruncate(fd, 0) ? errno : bytes_write(fd, 0, t->at, t->count);
    if (!error && fsync(fd)) error = errno;
    close(fd);
    return error;
}

bool folder_write(const Folder *f, Problem *p)
{
    Text t = {malloc(INDEX_BYTES_MAX), 0};
    if (!t.at) return problem_set(p, "the host has no memory");
    put_folder(&t, f);
    int error = write_text(&t);
    free(t.at);
    if (error) return problem_set(p, "the snapshot folder's index: %s", strerror(error));
    return file_state_replace("index") ||
           problem_set(p, "the snapshot folder's index: %.120s", file_problem());
}

/* cue.c - a CD as its raw sectors: a sheet (CUE) that names the file (BIN) and its tracks, or such a file by itself.
 *
 * The first data track is the disk, to be read only: of each raw sector of 2352 bytes the 2048 that are data, in
 * mode 1 behind sync and header (16 bytes), in mode 2, form 1 (XA) behind its subheader, too (24). MODE1/2048 has
 * only the data.
 *
 *   FILE "name.bin" BINARY
 *     TRACK 01 MODE1/2352
 *       INDEX 01 00:00:00        minutes, seconds, frames of 1/75 s from the file's beginning
 *
 * The file lies beside the sheet: a name with a slash in it is refused. Not here: audio tracks, later sessions,
 * error correction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "frontend/image/format.h"

enum { RAW_BYTES = 2352, DATA_BYTES = 2048, SHEET_MAX = 64 << 10, PER_CD_SECTOR = DATA_BYTES / SECTOR_BYTES };
enum { MODE1_SKIP = 16, MODE2_SKIP = 24, MODE_AT = 15 };

typedef struct Cue {
    u64 begin, end; /* bytes of the file */
    u32 step, skip; /* bytes of a sector; of it before the data */
    HostFile *file;
} Cue;

typedef struct Sheet {
    char file[256];
    bool in_track, done; /* the track was found; the next one was, too */
    u64 first, next;     /* frames; next: where another track begins, or 0 */
    u32 step, skip;
} Sheet;

/* --- the sheet ------------------------------------------------------------------------------------------- */

static bool take_file(Sheet *s, const char *line, Problem *p)
{
    if (s->in_track) return s->done = true;
    if (sscanf(line, "%*[Ff]%*[Ii]%*[Ll]%*[Ee] \"%255[^\"]\"", s->file) != 1 &&
        sscanf(line, "%*s %255s", s->file) != 1)
        return problem_set(p, "names no file");
    return (!strpbrk(s->file, "/\\") && *s->file != '.') ||
           problem_set(p, "names a file '%.100s' that does not lie beside it", s->file);
}

static bool take_track(Sheet *s, const char *line)
{
    char mode[16] = "";
    sscanf(line, "%*s %*u %15s", mode);
    if (s->in_track) return true;
    bool raw1 = !strcasecmp(mode, "MODE1/2352"), raw2 = !strcasecmp(mode, "MODE2/2352"),
         cooked = !strcasecmp(mode, "MODE1/2048");
    s->in_track = raw1 || raw2 || cooked;
    s->step = cooked ? DATA_BYTES : RAW_BYTES;
    s->skip = raw1 ? MODE1_SKIP : raw2 ? MODE2_SKIP : 0;
    s->first = UINT64_MAX;
    return true;
}

/* Of the data track, index 1; of the track behind it, the first that it has. */
static void take_index(Sheet *s, const char *line)
{
    unsigned number, minutes, seconds, frames;
    if (!s->in_track || s->done ||
        sscanf(line, "%*s %u %3u:%2u:%2u", &number, &minutes, &seconds, &frames) != 4)
        return;
    u64 at = (minutes * 60ull + seconds) * 75 + frames;
    if (s->first == UINT64_MAX) {
        if (number == 1) s->first = at;
    } else {
        s->next = at;
        s->done = true;
    }
}

static bool take_line(Sheet *s, const char *line, Problem *p)
{
    line += strspn(line, " \t");
    if (!strncasecmp(line, "FILE ", 5)) return take_file(s, line, p);
    if (!strncasecmp(line, "TRACK ", 6)) return take_track(s, line);
    if (!strncasecmp(line, "INDEX ", 6)) take_index(s, line);
    return true;
}

static bool read_sheet(Disk *d, Sheet *s, Problem *p)
{
    char *text = calloc(1, SHEET_MAX + 1);
    CHECK(text, "no memory");
    u64 n = d->file.bytes < SHEET_MAX ? d->file.bytes : SHEET_MAX;
    bool good = !host_file_read(&d->file, 0, text, n) || problem_set(p, "cannot be read");
    for (char *line = text, *next; good && *line; line = next) {
        char *end = line + strcspn(line, "\r\n");
        next = end + strspn(end, "\r\n");
        *end = 0;
        good = take_line(s, line, p);
    }
    free(text);
    if (good && (!s->in_track || s->first == UINT64_MAX))
        return problem_set(p, "has no data track that is understood");
    return good;
}

/* --- opening --------------------------------------------------------------------------------------------- */

static bool open_bin(Disk *d, const Sheet *s, Problem *p)
{
    Problem why;
    char *whole = format_beside(d, s->file);
    HostFileSpec spec = {.path = whole};
    d->extent = calloc(1, sizeof *d->extent);
    CHECK(d->extent, "no memory");
    bool good = host_file_open(d->extent, &spec, &why);
    free(whole);
    if (!good) return problem_set(p, "its file '%.100s': %.200s", s->file, why.text);
    d->extents = 1;
    return true;
}

static bool take_place(Disk *d, Cue *c, const Sheet *s, Problem *p)
{
    u64 bytes = c->file->bytes;
    *c = (Cue){.begin = s->first * s->step, .end = bytes, .step = s->step, .skip = s->skip, .file = c->file};
    if (s->next && s->next * s->step < bytes) c->end = s->next * s->step;
    if (c->begin >= c->end) return problem_set(p, "is damaged: its track lies outside the file");
    d->sectors = (c->end - c->begin) / c->step * PER_CD_SECTOR;
    return d->sectors || problem_set(p, "is damaged: its track has no sectors");
}

static bool open_cue(Disk *d, Problem *p)
{
    static const u8 sync[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    u8 h[MODE_AT + 1];
    Sheet s = {.step = RAW_BYTES, .skip = MODE1_SKIP};
    Cue *c = d->state = calloc(1, sizeof *c);
    CHECK(c, "no memory");
    if (host_file_read(&d->file, 0, h, sizeof h)) return problem_set(p, "cannot be read");
    c->file = &d->file;
    if (!memcmp(h, sync, sizeof sync)) {
        if (h[MODE_AT] == 2) s.skip = MODE2_SKIP;
        return take_place(d, c, &s, p);
    }
    if (!read_sheet(d, &s, p) || !open_bin(d, &s, p)) return false;
    c->file = d->extent;
    return take_place(d, c, &s, p);
}

static void close_cue(Disk *d) { free(d->state); }

static int find_cue(Disk *d, u64 sector, u64 most, Extent *e)
{
    const Cue *c = d->state;
    u64 cd = sector / PER_CD_SECTOR, within = sector % PER_CD_SECTOR;
    u64 left = c->step == DATA_BYTES ? most : PER_CD_SECTOR - within;
    *e = (Extent){EXTENT_DATA, false, c->file, c->begin + cd * c->step + c->skip + within * SECTOR_BYTES,
                  most < left ? most : left};
    return 0;
}

const DiskFormat format_cue = {.word = "cue", .open = open_cue, .close = close_cue, .find = find_cue};

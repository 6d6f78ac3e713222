/* img.c - see img.h.
 *
 *   create [-f FORMAT] [-o OPTIONS] [-b BACKING -F FORMAT] FILE [SIZE]
 *   info [-f FORMAT] [--backing-chain] [--output=json] FILE
 *   convert [-f FORMAT] [-O FORMAT] [-o OPTIONS] FILE NEW
 *   check [-f FORMAT] [-r leaks|all] FILE
 *   resize [-f FORMAT] [--shrink] FILE [+|-]SIZE
 *   commit [-f FORMAT] [-d] FILE
 *   rebase [-f FORMAT] [-u] -b BACKING [-F FORMAT] FILE
 *
 * Differences from qemu-img: files, no protocols; convert takes one source and does not compress; a new backing file
 * needs its format (-F), as in newer versions. No guest runs, so there is no cage.
 */
#include "frontend/image/img.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/image/format.h"
#include "frontend/options/suggest.h"
#include "frontend/say.h"

/* --- saying it ------------------------------------------------------------------------------------------- */

int img_fail(const char *path, const char *fmt, ...)
{
    char text[500];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    say("img: %.200s: %s", path, text);
    return 1;
}

int img_error(const char *path, const Disk *d, const char *what, int error)
{
    return img_fail(path, "%s failed: %s", what, d && disk_trouble(d) ? disk_trouble(d) : strerror(error));
}

Disk *img_open(const DiskSpec *spec)
{
    Problem p;
    Disk *d = disk_open(spec, &p);
    if (!d) {
        img_fail(spec->path, "%s", p.text);
        return NULL;
    }
    const char *lock = disk_lock(d);
    if (!lock) return d;
    img_fail(spec->path, "Failed to get \"%s\" lock; is another process using it?", lock);
    disk_close(d);
    return NULL;
}

/* --- create, resize -------------------------------------------------------------------------------------- */

/* Of the backing file, which must be there. False: it has been said. */
static bool backing_size(const ImgWords *w, u64 *bytes)
{
    char *whole = format_name_beside(w->file[0], w->base);
    DiskSpec s = {.path = whole, .format = w->base_format};
    Disk *d = img_open(&s);
    if (d) *bytes = disk_sectors(d) * SECTOR_BYTES;
    disk_close(d);
    free(whole);
    return d;
}

static int img_create(const ImgWords *w)
{
    DiskMake m = {.path = w->file[0],
                  .format = w->format ? w->format : "raw",
                  .options = w->options,
                  .backing = w->base,
                  .backing_format = w->base_format};
    Problem p;
    if (w->base && !w->base_format)
        return img_fail(w->file[0], "-b needs -F: which format the backing file has");
    if (w->base && !backing_size(w, &m.bytes)) return 1;
    const char *size = w->files > 1 ? w->file[1] : format_option(&m, "size", NULL);
    if (!size && !w->base) return img_fail(w->file[0], "how large? a number with k, M, G or T");
    if (size && !format_size(size, &m.bytes))
        return img_fail(w->file[0], "'%.60s' is no size: " FORMAT_SIZE_TAKES, size);
    if (!disk_create(&m, &p)) return img_fail(w->file[0], "%s", p.text);
    if (!w->quiet) printf("%s: %s, %llu bytes\n", w->file[0], m.format, (unsigned long long)m.bytes);
    return 0;
}

static bool new_size(const char *word, u64 now, u64 *bytes)
{
    char sign = *word;
    bool relative = sign == '+' || sign == '-';
    if (!format_size(word + relative, bytes)) return false;
    if (sign == '-' && *bytes > now) return false;
    if (relative) *bytes = sign == '+' ? now + *bytes : now - *bytes;
    return true;
}

static int img_resize(const ImgWords *w)
{
    DiskSpec s = {.path = w->file[0], .format = w->format, .writable = true};
    Problem p;
    u64 bytes;
    if (w->files < 2) return img_fail(w->file[0], "to which size? [+|-]NUMBER with k, M, G or T");
    Disk *d = img_open(&s);
    if (!d) return 1;
    u64 now = disk_sectors(d) * SECTOR_BYTES;
    int code = 0;
    if (!new_size(w->file[1], now, &bytes) || !bytes)
        code =
            img_fail(w->file[0], "'%.60s' is no size that it can have: [+|-]" FORMAT_SIZE_TAKES, w->file[1]);
    else if (bytes < now && !w->shrink)
        code = img_fail(w->file[0], "it would lose its end: --shrink says that this is meant");
    else if (!disk_resize(d, bytes, &p))
        code = img_fail(w->file[0], "%s", p.text);
    disk_close(d);
    if (!code && !w->quiet) printf("Image resized.\n");
    return code;
}

/* --- the command line ------------------------------------------------------------------------------------ */

typedef struct Command {
    const char *name, *help;
    int (*run)(const ImgWords *w);
    const char *takes; /* letters of options */
    int files, most;
} Command;

static const Command commands[] = {
    {"check", "[-q] [-f FORMAT] [-r leaks|all] FILE", img_check, "qfr", 1, 1},
    {"commit", "[-q] [-f FORMAT] [-d] FILE", img_commit, "qfd", 1, 1},
    {"convert", "[-q] [-f FORMAT] [-O FORMAT] [-o OPTIONS] FILE NEW", img_convert, "qfOo", 2, 2},
    {"create", "[-q] [-f FORMAT] [-o OPTIONS] [-b BACKING -F FORMAT] FILE [SIZE]", img_create, "qfobF", 1, 2},
    {"info", "[-f FORMAT] [--backing-chain] [--output=human|json] FILE", img_info, "f", 1, 1},
    {"rebase", "[-q] [-f FORMAT] [-u] -b BACKING [-F FORMAT] FILE", img_rebase, "qfubF", 1, 1},
    {"resize", "[-q] [-f FORMAT] [--shrink] FILE [+|-]SIZE", img_resize, "qf", 1, 2},
};

const char *img_verb(unsigned n) { return n < ARRAY_LEN(commands) ? commands[n].name : NULL; }

static int help(void)
{
    printf("ring3 img - image files, in qemu-img's words\n");
    for (unsigned n = 0; n < ARRAY_LEN(commands); n++)
        printf("  ring3 img %-8s %s\n", commands[n].name, commands[n].help);
    printf("formats:");
    for (const char *const *f = disk_formats(); *f; f++) printf(" %s", *f);
    printf("\n");
    return 0;
}

static bool take_long(ImgWords *w, const char *word)
{
    if (!strcmp(word, "--shrink")) return w->shrink = true;
    if (!strcmp(word, "--backing-chain")) return w->chain = true;
    if (!strcmp(word, "--output=json")) return w->json = true;
    return !strcmp(word, "--output=human");
}

static bool take_repair(ImgWords *w, const char *value)
{
    w->repair = !strcmp(value, "leaks") ? REPAIR_LEAKS : !strcmp(value, "all") ? REPAIR_ALL : REPAIR_NONE;
    return w->repair != REPAIR_NONE;
}

static bool take_value(ImgWords *w, char letter, const char *value)
{
    switch (letter) {
    case 'f': w->format = value; return true;
    case 'O': w->to_format = value; return true;
    case 'o': w->options = value; return true;
    case 'b': w->base = value; return true;
    case 'F': w->base_format = value; return true;
    default: return take_repair(w, value);
    }
}

static bool take_flag(ImgWords *w, char letter)
{
    bool *flag = letter == 'q' ? &w->quiet : letter == 'u' ? &w->unsafe : letter == 'd' ? &w->keep : NULL;
    if (flag) *flag = true;
    return flag;
}

/* One option, at argv[*n]; false: it is none of the command's, or its value is missing or wrong. */
static bool take_option(ImgWords *w, const Command *c, int argc, char **argv, int *n)
{
    const char *word = argv[*n];
    if (word[1] == '-') return take_long(w, word);
    if (!word[1] || word[2] || !strchr(c->takes, word[1])) return false;
    if (take_flag(w, word[1])) return true;
    if (*n + 1 >= argc) return false;
    return take_value(w, word[1], argv[++*n]);
}

static int run_command(const Command *c, int argc, char **argv)
{
    ImgWords w = {.command = c->name};
    bool only_files = false;
    for (int n = 1; n < argc; n++) {
        bool is_size =
            w.files && c->run == img_resize && argv[n][0] == '-' && argv[n][1] >= '0' && argv[n][1] <= '9';
        if (!only_files && !strcmp(argv[n], "--")) {
            only_files = true;
            continue;
        }
        if (!only_files && !is_size && argv[n][0] == '-') {
            if (take_option(&w, c, argc, argv, &n)) continue;
            say("img %s %.80s: not understood; it is: img %s %s", c->name, argv[n], c->name, c->help);
            return 1;
        }
        if (w.files == c->most) {
            say("img %s: '%.80s' is one name too many; it is: img %s %s", c->name, argv[n], c->name, c->help);
            return 1;
        }
        w.file[w.files++] = argv[n];
    }
    if (w.files >= c->files) return c->run(&w);
    say("img %s: a file's name is missing; it is: img %s %s", c->name, c->name, c->help);
    return 1;
}

int img_main(int argc, char **argv)
{
    Suggest s;
    const char *word = argc > 1 ? argv[1] : "help";
    if (!strcmp(word, "help") || !strcmp(word, "-h") || !strcmp(word, "--help")) return help();
    suggest_begin(&s, word);
    for (unsigned n = 0; n < ARRAY_LEN(commands); n++) {
        if (!strcmp(word, commands[n].name)) return run_command(&commands[n], argc - 1, argv + 1);
        suggest_offer(&s, commands[n].name);
    }
    const char *near = suggest_result(&s);
    say("img %.60s: there is no such command%s%s%s; 'ring3 img help' lists them", word,
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return 1;
}

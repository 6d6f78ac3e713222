/* recent.c - see recent.h. $XDG_STATE_HOME/ring3/recent (XDG Base Directory Specification), one path a line, newest first.
 *
 * A file that cannot be read or written is a list that is forgotten; nothing depends on it.
 */
#define _GNU_SOURCE
#include "frontend/window/recent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *files[RECENT_FILES];
static unsigned count;

static bool folder(char *to, size_t bytes)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/') return snprintf(to, bytes, "%s", state) < (int)bytes;
    return home && *home == '/' && snprintf(to, bytes, "%s/.local/state", home) < (int)bytes;
}

static bool list_path(char *to, size_t bytes, const char *ending)
{
    char state[3000];
    return folder(state, sizeof state) &&
           snprintf(to, bytes, "%s/ring3/recent%s", state, ending) < (int)bytes;
}

static void make_folders(void)
{
    char path[3000];
    if (!folder(path, sizeof path - 10)) return;
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        mkdir(path, 0700);
        *at = '/';
    }
    mkdir(path, 0700);
    strcat(path, "/ring3");
    mkdir(path, 0700);
}

/* To the front; what was there already is not there twice. */
static void put_first(char *path)
{
    unsigned at = 0;
    while (at < count && strcmp(files[at], path)) at++;
    if (at == count && count < RECENT_FILES) count++;
    if (at == RECENT_FILES) at--;
    free(files[at]);
    memmove(files + 1, files, at * sizeof *files);
    files[0] = path;
}

static void load_from(FILE *f)
{
    char line[4100], *kept[RECENT_FILES];
    unsigned n = 0;
    while (n < RECENT_FILES && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (*line == '/' && (kept[n] = strdup(line))) n++;
    }
    while (n) put_first(kept[--n]);
}

void recent_load(void)
{
    char path[4096];
    FILE *f = list_path(path, sizeof path, "") ? fopen(path, "re") : NULL;
    if (!f) return;
    load_from(f);
    fclose(f);
}

/* In one piece: two windows may write at the same time. */
static void save(void)
{
    char path[4096], part[4096];
    make_folders();
    if (!list_path(path, sizeof path, "") || !list_path(part, sizeof part, ".new")) return;
    FILE *f = fopen(part, "we");
    if (!f) return;
    for (unsigned n = 0; n < count; n++) fprintf(f, "%s\n", files[n]);
    if (fclose(f) == 0) rename(part, path);
}

void recent_add(const char *path)
{
    char *whole = realpath(path, NULL);
    if (!whole) return;
    if (strchr(whole, '\n') || (count && !strcmp(files[0], whole))) {
        free(whole);
        return;
    }
    put_first(whole);
    save();
}

const char *recent_get(ImageKind kind, unsigned n)
{
    for (unsigned i = 0; i < count; i++)
        if (image_kind(files[i]) == kind && !n--) return files[i];
    return NULL;
}

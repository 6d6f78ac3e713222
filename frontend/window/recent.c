/* recent.c - see recent.h. A file of one path a line, newest first (remember.h). */
#define _GNU_SOURCE
#include "frontend/window/recent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/window/remember.h"

static char *files[RECENT_FILES];
static unsigned count;

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
    FILE *f = remember_path(path, sizeof path, "recent") ? fopen(path, "re") : NULL;
    if (!f) return;
    load_from(f);
    fclose(f);
}

/* In one piece: two windows may write at the same time. */
static void save(void)
{
    char path[4096], part[4096];
    remember_make_folder();
    if (!remember_path(path, sizeof path, "recent") || !remember_path(part, sizeof part, "recent.new"))
        return;
    FILE *f = fopen(part, "we");
    if (!f) return;
    for (unsigned n = 0; n < count; n++) fprintf(f, "%s\n", files[n]);
    if (fclose(f) == 0) rename(part, path);
}

void recent_add(const char *path)
{
    char *whole = realpath(strncmp(path, "dir:", 4) ? path : path + 4, NULL);
    if (!whole) return;
    if (strchr(whole, '\n') || (count && !strcmp(files[0], whole))) {
        free(whole);
        return;
    }
    put_first(whole);
    save();
}

/* A folder is a CD. */
static ImageKind kind_of(const char *path)
{
    ImageKind kind = image_kind(path);
    return kind == IMAGE_FOLDER ? IMAGE_CD : kind;
}

const char *recent_get(ImageKind kind, unsigned n)
{
    for (unsigned i = 0; i < count; i++)
        if (kind_of(files[i]) == kind && !n--) return files[i];
    return NULL;
}

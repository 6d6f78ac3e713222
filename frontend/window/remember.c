/* remember.c - see remember.h. $XDG_STATE_HOME/ring3/ (XDG Base Directory Specification): `recent` is recent.c's, and
 * `closing` has one letter.
 *
 * A file that cannot be read or written is something that is forgotten; nothing depends on it.
 */
#include "frontend/window/remember.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool folder(char *to, size_t bytes)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/') return snprintf(to, bytes, "%s", state) < (int)bytes;
    return home && *home == '/' && snprintf(to, bytes, "%s/.local/state", home) < (int)bytes;
}

bool remember_path(char *to, size_t bytes, const char *name)
{
    char state[3000];
    return folder(state, sizeof state) && snprintf(to, bytes, "%s/ring3/%s", state, name) < (int)bytes;
}

void remember_make_folder(void)
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

char remember_answer(void)
{
    char path[4096];
    FILE *f = remember_path(path, sizeof path, "closing") ? fopen(path, "re") : NULL;
    if (!f) return 0;
    int key = fgetc(f);
    fclose(f);
    return key >= 'a' && key <= 'z' ? (char)key : 0;
}

void remember_keep_answer(char key)
{
    char path[4096];
    remember_make_folder();
    FILE *f = remember_path(path, sizeof path, "closing") ? fopen(path, "we") : NULL;
    if (!f) return;
    fprintf(f, "%c\n", key);
    fclose(f);
}

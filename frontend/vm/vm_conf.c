/* vm_conf.c - machine.conf: the words of the command line, for people to edit.
 *
 *     # a comment; also with ;
 *     [machine]             a heading, for the eye
 *     m = 128               the same as -m 128
 *     hda = disk.qcow2      names are relative to the folder
 *     localtime             a word that takes nothing
 *     profile = win98       what it was made for: not a word of the command line
 *
 * A value ends with the line; blanks around it do not count. Words come in the order of the file, and behind those that
 * every folder gives: -name, -pidfile, -qmp, -snapshots, -nvram, -D. ring3 only ever writes a machine.conf for a new
 * machine: what a person has written stays.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/vm/vm.h"

enum { CONF_BYTES = 64 << 10, CONF_WORDS = 512 };

static void add(Conf *c, const char *word)
{
    c->argv[c->argc] = strdup(word);
    CHECK(c->argv[c->argc], "no memory");
    c->argv[++c->argc] = NULL;
}

/* A comma in a value of QEMU's is written twice. */
static void add_name(Conf *c, const char *name)
{
    char twice[2 * VM_NAME], *to = twice;
    for (; *name; name++) {
        *to++ = *name;
        if (*name == ',') *to++ = ',';
    }
    *to = 0;
    add(c, "-name");
    add(c, twice);
}

static void add_own(const Vm *vm, Conf *c)
{
    static const char *const own[] = {
        "-pidfile",   VM_PID,       "-qmp",   "unix:" VM_CONTROL ",server=on,wait=off",
        "-snapshots", VM_SNAPSHOTS, "-nvram", VM_NVRAM,
        "-D",         VM_LOG};
    add(c, "ring3");
    add_name(c, vm->name);
    for (unsigned n = 0; n < ARRAY_LEN(own); n++) add(c, own[n]);
}

static char *trim(char *s)
{
    s += strspn(s, " \t\r");
    size_t n = strlen(s);
    while (n && strchr(" \t\r", s[n - 1])) s[--n] = 0;
    return s;
}

static bool take_line(Conf *c, char *line, unsigned number, Problem *p)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    char word[64];
    line = trim(line);
    if (!*line || *line == '#' || *line == ';') return true;
    if (*line == '[')
        return line[strlen(line) - 1] == ']' || problem_set(p, VM_CONF ":%u: a heading ends with ]", number);
    line += strspn(line, "-");
    char *is = strchr(line, '='), *value = is ? trim(is + 1) : NULL;
    if (is) *is = 0;
    line = trim(line);
    size_t n = strlen(line);
    if (!n || n > 40 || strspn(line, letters) != n)
        return problem_set(
            p, VM_CONF ":%u: '%.60s' is no word of the command line; a line is 'word = value' or 'word'",
            number, line);
    if (!strcmp(line, "profile")) {
        free(c->profile);
        c->profile = value ? strdup(value) : NULL;
        return true;
    }
    if (c->argc > CONF_WORDS)
        return problem_set(p, VM_CONF ":%u: more words than %d", number, CONF_WORDS / 2);
    snprintf(word, sizeof word, "-%s", line);
    add(c, word);
    if (value) add(c, value);
    return true;
}

static void free_words(Conf *c)
{
    for (int n = 0; n < c->argc; n++) free(c->argv[n]);
    free(c->argv);
    free(c->profile);
    *c = (Conf){0};
}

bool conf_read(const Vm *vm, Conf *c, Problem *p)
{
    char *text = vm_read(vm_path(vm->folder, VM_CONF), CONF_BYTES, p), *rest = text;
    bool good = text != NULL;
    *c = (Conf){.argv = calloc(CONF_WORDS + 32, sizeof(char *))};
    CHECK(c->argv, "no memory");
    add_own(vm, c);
    for (unsigned n = 1; good && rest; n++) good = take_line(c, strsep(&rest, "\n"), n, p);
    free(text);
    if (!good) free_words(c);
    return good;
}

bool conf_options(const Vm *vm, Conf *c, Options *o)
{
    Problem p;
    bool read = conf_read(vm, c, &p);
    *o = (Options){0};
    if (!read) say("%s: %s", vm->name, p.text);
    if (read && options_parse(o, c->argc, c->argv) == OPTIONS_RUN) return true;
    conf_free(c, o);
    return false;
}

void conf_free(Conf *c, Options *o)
{
    drive_options_free(&o->drives);
    free_words(c);
}

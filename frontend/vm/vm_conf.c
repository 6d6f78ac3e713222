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

static void add(Conf *c, unsigned line, const char *word)
{
    c->argv[c->argc] = strdup(word);
    CHECK(c->argv[c->argc], "no memory");
    c->line[c->argc] = (u16)line;
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
    add(c, 0, "-name");
    add(c, 0, twice);
}

static void add_own(const Vm *vm, Conf *c)
{
    static const char *const own[] = {
        "-pidfile",   VM_PID,       "-qmp",   "unix:" VM_CONTROL ",server=on,wait=off",
        "-snapshots", VM_SNAPSHOTS, "-nvram", VM_NVRAM,
        "-D",         VM_LOG};
    add(c, 0, "ring3");
    add_name(c, vm->name);
    for (unsigned n = 0; n < ARRAY_LEN(own); n++) add(c, 0, own[n]);
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
    add(c, number, word);
    if (value) add(c, number, value);
    return true;
}

static void free_words(Conf *c)
{
    for (int n = 0; n < c->argc; n++) free(c->argv[n]);
    free(c->argv);
    free(c->line);
    free(c->profile);
    *c = (Conf){0};
}

bool conf_read(const Vm *vm, Conf *c, Problem *p)
{
    static char file[VM_PATH];
    enum { ROOM = CONF_WORDS + 32 };
    Problem why;
    snprintf(file, sizeof file, "%s/" VM_CONF, strrchr(vm->folder, '/') + 1);
    *c = (Conf){.argv = calloc(ROOM, sizeof *c->argv), .line = calloc(ROOM, sizeof *c->line), .file = file};
    CHECK(c->argv && c->line, "no memory");
    add_own(vm, c);
    char *text = vm_read(vm_path(vm->folder, VM_CONF), CONF_BYTES, &why), *rest = text;
    bool good = text != NULL;
    for (unsigned n = 1; good && rest; n++) good = take_line(c, strsep(&rest, "\n"), n, &why);
    free(text);
    if (good) return true;
    problem_set(p, "%.*s/%.250s", (int)(strrchr(file, '/') - file), file, why.text);
    free_words(c);
    return false;
}

bool conf_options(const Vm *vm, Conf *c, Options *o, Problem *p)
{
    *o = (Options){0};
    bool good = conf_read(vm, c, p);
    if (good) {
        problem_set(p, "%.250s: it only lists what there is", c->file);
        options_come_from(c->file, c->line, c->argc);
        say_to(p);
        good = options_parse(o, c->argc, c->argv) == OPTIONS_RUN;
        say_to(NULL);
        options_come_from(NULL, NULL, 0);
    }
    if (!good) conf_free(c, o);
    return good;
}

void conf_free(Conf *c, Options *o)
{
    drive_options_free(&o->drives);
    free_words(c);
}

/* vm_main.c - `ring3 vm`: machines as folders, made, listed, started, copied, carried elsewhere.
 *
 *   create NAME [--profile P] [--memory MIB] [--disk SIZE|none]
 *   list [FOLDER]
 *   start NAME [--headless] [OPTION ...]       the same as ring3 NAME.ring3
 *   stop NAME [--force]
 *   suspend NAME
 *   discard NAME                               what was suspended
 *   clone NAME NEW [--linked]
 *   export NAME [FILE.ova]
 *   import FILE.ova|FILE.ovf [NAME]
 *   delete NAME [--yes]
 *
 * There is no registry: a machine is where its folder is. What runs no guest has no cage.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/image/disk.h"
#include "frontend/image/format.h"
#include "frontend/options/suggest.h"
#include "frontend/vm/profiles.h"
#include "frontend/vm/vm.h"

int vm_fail(const VmWords *w, const char *fmt, ...)
{
    char text[500];
    va_list list;
    va_start(list, fmt);
    vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    say("vm %s: %s", w->verb, text);
    return 1;
}

/* --- create ---------------------------------------------------------------------------------------------- */

static const char conf_head[] =
    "# The machine '%s': %s.\n"
    "# A line is a word of the command line: 'm = 128' is -m 128 ('ring3 -h' lists them). Names are relative to this folder.\n"
    "[machine]\nprofile = %s\nm = %u\n%s";

static bool fill(const Vm *vm, const char *building, const Profile *f, u32 ram_mib, u64 disk_bytes,
                 Problem *p)
{
    char text[2000];
    int n = snprintf(text, sizeof text, conf_head, vm->name, f->title, f->word, ram_mib, f->words);
    if (disk_bytes) snprintf(text + n, sizeof text - (size_t)n, "\n[disks]\nhda = disk.qcow2\n");
    DiskMake m = {.path = vm_path(building, "disk.qcow2"), .format = "qcow2", .bytes = disk_bytes};
    return (!disk_bytes || disk_create(&m, p)) && vm_write(vm_path(building, VM_CONF), text, p);
}

static int refuse_profile(const VmWords *w)
{
    char list[300] = "";
    Suggest s;
    suggest_begin(&s, w->profile);
    for (const Profile *f = profiles; f->word; f++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", f->word);
        suggest_offer(&s, f->word);
    }
    const char *near = suggest_result(&s);
    return vm_fail(w, "--profile %.40s: %s%s%sone of %s", w->profile, near ? "did you mean '" : "",
                   near ? near : "", near ? "'? " : "", list);
}

int vm_create(const VmWords *w)
{
    Vm vm;
    Problem p;
    char building[VM_PATH];
    const Profile *f = profile_find(w->profile ? w->profile : "other");
    u64 ram = 0, disk = 0;
    if (!f) return refuse_profile(w);
    if (w->memory && (!format_size(w->memory, &ram) || ram < RAM_MIN_MIB || ram > RAM_MAX_MIB))
        return vm_fail(w, "--memory %.40s: MiB, %u to %u", w->memory, RAM_MIN_MIB, RAM_MAX_MIB);
    const char *size = w->disk ? w->disk : f->disk;
    if (strcmp(size, "none") && (!format_size(size, &disk) || !disk))
        return vm_fail(w, "--disk %.40s: " FORMAT_SIZE_TAKES ", or none", size);
    if (!vm_place(&vm, w->name[0], &p) || !vm_begin(&vm, building, &p)) return vm_fail(w, "%s", p.text);
    if (!fill(&vm, building, f, ram ? (u32)ram : f->ram_mib, disk, &p) || !vm_commit(&vm, building, &p)) {
        vm_abandon(building);
        return vm_fail(w, "%s", p.text);
    }
    printf("%s: %s; 'ring3 %s -cdrom FILE.iso' installs it\n", vm.folder, f->title, w->name[0]);
    return 0;
}

/* --- list ------------------------------------------------------------------------------------------------ */

static const char *state_of(const Vm *vm)
{
    int process = vm_process(vm);
    if (process) return process > 0 ? "running" : "?";
    return access(vm_path(vm->folder, VM_SUSPENDED), F_OK) ? "off" : "suspended";
}

static void list_one(const Vm *vm)
{
    Conf c;
    Options o;
    Problem p = {"its folder cannot be entered"};
    u64 used = 0;
    struct stat st;
    if (chdir(vm->folder) < 0 || !conf_options(vm, &c, &o, &p)) {
        printf("%-24s %-10s %s\n", vm->name, "broken", p.text);
        return;
    }
    bool runs = vm_process(vm) > 0;
    u64 memory = runs ? vm_running_memory(vm) : 0;
    if (!memory) memory = o.ram_bytes;
    for (int n = 0; n < DRIVE_COUNT; n++)
        if (o.drives.drive[n].path && vm_is_own_file(vm, o.drives.drive[n].path) &&
            !stat(o.drives.drive[n].path, &st))
            used += (u64)st.st_blocks * 512;
    printf("%-24s %-10s %5u MiB %7llu MiB  %s\n", vm->name, state_of(vm), (u32)(memory >> 20),
           (unsigned long long)(used >> 20), c.profile ? c.profile : "");
    conf_free(&c, &o);
}

static int is_machine(const struct dirent *e)
{
    size_t n = strlen(e->d_name), end = sizeof VM_END - 1;
    return e->d_name[0] != '.' && n > end && !strcmp(e->d_name + n - end, VM_END);
}

int vm_list(const VmWords *w)
{
    struct dirent **found;
    char *folder = realpath(w->names ? w->name[0] : ".", NULL);
    int count = folder ? scandir(folder, &found, is_machine, alphasort) : -1;
    if (count < 0) {
        free(folder);
        return vm_fail(w, "'%.200s': not a folder that can be read", w->names ? w->name[0] : ".");
    }
    if (count) printf("%-24s %-10s %9s %11s  %s\n", "NAME", "STATE", "MEMORY", "DISKS", "PROFILE");
    for (int n = 0; n < count; n++) {
        Vm vm;
        Problem p;
        if (vm_find(&vm, vm_path(folder, found[n]->d_name), &p)) list_one(&vm);
        free(found[n]);
    }
    if (!count) printf("no machines in %s\n", folder);
    free(found);
    free(folder);
    return 0;
}

/* --- the command line ------------------------------------------------------------------------------------ */

typedef struct Verb {
    const char *name, *help;
    int (*run)(const VmWords *w);
    const char *takes; /* long options, each with a blank behind it */
    int least, most;   /* names */
} Verb;

static const Verb verbs[] = {
    {"clone", "NAME NEW [--linked]", vm_clone, "linked ", 2, 2},
    {"create", "NAME [--profile P] [--memory MIB] [--disk SIZE|none]", vm_create, "profile memory disk ", 1,
     1},
    {"delete", "NAME [--yes]", vm_delete, "yes ", 1, 1},
    {"discard", "NAME", vm_discard, "", 1, 1},
    {"export", "NAME [FILE.ova]", vm_export, "", 1, 2},
    {"import", "FILE.ova|FILE.ovf [NAME]", vm_import, "", 1, 2},
    {"list", "[FOLDER]", vm_list, "", 0, 1},
    {"start", "NAME [--headless] [OPTION ...]", NULL, "headless ", 1, 1},
    {"stop", "NAME [--force]", vm_stop, "force ", 1, 1},
    {"suspend", "NAME", vm_suspend, "", 1, 1},
};

const char *vm_verb(unsigned n) { return n < ARRAY_LEN(verbs) ? verbs[n].name : NULL; }

static int help(void)
{
    printf("ring3 vm - machines as folders, NAME" VM_END "\n");
    for (unsigned n = 0; n < ARRAY_LEN(verbs); n++)
        printf("  ring3 vm %-8s %s\n", verbs[n].name, verbs[n].help);
    printf("profiles:\n");
    for (const Profile *f = profiles; f->word; f++)
        printf("  %-10s %4u MiB, disk %-4s  %s\n", f->word, f->ram_mib, f->disk, f->title);
    return 0;
}

static bool takes(const Verb *v, const char *word)
{
    size_t n = strlen(word);
    for (const char *s = v->takes; (s = strstr(s, word)); s++)
        if (s[n] == ' ' && (s == v->takes || s[-1] == ' ')) return true;
    return false;
}

/* One long option, argv[*n]; also --word=value. */
static bool take_option(VmWords *w, const Verb *v, int argc, char **argv, int *n)
{
    char word[40];
    const char *arg = argv[*n] + 2, *is = strchrnul(arg, '=');
    snprintf(word, sizeof word, "%.*s", (int)(is - arg), arg);
    const char **value = !strcmp(word, "profile")  ? &w->profile
                         : !strcmp(word, "memory") ? &w->memory
                         : !strcmp(word, "disk")   ? &w->disk
                                                   : NULL;
    bool *flag = !strcmp(word, "linked")  ? &w->linked
                 : !strcmp(word, "yes")   ? &w->yes
                 : !strcmp(word, "force") ? &w->force
                                          : &w->headless;
    if (!*word || !takes(v, word) || (!value && *is) || (value && !*is && *n + 1 >= argc)) return false;
    if (value)
        *value = *is ? is + 1 : argv[++*n];
    else
        *flag = true;
    return true;
}

static int misused(const Verb *v, const char *what)
{
    say("vm %s: %s%.80s%s it is: ring3 vm %s %s", v->name, *what ? "'" : "a name is missing;", what,
        *what ? "' is not understood;" : "", v->name, v->help);
    return 1;
}

static bool run_verb(const Verb *v, int *argc, char ***argv, int *code)
{
    VmWords w = {.verb = v->name};
    int n = 3;
    for (; n < *argc; n++) {
        char *word = (*argv)[n];
        bool is_option = word[0] == '-' && word[1] == '-' && word[2];
        if (is_option && take_option(&w, v, *argc, *argv, &n)) continue;
        if (!v->run && w.names) break; /* the rest is ring3's */
        if (*word == '-' || w.names == v->most) return *code = misused(v, word), false;
        w.name[w.names++] = word;
    }
    if (w.names < v->least) return *code = misused(v, ""), false;
    if (v->run) return *code = v->run(&w), false;
    *code = 1;
    return vm_start(&w, *argc - n, *argv + n, argc, argv);
}

bool vm_main(int *argc, char ***argv, int *code)
{
    Suggest s;
    const char *word = *argc > 2 ? (*argv)[2] : "help";
    if (!strcmp(word, "help") || !strcmp(word, "-h") || !strcmp(word, "--help")) return *code = help(), false;
    suggest_begin(&s, word);
    for (unsigned n = 0; n < ARRAY_LEN(verbs); n++) {
        if (!strcmp(word, verbs[n].name)) return run_verb(&verbs[n], argc, argv, code);
        suggest_offer(&s, verbs[n].name);
    }
    const char *near = suggest_result(&s);
    say("vm %.60s: there is no such command%s%s%s; 'ring3 vm help' lists them", word,
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    *code = 1;
    return false;
}

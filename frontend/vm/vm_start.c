/* vm_start.c - a machine's folder becomes the words of this process, which then is the machine's.
 *
 * A machine that was suspended has a snapshot of that name, and the file `suspended`, which says that the next start resumes
 * it. When it is there again both go, the file first: it is resumed once. Who dies in between leaves a snapshot that
 * nothing asks for any more; it goes with the next start, or when somebody wants to know what snapshots there are.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/files.h"
#include "frontend/snapshot/folder.h"
#include "frontend/snapshot/thumbnail.h"
#include "frontend/vm/vm.h"

/* --- what is suspended ----------------------------------------------------------------------------------- */

static struct {
    char name[VM_NAME]; /* of the machine that is about to be started; empty: it has no folder */
    bool suspended;
} started;

bool vm_in_folder(void) { return *started.name; }

/* In the machine's folder. Its snapshot may go when it is sure that no start asks for it. */
static void forget_suspension(void)
{
    unlink(VM_SUSPENDED);
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static bool was_resumed(const char *loaded)
{
    return started.suspended && loaded && !strcmp(loaded, VM_SUSPENDED);
}

const char *vm_resumed(const char *loaded)
{
    bool resumed = was_resumed(loaded);
    if (!*started.name || (started.suspended && !resumed)) return NULL;
    if (resumed) forget_suspension();
    return VM_SUSPENDED;
}

void vm_explain(const char *loaded, Problem *p)
{
    Problem why = *p;
    if (was_resumed(loaded))
        problem_set(p, "%.280s; 'ring3 vm discard %s' drops what was suspended", why.text, started.name);
}

/* The one of a suspended machine that was resumed, or discarded. */
static bool remove_spent(Folder *f, Problem *p)
{
    const Snapshot *spent = access(VM_SUSPENDED, F_OK) ? folder_find(f, VM_SUSPENDED) : NULL;
    char file[40];
    if (!spent) return true;
    const u32 id = spent->id;
    folder_state_name(id, "", file);
    folder_remove(f, id);
    if (!folder_write(f, p)) return false;
    file_state_remove(file);
    thumbnail_remove(id);
    return true;
}

bool vm_count_snapshots(unsigned *count, Problem *p)
{
    static Folder f;
    bool there;
    file_state_folder = VM_SNAPSHOTS;
    if (!folder_read(&f, &there, p) || !remove_spent(&f, p)) return false;
    *count = f.count;
    for (unsigned n = 0; n < DRIVE_COUNT; n++) *count += f.disk[n].session != 0;
    return true;
}

int vm_discard(const VmWords *w)
{
    Vm vm;
    Problem p;
    unsigned left;
    if (!vm_find(&vm, w->name[0], &p) || !vm_is_free(&vm, &p)) return vm_fail(w, "%s", p.text);
    if (chdir(vm.folder) < 0 || access(VM_SUSPENDED, F_OK))
        return vm_fail(w, "'%s' is not suspended", vm.name);
    forget_suspension();
    return vm_count_snapshots(&left, &p) ? 0 : vm_fail(w, "%s", p.text);
}

/* --- starting -------------------------------------------------------------------------------------------- */

/* A file beside which the person stands, not the machine. */
static char *from_here(char *word)
{
    char *whole = *word == '-' || *word == '/' || access(word, F_OK) ? NULL : realpath(word, NULL);
    return whole ? whole : word;
}

/* --headless is the only word of `vm start` itself, wherever it stands. */
static const char *const headless_word = "--headless";

static bool is_headless(int more, char **words)
{
    for (int i = 0; i < more; i++)
        if (!strcmp(words[i], headless_word)) return true;
    return false;
}

static void add(int *argc, char **argv, const char *word)
{
    argv[*argc] = strdup(word);
    CHECK(argv[*argc], "no memory");
    ++*argc;
}

/* The machine's words, and then the person's. */
static bool become(const Vm *vm, bool headless, int more, char **words, int *argc, char ***argv, Problem *p)
{
    Conf c;
    if (!vm_is_free(vm, p) || !conf_read(vm, &c, p)) return false;
    char **all = calloc((size_t)c.argc + (size_t)more + 8, sizeof *all);
    CHECK(all, "no memory");
    int n = c.argc;
    memcpy(all, c.argv, (size_t)n * sizeof *all);
    free(c.argv);
    free(c.profile);
    memcpy(started.name, vm->name, sizeof started.name);
    started.suspended = !access(vm_path(vm->folder, VM_SUSPENDED), F_OK);
    if (started.suspended) {
        add(&n, all, "-loadvm");
        add(&n, all, VM_SUSPENDED);
    }
    if (headless || is_headless(more, words)) {
        add(&n, all, "-display");
        add(&n, all, "none");
        add(&n, all, "-daemonize");
    }
    for (int i = 0; i < more; i++)
        if (strcmp(words[i], headless_word)) all[n++] = from_here(words[i]);
    if (chdir(vm->folder) < 0) return problem_set(p, "'%.200s': it cannot be entered", vm->folder);
    options_come_from(c.file, c.line, c.argc);
    *argc = n;
    *argv = all;
    return true;
}

bool vm_start(const VmWords *w, int more, char **words, int *argc, char ***argv)
{
    Vm vm;
    Problem p;
    if (vm_find(&vm, w->name[0], &p) && become(&vm, w->headless, more, words, argc, argv, &p)) return true;
    vm_fail(w, "%s", p.text);
    return false;
}

bool vm_start_folder(int *argc, char ***argv)
{
    Vm vm;
    Problem p;
    struct stat st;
    char whole[VM_PATH];
    const char *name = *argc > 1 ? (*argv)[1] : "-";
    if (*name == '-' || !*name) return true;
    if (!stat(name, &st) && !S_ISDIR(st.st_mode)) return true;
    if (stat(name, &st) &&
        (snprintf(whole, sizeof whole, "%s%s", name, VM_END) >= VM_PATH || stat(whole, &st)))
        return true;
    if (vm_find(&vm, name, &p) && become(&vm, false, *argc - 2, *argv + 2, argc, argv, &p)) return true;
    say("%s", p.text);
    return false;
}

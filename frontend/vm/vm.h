/* vm.h - a machine as a folder: NAME.ring3. See vm_folder.c for what is in it, vm_main.c for `ring3 vm`. */
#ifndef RING3_VM_H
#define RING3_VM_H

#include "frontend/options/options.h"

/* vm_main - `ring3 vm ...`, argv[1] being "vm". True: go on as ring3 with what *argv is now; false: *code is the exit code. */
bool vm_main(int *argc, char ***argv, int *code);
/* What may stand behind "vm": word n; NULL: there are no more. */
const char *vm_verb(unsigned n);
/* vm_start_folder - the first argument, if it names a machine's folder, becomes its words; this process goes there. False: it
 * cannot be; that was said. Any other argument: true, and nothing changes. */
bool vm_start_folder(int *argc, char ***argv);
/* vm_resumed - the machine is as it was in the snapshot `loaded` (NULL: none), and nothing can keep it from running: if it was
 * suspended, it is no more. Returns the snapshot that is used up, if it is there, or NULL. */
const char *vm_resumed(const char *loaded);
/* vm_explain - the machine could not be started: of one that is suspended *p says how it is started all the same. */
void vm_explain(const char *loaded, Problem *p);

/* vm_in_folder - this ring3 runs a machine's folder, and is in it. */
bool vm_in_folder(void);

/* --- within frontend/vm/ --- */

enum { VM_PATH = 4000, VM_NAME = 100 };

typedef struct Vm {
    char folder[VM_PATH]; /* resolved */
    char name[VM_NAME];
} Vm;

/* What a machine's folder has, apart from disks. */
#define VM_CONF      "machine.conf"
#define VM_NVRAM     "nvram"
#define VM_LOG       "log"
#define VM_PID       "pid"
#define VM_CONTROL   "control.sock"
#define VM_PICTURE   "screenshot.png"
#define VM_SNAPSHOTS "snapshots"
#define VM_SUSPENDED                                                                                         \
    "suspended" /* the name of a snapshot, and of a file that says that it is to be resumed */
#define VM_SUSPENDED_NOTE "'ring3 vm start' resumes this machine where it was; without this file it boots\n"
#define VM_END            ".ring3"

/* vm_find - the machine of this name: a folder, or NAME for NAME.ring3. vm_place: the same for one that is not there yet. */
bool vm_find(Vm *vm, const char *name, Problem *p);
bool vm_place(Vm *vm, const char *name, Problem *p);
/* The process that runs it; 0: none. -1: it cannot be told. */
int vm_process(const Vm *vm);
bool vm_is_free(const Vm *vm, Problem *p); /* not running */
/* vm_begin - a new folder beside where it will be, to be filled; vm_commit gives it its name; vm_abandon takes it away. */
bool vm_begin(const Vm *vm, char building[VM_PATH], Problem *p);
bool vm_commit(const Vm *vm, const char *building, Problem *p);
void vm_abandon(const char *building);
/* vm_write - a text as a file, beside and renamed. */
bool vm_write(const char *path, const char *text, Problem *p);
/* vm_read - a file of at most `most` bytes as a text; NULL: *p. The caller frees it. */
char *vm_read(const char *path, u64 most, Problem *p);
/* A file of the machine's own, as its words name it: beside machine.conf, and no link. */
bool vm_is_own_file(const Vm *vm, const char *path);
/* FOLDER/NAME, as long as it lasts: until the fourth call from now. */
const char *vm_path(const char *folder, const char *name);

/* vm_conf.c: the words of machine.conf, as an argv; `profile`: what it says it is made for, or NULL. */
typedef struct Conf {
    char **argv;
    u16 *line; /* of each word; 0: it is not from the file */
    int argc;
    char *profile;
    const char *file; /* NAME.ring3/machine.conf */
} Conf;
bool conf_read(const Vm *vm, Conf *c, Problem *p);
/* The same as options, which use the words: conf_free() ends both. The process must be in the folder. False: *p names file and
 * line, and there is nothing to end. */
bool conf_options(const Vm *vm, Conf *c, Options *o, Problem *p);
void conf_free(Conf *c, Options *o);

/* The verbs: exit codes; what is wrong is said. */
typedef struct VmWords {
    const char *verb;
    const char *name[2];
    int names;
    const char *profile, *disk, *memory; /* NULL: not given */
    bool linked, yes, force, headless;
} VmWords;
/* vm_start - what *argv is becomes the words of this machine and `more` words of the person's. False: it was said why not. */
bool vm_start(const VmWords *w, int more, char **words, int *argc, char ***argv);
/* vm_count_snapshots - and undecided sessions of undoable disks, of the machine that is off, in whose folder this process is. */
bool vm_count_snapshots(unsigned *count, Problem *p);
int vm_fail(const VmWords *w, const char *fmt, ...) PRINTF(2, 3);
int vm_create(const VmWords *w);
int vm_list(const VmWords *w);
int vm_clone(const VmWords *w);  /* vm_clone.c */
int vm_delete(const VmWords *w); /* vm_delete.c */
int vm_stop(const VmWords *w);   /* vm_control.c */
int vm_suspend(const VmWords *w);
/* vm_running_memory - bytes of memory that the running machine says it has; 0: it does not say. This process goes into its
 * folder. */
u64 vm_running_memory(const Vm *vm);
int vm_discard(const VmWords *w); /* vm_start.c */
int vm_export(const VmWords *w);  /* ova_export.c */
int vm_import(const VmWords *w);  /* ova_import.c */

#endif

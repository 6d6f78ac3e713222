/* cage.h - what the machine's process has from those who started it, and what it may still do while a guest runs. See
 * cage.c and docs/SECURITY.md. */
#ifndef RING3_CAGE_H
#define RING3_CAGE_H

#include "frontend/say.h"

/* -sandbox. By default it is on where the host has what it takes. */
typedef enum Sandbox { SANDBOX_DEFAULT, SANDBOX_ON, SANDBOX_OFF } Sandbox;

/* cage_enter - first thing in main: descriptors 0 to 2 exist, those that were inherited beyond them are closed, and
 * neither this process nor its children can get privileges any more. An argument that names a descriptor (/dev/fd/5)
 * keeps it open until cage_shut(). */
void cage_enter(int argc, char *const argv[]);

/* cage_start - before any thread: with a cage to come, its broker; `named`: see broker_start(). False: *p says why
 * there can be none. */
bool cage_start(Sandbox wanted, const char *const named[], unsigned count, Problem *p);

/* cage_leave_files - before the second thread: this process and the threads it makes open no file by its name any more.
 */
void cage_leave_files(void);

/* cage_shut - everything that the command line named is open, all threads are there, and the guest is about to run.
 * From here on a system call that is not in the list ends the process. `window`: its process, which may be killed; 0:
 * none. */
bool cage_shut(int window, Problem *p);
bool cage_is_shut(void);

/* What the host lets us do, as a line of `ring3 -host`. */
void cage_choose(void);

#endif

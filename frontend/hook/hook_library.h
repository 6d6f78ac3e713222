/* hook_library.h - hook libraries: found, loaded, opened, closed. See hook_library.c. */
#ifndef RING3_HOOK_LIBRARY_H
#define RING3_HOOK_LIBRARY_H

#include "frontend/hook/hook_guard.h"
#include "frontend/hook/ring3-hook.h"
#include "frontend/say.h"

typedef struct HookLibrary {
    char name[256]; /* as the line has it */
    void *handle;
    HookFunction *close; /* ring3_hook_close; NULL: it has none */
    bool opened;
} HookLibrary;

/* hook_library_get - the library, loaded at its first use. NULL: *p says why not. */
HookLibrary *hook_library_get(const char *name, Problem *p);
/* hook_library_open - its ring3_hook_open, if it has one and was not opened yet. */
bool hook_library_open(HookLibrary *l, const Ring3 *r, const char *arguments, Problem *p);
/* hook_library_function - NULL: *p says that it has none of this name. */
HookFunction *hook_library_function(const HookLibrary *l, const char *name, Problem *p);
/* hook_libraries_close - the ring3_hook_close of those that were opened. False: *p says which crashed. */
bool hook_libraries_close(Problem *p);

#endif

/* hook_library.c - see hook_library.h.
 *
 * NAME with a slash is a path. Without one it is looked for in the current folder, then where ring3's own are: hooks/
 * beside the program (a build tree), then lib/ring3/hooks beside bin (an installation). ".so" may be left out.
 *
 * All is bound when it is loaded (RTLD_NOW): in its cage the process opens no further file.
 */
#define _GNU_SOURCE
#include "frontend/hook/hook_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

enum { LIBRARIES_MAX = 16, PATH_BYTES = 1024 };

static HookLibrary libraries[LIBRARIES_MAX];
static unsigned count;

/* --- where it is ----------------------------------------------------------------------------------------- */

static bool try_path(char path[PATH_BYTES], const char *folder, const char *name)
{
    static const char *const tails[] = {"", ".so"};
    for (unsigned n = 0; n < ARRAY_LEN(tails); n++) {
        int bytes = snprintf(path, PATH_BYTES, "%s%s%s", folder, name, tails[n]);
        if (bytes > 0 && bytes < PATH_BYTES && !access(path, R_OK)) return true;
    }
    return false;
}

static bool find(char path[PATH_BYTES], const char *name)
{
    static const char *const places[] = {"hooks/", "../lib/ring3/hooks/"};
    char program[PATH_BYTES / 2], folder[PATH_BYTES];
    if (strchr(name, '/')) return try_path(path, "", name);
    if (try_path(path, "./", name)) return true;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    while (n > 0 && program[n - 1] != '/') n--;
    for (unsigned k = 0; n > 0 && k < ARRAY_LEN(places); k++) {
        snprintf(folder, sizeof folder, "%.*s%s", (int)n, program, places[k]);
        if (try_path(path, folder, name)) return true;
    }
    return false;
}

/* --- loading --------------------------------------------------------------------------------------------- */

typedef struct Loading {
    const char *path;
    void *handle;
} Loading;

/* Its constructors run: they may crash. */
static void load(void *arg)
{
    Loading *l = arg;
    l->handle = dlopen(l->path, RTLD_NOW | RTLD_LOCAL);
}

static bool crashed(const char *name, const char *what, const HookCrash *crash, Problem *p)
{
    char how[160];
    hook_crash_text(crash, how, sizeof how);
    return problem_set(p, "-hook: %.200s %s in %s: %s", name, hook_crash_verb(crash), what, how);
}

/* What dlerror() says begins with the path. */
static const char *why_not(const char *path)
{
    const char *why = dlerror();
    size_t n = strlen(path);
    if (!why) return "it cannot be loaded";
    return !strncmp(why, path, n) && why[n] == ':' ? why + n + 1 + strspn(why + n + 1, " ") : why;
}

HookLibrary *hook_library_get(const char *name, Problem *p)
{
    char path[PATH_BYTES];
    Loading l = {.path = path};
    HookCrash crash;
    for (unsigned n = 0; n < count; n++)
        if (!strcmp(libraries[n].name, name)) return &libraries[n];
    if (count == LIBRARIES_MAX) {
        problem_set(p, "-hook: more than %d libraries", LIBRARIES_MAX);
        return NULL;
    }
    if (!find(path, name)) {
        problem_set(p, "-hook: there is no library %.200s", name);
        return NULL;
    }
    if (!hook_guarded(load, &l, &crash)) {
        crashed(name, "its start", &crash, p);
        return NULL;
    }
    if (!l.handle) {
        problem_set(p, "-hook: %.200s: %.150s", name, why_not(path));
        return NULL;
    }
    HookLibrary *to = &libraries[count++];
    snprintf(to->name, sizeof to->name, "%s", name);
    to->handle = l.handle;
    return to;
}

static HookFunction *function_named(const HookLibrary *l, const char *name)
{
    HookFunction *f;
    *(void **)&f = dlsym(l->handle, name); /* as POSIX has it */
    return f;
}

HookFunction *hook_library_function(const HookLibrary *l, const char *name, Problem *p)
{
    HookFunction *f = function_named(l, name);
    if (!f) problem_set(p, "-hook: %.200s has no function %.100s", l->name, name);
    return f;
}

/* --- opening, closing ------------------------------------------------------------------------------------ */

typedef int OpenFunction(const Ring3 *r, const char *arguments);

typedef struct Opening {
    HookFunction *open;
    const Ring3 *r;
    const char *arguments;
    int answer;
} Opening;

static void open_it(void *arg)
{
    Opening *o = arg;
    o->answer = ((OpenFunction *)hook_through(o->open))(o->r, o->arguments);
}

bool hook_library_open(HookLibrary *l, const Ring3 *r, const char *arguments, Problem *p)
{
    Opening o = {.r = r, .arguments = arguments};
    HookCrash crash;
    if (l->opened)
        return !*arguments ||
               problem_set(p, "-hook 'load %.150s %.100s': it is loaded already", l->name, arguments);
    l->opened = true;
    o.open = function_named(l, "ring3_hook_open");
    l->close = function_named(l, "ring3_hook_close");
    if (!o.open)
        return !*arguments ||
               problem_set(p, "-hook 'load %.150s': it has no ring3_hook_open to take '%.100s'", l->name,
                           arguments);
    if (!hook_guarded(open_it, &o, &crash)) return crashed(l->name, "ring3_hook_open", &crash, p);
    return !o.answer || problem_set(p, "-hook: %.150s: its ring3_hook_open('%.100s') said %d", l->name,
                                    arguments, o.answer);
}

static void close_it(void *arg)
{
    const HookLibrary *l = arg;
    hook_through(l->close)();
}

bool hook_libraries_close(Problem *p)
{
    HookCrash crash;
    bool ok = true;
    for (unsigned n = 0; n < count; n++) {
        HookLibrary *l = &libraries[n];
        if (!l->close || hook_guarded(close_it, l, &crash)) continue;
        ok = crashed(l->name, "ring3_hook_close", &crash, p);
    }
    return ok;
}

/* syscalls.c - a hook library: what a Linux guest's programs ask of their kernel, as strace shows it, for all of them
 * at once and without a debugger in the guest.
 *
 *     ring3 -hook file=docs/hooks/syscalls.hook ...
 *     ring3 -hook 'load syscalls only=ls' -hook file=docs/hooks/syscalls.hook ...
 *
 * A line when a call returns: number of the task (as they were first seen), name of its program, call, arguments,
 * result; "= ?" where it never returned (exit), or returned as another program (execve). only=NAME: tasks that run a
 * program of this name. A program's name is argv[0] of its task's last execve; a new task has none ("?") until
 * then.
 *
 *     [3 ls] openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_LARGEFILE|O_CLOEXEC) = 3
 *     [3 ls] read(3, "root:x:0:0:root:/root:/bin/sh\n", 4096) = 30
 *     [3 ls] access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)
 *
 * Unlike strace's, structures are addresses, and so are the texts in them.
 */
#define _GNU_SOURCE /* strerrorname_np, sigabbrev_np */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring3-hook.h"

enum {
    TASKS = 256,
    CALLS = 512,
    ARGUMENTS = 6,
    GONE = 0,
    EXECVE = 11,
    EXECVEAT = 358,
    EXIT = 1,
    EXIT_GROUP = 252,
    SHOWN = 256 /* characters of an argument */,
    BYTES_SHOWN = 32
};

static const char *const names[CALLS] = {
#include "syscall_names.h" /* made from the host's <asm/unistd_32.h>: [5] = "open", */
};

#include "syscall_forms.h"

typedef struct Task {
    uint32_t id;
    unsigned number;
    char program[32];
    int inside; /* a call is under way: */
    uint32_t nr, argument[ARGUMENTS];
    char text[ARGUMENTS][SHOWN]; /* of each argument, as it was at the call */
} Task;

static const Ring3 *ring3;
static Task tasks[TASKS];
static unsigned count;
static const char *only;

int ring3_hook_open(const Ring3 *r, const char *arguments)
{
    ring3 = r;
    if (!*arguments) return 0;
    if (strncmp(arguments, "only=", 5)) return 1;
    only = strdup(arguments + 5);
    return !only;
}

static Task *task_now(void)
{
    uint32_t id = ring3->get(RING3_TASK);
    for (unsigned n = 0; n < count && n < TASKS; n++)
        if (tasks[n].id == id) return &tasks[n];
    Task *t = &tasks[count++ % TASKS]; /* the oldest goes */
    *t = (Task){.id = id, .number = count, .program = "?"};
    return t;
}

static const char *name_of(uint32_t nr, char *room, size_t bytes)
{
    if (nr < CALLS && names[nr]) return names[nr];
    snprintf(room, bytes, "syscall_%u", nr);
    return room;
}

/* Of a call that is in no list: all six registers. */
static const char *form_of(uint32_t nr) { return nr < CALLS && forms[nr] ? forms[nr] : "xxxxxx"; }

/* --- arguments ------------------------------------------------------------------------------------------- */

/* A text that grows; what does not fit is left out. */
typedef struct Text {
    char *to;
    size_t room, used;
} Text;

__attribute__((format(printf, 2, 3))) static void put(Text *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(t->to + t->used, t->room - t->used, format, ap);
    va_end(ap);
    if (n > 0) t->used = t->used + (size_t)n < t->room ? t->used + (size_t)n : t->room - 1;
}

/* n bytes in quotes, as C writes them. */
static void put_bytes(Text *t, const char *bytes, size_t n, int more)
{
    static const char special[] = "\n\t\r\"\\", letters[] = "ntr\"\\";
    put(t, "\"");
    for (size_t k = 0; k < n; k++) {
        unsigned char c = (unsigned char)bytes[k];
        const char *found = c ? strchr(special, c) : NULL;
        if (found)
            put(t, "\\%c", letters[found - special]);
        else if (isprint(c))
            put(t, "%c", c);
        else
            put(t, k + 1 < n && isdigit((unsigned char)bytes[k + 1]) ? "\\%03o" : "\\%o", c);
    }
    put(t, more ? "\"..." : "\"");
}

static void put_pointer(Text *t, uint32_t p)
{
    if (p)
        put(t, "0x%x", p);
    else
        put(t, "NULL");
}

static void put_string(Text *t, uint32_t at)
{
    char text[SHOWN - 8];
    if (at && ring3->string(at, text, sizeof text))
        put_bytes(t, text, strlen(text), strlen(text) == sizeof text - 1);
    else
        put_pointer(t, at);
}

static void put_buffer(Text *t, uint32_t at, uint32_t n)
{
    char bytes[BYTES_SHOWN];
    uint32_t shown = n < BYTES_SHOWN ? n : BYTES_SHOWN;
    if (at && ring3->read(at, bytes, shown))
        put_bytes(t, bytes, shown, n > shown);
    else
        put_pointer(t, at);
}

/* ["ls", "-l", "/"] */
static void put_vector(Text *t, uint32_t at)
{
    enum { WORDS_MOST = 32 };
    uint32_t word;
    put(t, "[");
    for (unsigned n = 0; n < WORDS_MOST && ring3->read(at + 4 * n, &word, 4) && word; n++) {
        if (n) put(t, ", ");
        put_string(t, word);
    }
    put(t, "]");
}

/* Names of bits, the last entry's for none; what has no name as a number. */
static void put_bits(Text *t, uint32_t value, const Bit *bit, size_t bits)
{
    const char *between = "";
    for (size_t n = 0; n + 1 < bits; n++) {
        if (!bit[n].name || (value & bit[n].value) != bit[n].value) continue;
        put(t, "%s%s", between, bit[n].name);
        value &= ~bit[n].value;
        between = "|";
    }
    if (value)
        put(t, "%s0x%x", between, value);
    else if (!*between)
        put(t, "%s", bit[bits - 1].name ? bit[bits - 1].name : "0");
}
#define PUT_BITS(t, value, bits) put_bits(t, value, bits, sizeof bits / sizeof *bits)

static void put_open_flags(Text *t, uint32_t flags)
{
    static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    put(t, "%s", modes[flags & O_ACCMODE_BITS]);
    flags &= ~(uint32_t)O_ACCMODE_BITS;
    if (!flags) return;
    put(t, "|");
    PUT_BITS(t, flags, open_bits);
}

static void put_signal(Text *t, uint32_t n)
{
    const char *name = n < 65 ? sigabbrev_np((int)n) : NULL;
    if (name)
        put(t, "SIG%s", name);
    else
        put(t, "%u", n);
}

static void put_word(Text *t, uint32_t n, const char *const *word, size_t words)
{
    if (n < words)
        put(t, "%s", word[n]);
    else
        put(t, "%u", n);
}

static void put_number(Text *t, char letter, uint32_t a)
{
    switch (letter) {
    case 'f': (int32_t) a == AT_FDCWD_NUMBER ? put(t, "AT_FDCWD") : put(t, "%d", (int32_t)a); break;
    case 'd': put(t, "%d", (int32_t)a); break;
    case 'u': put(t, "%u", a); break;
    case 'o': put(t, a ? "0%o" : "0", a); break;
    case 'x': put(t, a ? "0x%x" : "0", a); break;
    default: put_pointer(t, a); break;
    }
}

static void put_argument(Text *t, char letter, const uint32_t *a, uint32_t next)
{
    switch (letter) {
    case 's': put_string(t, *a); break;
    case 'A': put_vector(t, *a); break;
    case 'b': put_buffer(t, *a, next); break;
    case 'O': put_open_flags(t, *a); break;
    case 'M': PUT_BITS(t, *a, protection_bits); break;
    case 'P': PUT_BITS(t, *a, map_bits); break;
    case 'a': PUT_BITS(t, *a, access_bits); break;
    case 't': PUT_BITS(t, *a, at_bits); break;
    case 'w': put_word(t, *a, whences, sizeof whences / sizeof *whences); break;
    case 'h': put_word(t, *a, hows, sizeof hows / sizeof *hows); break;
    case 'g': put_signal(t, *a); break;
    default: put_number(t, letter, *a); break;
    }
}

/* As they are when the call begins: it may change what they point to. */
static void keep_arguments(Task *t, uint32_t nr, const uint32_t *a)
{
    const char *form = form_of(nr);
    t->nr = nr;
    for (unsigned k = 0; form[k]; k++) {
        Text text = {.to = t->text[k], .room = SHOWN};
        int unused = form[k] == 'o' && k && form[k - 1] == 'O' && !(a[k - 1] & O_MAKES);
        t->argument[k] = a[k];
        *t->text[k] = 0;
        if (!unused) put_argument(&text, form[k], a + k, k + 1 < ARGUMENTS ? a[k + 1] : 0);
    }
}

/* --- lines ----------------------------------------------------------------------------------------------- */

static void put_call(Text *line, const Task *t, int32_t result)
{
    char number[24];
    const char *form = form_of(t->nr);
    put(line, "%s(", name_of(t->nr, number, sizeof number));
    for (unsigned k = 0; form[k]; k++) {
        if (k && *t->text[k]) put(line, ", ");
        if (form[k] == 'r' && result >= 0)
            put_buffer(line, t->argument[k], (uint32_t)result);
        else
            put(line, "%s", t->text[k]);
    }
    put(line, ")");
}

static int gives_address(uint32_t nr)
{
    enum { BRK = 45, MMAP = 90, MREMAP = 163, MMAP2 = 192 };
    return nr == BRK || nr == MMAP || nr == MREMAP || nr == MMAP2 || nr >= CALLS || !forms[nr];
}

static void put_result(Text *line, uint32_t nr, int32_t result)
{
    enum { ERRORS = 4096 };
    if (result < 0 && result > -ERRORS) {
        const char *name = strerrorname_np(-result);
        put(line, "-1 %s (%s)", name ? name : "E?", strerror(-result));
        return;
    }
    put(line, gives_address(nr) ? "0x%x" : "%d", (unsigned)result);
}

/* returned: it did, with `result`. */
static void tell(const Task *t, int returned, int32_t result)
{
    char text[900];
    Text line = {.to = text, .room = sizeof text};
    if (only && strcmp(t->program, only)) return;
    put_call(&line, t, returned ? result : -1);
    put(&line, " = ");
    if (returned)
        put_result(&line, t->nr, result);
    else
        put(&line, "?");
    ring3_say(ring3, "[%u %s] %s", t->number, t->program, text);
}

/* The last part of argv[0]. */
static void set_program(Task *t, uint32_t argv)
{
    char text[256];
    uint32_t first;
    if (!ring3->read(argv, &first, 4) || !ring3->string(first, text, sizeof text)) return;
    const char *slash = strrchr(text, '/');
    snprintf(t->program, sizeof t->program, "%.31s", slash ? slash + 1 : text);
}

void enter(uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f);
void leave(uint32_t nr, int32_t result);

void enter(uint32_t nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f)
{
    const uint32_t arguments[ARGUMENTS] = {a, b, c, d, e, f};
    Task *t = task_now();
    if (t->inside) tell(t, 0, 0); /* it did not come back: execve, a signal's handler */
    t->inside = 1;
    if (nr == EXECVE) set_program(t, b);
    if (nr == EXECVEAT) set_program(t, c);
    keep_arguments(t, nr, arguments);
    if (nr != EXIT && nr != EXIT_GROUP) return;
    tell(t, 0, 0);
    t->id = GONE; /* its stack may be another's soon */
}

void leave(uint32_t nr, int32_t result)
{
    Task *t = task_now();
    (void)nr;
    if (!t->inside) return;
    t->inside = 0;
    tell(t, 1, result);
}

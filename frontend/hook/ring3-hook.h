/* ring3-hook.h - what a hook library sees of ring3. docs/HOOKS.md says how to write one.
 *
 * A library is an ordinary shared object for the host, in any language that can export a C function. The line
 *
 *     -hook 'at memcpy call ./mine.so:probe(u32 arg1, u32 arg2, str arg3)'
 *
 * needs nothing but `void probe(uint32_t, uint32_t, const char *)` in it. This header is for more: a library that exports
 *
 *     int ring3_hook_open(const Ring3 *r, const char *arguments)
 *
 * is given the functions below when it is loaded, before the guest's first instruction and before the sandbox shuts:
 * what it needs of the host it opens then. Not 0: it cannot be used, and ring3 ends. `arguments` is what stands behind
 * the library's name in `-hook 'load LIB ARGUMENTS'`, else "". If it exports `void ring3_hook_close(void)` that is called
 * when the machine ends in good order.
 *
 * Everything is called on one thread, the processor's; and ring3's functions are for that thread, within a call of
 * ring3's. Guest addresses are uint32_t; `linear` ones go through the guest's page tables as they are now.
 */
#ifndef RING3_HOOK_H
#define RING3_HOOK_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RING3_HOOK_VERSION = 1 };

/* For get() and set(). The first eight are in the processor's order. */
typedef enum Ring3Register {
    RING3_EAX,
    RING3_ECX,
    RING3_EDX,
    RING3_EBX,
    RING3_ESP,
    RING3_EBP,
    RING3_ESI,
    RING3_EDI,
    RING3_EIP,    /* set: where the guest goes on; the instruction that was hooked does not run */
    RING3_EFLAGS, /* set: arithmetic flags and DF alone */
    RING3_ES,     /* segment registers: selectors; get only, like all that follow */
    RING3_CS,
    RING3_SS,
    RING3_DS,
    RING3_FS,
    RING3_GS,
    RING3_CR0,
    RING3_CR2,
    RING3_CR3,
    RING3_CR4,
    RING3_CPL,  /* 0 to 3 */
    RING3_BITS, /* of the code segment: 16 or 32 */
    RING3_PC,   /* linear address of CS:EIP */
    RING3_TASK, /* in ring 3: a number that tells threads apart, by the stacks that the TSS names; else 0 */
    RING3_REGISTERS
} Ring3Register;

/* A block of guest code, as it was translated: straight code, which may be left by its jumps before its end, and is
 * entered at its start. What the interpreter runs by itself is a block of one instruction. */
typedef struct Ring3Insn {
    uint32_t address;     /* linear */
    const uint8_t *bytes; /* of the instruction */
    uint8_t length;
    uint8_t may_leave; /* a jump, call, interrupt or the like: what follows does not always follow */
    const char *name;  /* its mnemonic: "mov" */
} Ring3Insn;

typedef struct Ring3Block {
    uint32_t address, physical; /* where it begins */
    uint32_t bytes, count;      /* its length; instructions */
    const Ring3Insn *insn;      /* [count] */
} Ring3Block;

typedef struct Ring3 {
    uint32_t version; /* RING3_HOOK_VERSION; later ones add to the end */
    uint32_t bytes;   /* of this structure */

    /* --- registers --- */
    uint32_t (*get)(Ring3Register which);
    void (*set)(Ring3Register which, uint32_t value);
    /* The linear address of an offset in a segment: base(RING3_DS) + dx. */
    uint32_t (*base)(Ring3Register segment);

    /* --- memory: 1, or 0 if not all of it is there (then nothing was read or written) --- */
    /* As a debugger: whatever the pages' rights; devices are reached, ROM is not written. */
    int (*read)(uint32_t linear, void *to, uint32_t bytes);
    int (*write)(uint32_t linear, const void *from, uint32_t bytes);
    int (*read_physical)(uint32_t physical, void *to, uint32_t bytes);
    int (*write_physical)(uint32_t physical, const void *from, uint32_t bytes);
    /* What is there up to a NUL byte, or `room` - 1 bytes of it, and a NUL. */
    int (*string)(uint32_t linear, char *to, uint32_t room);
    /* As the guest itself could at its present privilege: the host's address of what is at `linear`, and in *bytes how
     * much of it follows there (to the end of the page). NULL: a page fault, or no RAM; let the guest run into it. It
     * holds until this call of the library returns; what `write` asked for counts as written then. */
    void *(*ram)(uint32_t linear, uint32_t *bytes, int write);

    /* --- the call at hand --- */
    /* In a function of `replace`: it does not want to; the guest's own runs. */
    void (*decline)(void);

    /* --- the machine --- */
    /* One line to where -D says (stderr); control characters become '?'. ring3_say(), below, is printf(). */
    void (*say)(const char *line);
    /* It ends behind the present instruction; ring3's exit code is `code` (0 to 255). */
    void (*stop)(int code);
    /* It is held behind the present instruction, as by a breakpoint: for the monitor or gdb. */
    void (*pause)(void);
    /* Nanoseconds since its power-on, in its time. */
    uint64_t (*time_ns)(void);

    /* --- symbols, of -symbols --- */
    int (*symbol)(const char *name, uint32_t *address); /* 1: there is one */
    /* "name+0x12", or "" where there is none near; returns `to`. */
    const char *(*symbol_at)(uint32_t address, char *to, uint32_t room);

    /* --- blocks: all that runs, from on_translate() in ring3_hook_open on --- */
    /* f is called for each block that is translated, before it runs; for the same code more than once, if it is
     * translated again. 0: too many libraries want to. */
    int (*on_translate)(void (*f)(void *context, const Ring3Block *block), void *context);
    /* Within f: a counter, 0 at first; NULL: there are no more (there are half a million). It is true whenever ring3
     * calls. */
    uint64_t *(*counter)(void);
    /* Within f: from now on, each time instruction n (from 0) of the block begins, `counter` is one more. It costs three
     * instructions for all that stand between two jumps. 0: too many for one block. */
    int (*count)(uint32_t n, uint64_t *counter);
    /* Within f: g is called in front of instruction n, each time that it is begun. In translated code an instruction
     * that met a page for the first time, or a poll, is begun anew, and g called again: what has to be exact, `count`
     * counts. g looks, and may count, say and stop; it changes
     * nothing in the guest. 0: too many for one block. */
    int (*on_execute)(uint32_t n, void (*g)(void *context, uint32_t address), void *context);
} Ring3;

__attribute__((format(printf, 2, 3))) static inline void ring3_say(const Ring3 *r, const char *format, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    r->say(line);
}

#ifdef __cplusplus
}
#endif

#endif

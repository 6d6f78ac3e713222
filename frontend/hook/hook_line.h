/* hook_line.h - one line of -hook as a structure. See hook_line.c; docs/HOOKS.md has the grammar. */
#ifndef RING3_HOOK_LINE_H
#define RING3_HOOK_LINE_H

#include "frontend/say.h"

typedef enum HookWhere {
    HOOK_LOAD,    /* nowhere: a library that does the rest by itself */
    HOOK_AT,      /* an instruction, by linear address */
    HOOK_INT,     /* INT n */
    HOOK_SYSCALL, /* INT 80h and SYSENTER */
} HookWhere;
typedef enum HookWhen {
    HOOK_CALL,    /* before; the guest's own runs */
    HOOK_REPLACE, /* instead */
    HOOK_AFTER    /* when it has returned */
} HookWhen;
typedef enum HookConvention {
    HOOK_CDECL,
    HOOK_STDCALL,
    HOOK_FASTCALL,
    HOOK_REGPARM3,
    HOOK_REGS
} HookConvention;

typedef enum HookType {
    HOOK_VOID,
    HOOK_U8,
    HOOK_U16,
    HOOK_U32,
    HOOK_U64,
    HOOK_S8,
    HOOK_S16,
    HOOK_S32,
    HOOK_S64,
    HOOK_F32,
    HOOK_F64,
    HOOK_STR, /* const char *: a copy of what is at the address, up to its NUL */
    HOOK_TYPES
} HookType;

typedef enum HookSource {
    SOURCE_ARGUMENT, /* the guest function's, by the convention: HookParam.argument */
    SOURCE_REGISTER, /* names[0] */
    SOURCE_ADDRESS,  /* names[0]:names[1], linear */
    SOURCE_RESULT,   /* what it returned */
    SOURCE_NUMBER    /* EAX as it was before: the number of a system call */
} HookSource;

enum {
    HOOK_PARAMS = 16,
    HOOK_CONDITIONS = 4,
    HOOK_LINE_BYTES = 512,
    HOOK_NAME_BYTES = 128,
    HOOK_REG_BYTES = 12
};

/* Where an argument is: in a register, or so many bytes above the first on the stack, in 32- and in 16-bit code. */
typedef struct HookPlace {
    s8 reg;        /* -1: on the stack */
    s8 high;       /* the upper half of a 64-bit one, if both are in registers */
    u16 offset[2]; /* by cpu_code32 */
} HookPlace;

typedef struct HookParam {
    HookType type;
    HookSource source;
    unsigned argument; /* from 0 */
    char names[2][HOOK_REG_BYTES];
    HookPlace place;
} HookParam;

typedef struct HookLine {
    char text[HOOK_LINE_BYTES]; /* as it was written */
    HookWhere where;
    HookWhen when;
    char symbol[HOOK_NAME_BYTES]; /* HOOK_AT: to be added to address; empty: none */
    u32 address;
    u8 vector; /* HOOK_INT */
    unsigned conditions;
    struct HookCondition {
        char name[HOOK_REG_BYTES];
        u32 value;
    } condition[HOOK_CONDITIONS]; /* all of them hold */
    char library[256], function[HOOK_NAME_BYTES];
    unsigned params;
    HookParam param[HOOK_PARAMS];
    HookType result;
    HookConvention convention;
    u16 stack_bytes[2];              /* of arguments on the stack, by cpu_code32 */
    char arguments[HOOK_LINE_BYTES]; /* HOOK_LOAD */
} HookLine;

/* hook_line_parse - `text`, which may come from a file. False: *p says what is wrong with it, and where. */
bool hook_line_parse(HookLine *h, const char *text, Problem *p);

#endif

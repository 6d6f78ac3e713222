/* expr.h - numbers, expressions and formats as QEMU's monitor writes them: "0x10+$eip*2", "/8xb". See expr.c. */
#ifndef RING3_EXPR_H
#define RING3_EXPR_H

#include "frontend/say.h"

/* What $NAME stands for; false: there is no such register. */
typedef bool (*ExprRegister)(void *ctx, const char *name, s64 *value);

/* expr_parse - the expression at *s, which moves behind it and the spaces that follow. False: *p says what is wrong. */
bool expr_parse(const char **s, s64 *value, ExprRegister reg, void *ctx, Problem *p);

/* expr_condition - `EXPR [(==|!=|<|<=|>|>=) EXPR]`, several of them joined by && and ||, which have no precedence over
 * one another; numbers are signed. An EXPR alone holds if it is not 0. */
bool expr_condition(const char **s, bool *holds, ExprRegister reg, void *ctx, Problem *p);

typedef struct Format {
    u32 count;
    char letter; /* x d u o c i */
    u8 bytes;    /* 1, 2, 4 or 8; of one item */
} Format;

/* format_parse - "/8xb" at *s, if there is one: items, letter and size (b h w g, or l), each may be left out; what is
 * left out stays as it is in *f. False: *p says what is wrong. */
bool format_parse(const char **s, Format *f, Problem *p);
/* format_item - one item as the dumps show it, padded so that columns stand. */
void format_item(char *to, size_t room, const Format *f, u64 value);

#endif

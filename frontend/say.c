/* say.c - see say.h. */
#include "frontend/say.h"

#include <stdarg.h>
#include <stdio.h>

static void clean(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f) *s = '?';
}

void say(const char *fmt, ...)
{
    char line[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    clean(line);
    fprintf(stderr, "ring3: %s\n", line);
}

bool problem_set(Problem *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->text, sizeof p->text, fmt, ap);
    va_end(ap);
    return false;
}

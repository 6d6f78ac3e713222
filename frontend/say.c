/* say.c - see say.h. */
#include "frontend/say.h"

#include <stdarg.h>
#include <stdio.h>

static const char *about;
static Problem *to;
static unsigned caught; /* lines, since say_to() */

void say_about(const char *place) { about = place; }

void say_to(Problem *p)
{
    to = p;
    caught = 0;
}

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
    int n = about ? snprintf(line, sizeof line, "%.250s: ", about) : 0;
    vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    clean(line);
    if (!to)
        fprintf(stderr, "ring3: %s\n", line);
    else if (!caught++)
        problem_set(to, "%.399s", line);
}

bool problem_set(Problem *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->text, sizeof p->text, fmt, ap);
    va_end(ap);
    return false;
}

/* qmp_commands.h - what a client of QMP may ask for (qmp_commands.c), and what a command sees of its session (qmp.c). */
#ifndef RING3_QMP_COMMANDS_H
#define RING3_QMP_COMMANDS_H

#include "frontend/json.h"
#include "frontend/json_read.h"
#include "frontend/pc.h"

typedef struct Qmp Qmp;

typedef struct QmpCommand { /* one that is being carried out */
    Qmp *q;
    Pc *pc;
    const JsonReader *r;
    const JsonNode *args; /* an object; NULL: none were given */
} QmpCommand;

/* One of these at most, once; a command that calls none returns an empty object. */
Json *qmp_return(QmpCommand *c);                                 /* for one value, whose key is "return" */
void qmp_fail(QmpCommand *c, const char *fmt, ...) PRINTF(2, 3); /* a GenericError */
/* Carry out a line of the monitor: what it says is returned, or when `is_error` is an error unless it says nothing. The answer may
 * come later. */
void qmp_run_line(QmpCommand *c, const char *line, bool is_error);
void qmp_negotiated(QmpCommand *c); /* the client has said qmp_capabilities */

typedef struct QmpWord {
    const char *name;
    const char *
        args; /* "name:T other?:T": the type T is s text, i number, b yes or no, a list, o object; ?: may be left out */
    void (*run)(QmpCommand *c);
} QmpWord;
extern const QmpWord qmp_words[]; /* ends with a NULL name */

/* Of arguments that were checked against QmpWord.args. */
const char *qmp_text(const QmpCommand *c, const char *name); /* NULL: not given */
s64 qmp_number(const QmpCommand *c, const char *name, s64 otherwise);
bool qmp_flag(const QmpCommand *c, const char *name);                /* not given: false */
const JsonNode *qmp_argument(const QmpCommand *c, const char *name); /* NULL: not given */

/* version: {"qemu": {...}, "package": ...} */
void qmp_put_version(Json *j, const char *key);

#endif

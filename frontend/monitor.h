/* monitor.h - the prompt at which a person or a script looks into the machine and drives it. See monitor.c.
 *
 * The second half is for the files of its words: monitor_words.c, monitor_info.c, monitor_memory.c.
 */
#ifndef RING3_MONITOR_H
#define RING3_MONITOR_H

#include "frontend/channel.h"
#include "frontend/expr.h"
#include "frontend/pc.h"

typedef struct Monitor Monitor;
/* monitor_new - one more monitor, on a channel (its SIDE_MONITOR). Lives as long as the process. */
void monitor_new(Channel *c);
/* monitors_service - on the vCPU thread, between two guest instructions: read what was typed and do it. */
void monitors_service(Pc *pc);
/* monitors_tell - one line for whoever is at a monitor; standard error is left to say(). In the service hook, too. */
void monitors_tell(const char *text);

/* --- for the words --- */

typedef struct Command { /* a line that is being carried out */
    Monitor *monitor;
    Pc *pc;
    const char *word; /* "x", "info pic" */
    const char *rest; /* of the line: what has not been parsed yet */
    u64 until_ns;     /* a long answer ends then */
} Command;

typedef struct Word {
    const char *name, *alias; /* alias may be NULL */
    const char *args, *help;
    void (*run)(Command *c);
} Word;
extern const Word monitor_words[], info_words[]; /* end with a NULL name */

void command_say(Command *c, const char *fmt, ...) PRINTF(2, 3);
bool command_interrupted(Command *c); /* Ctrl-C, or ring3 is to end: work should end; that was said */
/* ... or nobody reads, or it has taken too long: a long answer should end. */
bool command_cut_short(Command *c);

/* Arguments, in turn. False: it is missing or wrong, and that was said. */
bool command_take_text(Command *c, char *to, size_t room, const char *what); /* a word or "quoted" */
bool command_take_number(Command *c, s64 *n);
/* The same within bounds; what: "port". */
bool command_take_within(Command *c, s64 *n, s64 least, s64 most, const char *what);
bool command_take_format(Command *c, Format *f);
bool command_take_end(Command *c);
bool command_at_end(Command *c);
bool command_take_flag(Command *c, char letter); /* -f; false: it is not there, which is no error */
void command_refuse(Command *c, const char *fmt, ...) PRINTF(2, 3); /* "WORD: ...", and where to read more */

/* Words that have a file of their own. */
void word_info(Command *c);
void word_x(Command *c);
void word_xp(Command *c);
void word_memsave(Command *c);
void word_pmemsave(Command *c);
void word_i(Command *c);
void word_o(Command *c);
void word_print(Command *c);
/* As QEMU names them: floppy0, ide0-hd0, ide1-cd0. */
const char *drive_name(const Drive *d, DriveId id);

#endif

/* monitor.h - the prompt at which a person or a script looks into the machine and drives it. See monitor.c.
 *
 * The second half is for the files of its words: monitor_words.c, monitor_info.c, monitor_memory.c, monitor_explain.c.
 */
#ifndef RING3_MONITOR_H
#define RING3_MONITOR_H

#include "frontend/debug/expr.h"
#include "frontend/host/channel.h"
#include "frontend/pc.h"

typedef struct Monitor Monitor;
/* monitor_new - one more monitor, on a channel (its SIDE_MONITOR). Lives as long as the process. */
void monitor_new(Channel *c);
/* monitors_service - on the vCPU thread, between two guest instructions: read what was typed and do it. */
void monitors_service(Pc *pc);
/* monitor_run - one line, as if somebody had typed it; what it says goes to `out`, with plain newlines. */
typedef void MonitorOut(void *ctx, const char *text, u32 n);
void monitor_run(Pc *pc, const char *line, MonitorOut *out, void *ctx);
/* monitor_for_program - a monitor of somebody who can wait, too: `done` is called when a word of monitor_do() that was not done at
 * once has come to its end; `has_left` is asked whether anybody still wants to know. */
typedef struct MonitorClient {
    MonitorOut *out;
    void (*done)(void *ctx);
    bool (*has_left)(void *ctx);
    void *ctx;
} MonitorClient;
Monitor *monitor_for_program(const MonitorClient *who);
bool monitor_do(Monitor *m, Pc *pc, const char *line); /* true: it is done */
/* monitors_show - text for whoever is at a monitor, and its prompt again. In the service hook, too. */
void monitors_show(const char *text);
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
void command_put(Command *c, const char *text); /* of any length */
/* The word is not done when it returns: no prompt and no other word until monitor_release(), with what it has to say. NULL:
 * this one cannot wait (monitor_run). */
Monitor *command_hold(Command *c);
void monitor_release(Monitor *m, const char *text);
/* Who waits for a held word has gone, has been replaced by another client, or has pressed Ctrl-C. */
bool monitor_has_left(Monitor *m);
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
/* monitor_debug.c, monitor_tables.c */
void word_s(Command *c);
void word_n(Command *c);
void word_lb(Command *c);
void word_pb(Command *c);
void word_vb(Command *c);
void word_watch(Command *c);
void word_d(Command *c);
void word_bt(Command *c);
void word_explain(Command *c); /* monitor_explain.c */
void info_network(Command *c); /* monitor_net.c */
void info_usernet(Command *c);
void word_hostfwd_add(Command *c);
void word_hostfwd_remove(Command *c);
void word_set_link(Command *c);
/* monitor_remote.c */
void info_vnc(Command *c);
void info_mice(Command *c);
bool change_vnc(Command *c); /* false: `change` is about something else */
void word_set_password(Command *c);
void word_mouse_set(Command *c);
void word_r(Command *c);
void word_sreg(Command *c);
void word_u(Command *c);
void info_break(Command *c);
void info_gdt(Command *c);
void info_idt(Command *c);
void info_ldt(Command *c);
void info_tss(Command *c);
void info_tab(Command *c);
void info_eflags(Command *c);
void word_info(Command *c);
/* monitor_screen.c */
void word_wait_for(Command *c);
void info_screen(Command *c);
/* monitor_snapshots.c */
void word_commit(Command *c);
void word_discard(Command *c);
void word_savevm(Command *c);
void word_loadvm(Command *c);
void word_delvm(Command *c);
void info_snapshots(Command *c);
/* monitor_balloon.c */
void word_balloon(Command *c);
void info_balloon(Command *c);
/* monitor_migrate.c */
void word_migrate(Command *c);
void word_migrate_cancel(Command *c);
void word_migrate_set_parameter(Command *c);
void info_migrate(Command *c);
void info_migrate_parameters(Command *c);
void word_x(Command *c);
void word_xp(Command *c);
void word_memsave(Command *c);
void word_pmemsave(Command *c);
void word_i(Command *c);
void word_o(Command *c);
void word_print(Command *c);

#endif

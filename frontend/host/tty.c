/* tty.c - see tty.h.
 *
 * Output processing stays on, so that traces on the same terminal are legible; a carriage return more does no harm.
 *
 * Ways out and who restores: exit() - atexit; CHECK - base_on_panic; SIGSEGV and its kind - on_fatal(), which then
 * dies of the signal; SIGINT and its kind - the I/O thread stops the machine (hostio.c), then exit(). The
 * translator takes SIGSEGV, SIGBUS and SIGFPE over; what is not its own becomes a CHECK. SIGKILL: nobody can.
 */
#include "frontend/host/tty.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static atomic_bool is_raw;

void tty_restore(void)
{
    if (atomic_exchange(&is_raw, false)) tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void on_fatal(int sig)
{
    tty_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

void tty_guard(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    struct sigaction a = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};
    atexit(tty_restore);
    base_on_panic = tty_restore;
    for (unsigned n = 0; n < ARRAY_LEN(fatal); n++) sigaction(fatal[n], &a, NULL);
}

bool tty_raw(bool signals)
{
    struct termios t;
    if (atomic_load(&is_raw)) return true;
    if (!isatty(STDIN_FILENO)) return false;
    /* A background job leaves the terminal alone; one that controls no terminal (-1) has this one for itself. */
    pid_t foreground = tcgetpgrp(STDIN_FILENO);
    if ((foreground >= 0 && foreground != getpgrp()) || tcgetattr(STDIN_FILENO, &t) < 0) return false;
    saved = t;
    atomic_store(&is_raw, true);
    t.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | (signals ? 0 : ISIG));
    t.c_cflag = (t.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    return tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

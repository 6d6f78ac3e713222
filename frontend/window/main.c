/* main.c - ring3-window: the part of ring3 that shows the guest's screen, in a process of its own.
 *
 * ring3 starts it with a socket as descriptor 3 and the words of its own command line that concern it:
 *     ring3-window -display auto|sdl|curses [-no-terminal] [-unsealed] [-full-screen] [-k LAYOUT] [-name NAME] [-echr N]
 * Descriptor 4, if it may use the terminal, is a connection to the monitor, for Ctrl-A C.
 * `auto` is the window, and where there is none the terminal, unless -no-terminal says that it is in use.
 * Exit code: 0 the machine has gone, 3 (WINDOW_NO_DISPLAY) nothing could be opened, 1 anything else.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/host/leave_signals.h"
#include "frontend/host/tty.h"
#include "frontend/window/displays.h"

typedef struct Wish {
    const char *display;
    bool no_terminal;
} Wish;

static void parse(Session *s, Wish *w, int argc, char **argv)
{
    for (int n = 1; n < argc; n++) {
        const char *value = n + 1 < argc ? argv[n + 1] : "";
        if (!strcmp(argv[n], "-full-screen")) s->full_screen = true;
        if (!strcmp(argv[n], "-unsealed")) s->unsealed = true;
        if (!strcmp(argv[n], "-no-terminal")) w->no_terminal = true;
        if (!strcmp(argv[n], "-display")) w->display = value, n++;
        if (!strcmp(argv[n], "-name")) s->name = value, n++;
        if (!strcmp(argv[n], "-echr")) tty_set_escape((u8)atoi(value)), n++;
        if (!strcmp(argv[n], "-k")) s->layout = layout_find(value), n++;
    }
    if (!s->layout) s->layout = layout_find(NULL);
}

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void take_monitor(Session *s)
{
    if (!is_socket(WINDOW_MONITOR)) return;
    fcntl(WINDOW_MONITOR, F_SETFD, FD_CLOEXEC);
    s->monitor = WINDOW_MONITOR;
}

/* A window of the desktop has nothing to say to the monitor, and shall not be able to. */
static int run_window(Session *s)
{
    if (s->monitor >= 0) close(s->monitor);
    s->monitor = -1;
    sdl_run(s);
    return 0;
}

/* The guest's memory went away under us: ring3 has ended, or is not what it should be. */
static void on_bus_error(int sig)
{
    static const char text[] = "ring3-window: the guest's memory is gone; the window closes\n";
    (void)sig;
    curses_restore();
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}

static void on_fatal(int sig)
{
    curses_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void set_signals(void)
{
    leave_signals();
    signal(SIGBUS, on_bus_error);
    signal(SIGSEGV, on_fatal);
    signal(SIGABRT, on_fatal);
}

static bool open_terminal(Session *s, const Wish *w, char *why, u32 bytes)
{
    if (w->no_terminal || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        snprintf(why, bytes, "%s",
                 w->no_terminal ? "the terminal is in use" : "standard input and output are no terminal");
        return false;
    }
    return curses_open(s, why, bytes);
}

static int run(Session *s, const Wish *w)
{
    char why[300] = "";
    if (strcmp(w->display, "curses") != 0) {
        if (sdl_open(s, why, sizeof why)) return run_window(s);
        if (!strcmp(w->display, "sdl")) {
            fprintf(stderr, "ring3: -display sdl: %s\n", why);
            return WINDOW_NO_DISPLAY;
        }
    }
    if (open_terminal(s, w, why, sizeof why)) return curses_run(s), 0;
    if (!strcmp(w->display, "curses")) fprintf(stderr, "ring3: -display curses: %s\n", why);
    return WINDOW_NO_DISPLAY;
}

int main(int argc, char **argv)
{
    static Session session = {.socket = WINDOW_SOCKET, .monitor = -1, .name = ""};
    Wish wish = {.display = "auto"};
    parse(&session, &wish, argc, argv);
    if (!is_socket(WINDOW_SOCKET)) {
        fprintf(stderr, "ring3-window: ring3 starts this program; it does nothing by itself\n");
        return 1;
    }
    fcntl(WINDOW_SOCKET, F_SETFD, FD_CLOEXEC);
    take_monitor(&session);
    set_signals();
    int code = run(&session, &wish);
    session_end(&session);
    return code;
}

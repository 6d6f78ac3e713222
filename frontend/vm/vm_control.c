/* vm_control.c - `ring3 vm stop`, `suspend` and `list`: a running machine is spoken to at its control socket, by QMP
 * (monitor/qmp.c).
 *
 * The socket's folder is gone into first: its path may be longer than a socket's may be. Whoever answers is not believed
 * beyond "return" or "error": a line has an end, and a time limit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "frontend/vm/vm.h"

enum { ANSWER_S = 120, GLANCE_S = 1, STOP_S = 60, LINE = 16384 };

typedef struct Control {
    int fd;
    char bytes[LINE];
    unsigned count;
} Control;

/* One line, without its end, to `to`. */
static bool next_line(Control *c, char to[LINE])
{
    for (;;) {
        char *end = memchr(c->bytes, '\n', c->count);
        if (end) {
            unsigned n = (unsigned)(end - c->bytes);
            memcpy(to, c->bytes, n);
            to[n] = 0;
            c->count -= n + 1;
            memmove(c->bytes, end + 1, c->count);
            return true;
        }
        ssize_t got = c->count < sizeof c->bytes - 1
                          ? recv(c->fd, c->bytes + c->count, sizeof c->bytes - 1 - c->count, 0)
                          : 0;
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        c->count += (unsigned)got;
    }
}

/* What an error says, or the line. */
static void take_reason(const char *line, Problem *p)
{
    static const char mark[] = "\"desc\":\"";
    const char *desc = strstr(line, mark);
    desc = desc ? desc + sizeof mark - 1 : line;
    problem_set(p, "%.*s", (int)strcspn(desc, "\"\r\\"), desc);
}

/* What it answered stays in `line`. */
static bool ask_for(Control *c, const char *command, char line[LINE], Problem *p)
{
    size_t n = strlen(command);
    if (send(c->fd, command, n, MSG_NOSIGNAL) != (ssize_t)n)
        return problem_set(p, "its control socket is closed");
    while (next_line(c, line)) {
        if (strstr(line, "\"event\"")) continue;
        const char *word = strstr(line, "\"return\":\"Error: "); /* of a word of the monitor's */
        if (strstr(line, "\"return\"") && !word) return true;
        take_reason(word ? strstr(word, "Error: ") + 7 : line, p);
        return false;
    }
    return problem_set(p, "it does not answer at its control socket");
}

static bool ask(Control *c, const char *command, Problem *p)
{
    char line[LINE];
    return ask_for(c, command, line, p);
}

static bool open_control(const Vm *vm, Control *c, int patience_s, Problem *p)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = VM_CONTROL};
    struct timeval limit = {.tv_sec = patience_s};
    char line[LINE];
    *c = (Control){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (c->fd < 0 || chdir(vm->folder) < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0) {
        problem_set(p, "%s/" VM_CONTROL ": %s", vm->name, strerror(errno));
        if (c->fd >= 0) close(c->fd);
        return false;
    }
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (next_line(c, line) && ask(c, "{\"execute\": \"qmp_capabilities\"}\n", p)) return true;
    close(c->fd);
    return problem_set(p, "'%s' does not answer at its control socket", vm->name);
}

static bool is_gone(const Vm *vm, int seconds)
{
    const struct timespec tick = {.tv_nsec = 50000000};
    for (int n = 0; n < seconds * 20; n++) {
        if (!vm_process(vm)) return true;
        nanosleep(&tick, NULL);
    }
    return false;
}

/* The machine of this name, which runs, and somebody who listens in it. */
static bool find_running(const VmWords *w, Vm *vm, Control *c)
{
    Problem p;
    bool found = vm_find(vm, w->name[0], &p);
    if (found && vm_process(vm) == 0) found = problem_set(&p, "'%s' is not running", vm->name);
    if (found && open_control(vm, c, ANSWER_S, &p)) return true;
    vm_fail(w, "%s", p.text);
    return false;
}

/* Another program may be connected, which is not waited for. */
u64 vm_running_memory(const Vm *vm)
{
    static const char mark[] = "\"base-memory\":";
    char line[LINE];
    Control c;
    Problem p;
    if (!open_control(vm, &c, GLANCE_S, &p)) return 0;
    bool told = ask_for(&c, "{\"execute\": \"query-memory-size-summary\"}\n", line, &p);
    const char *number = told ? strstr(line, mark) : NULL;
    close(c.fd);
    return number ? strtoull(number + sizeof mark - 1, NULL, 10) : 0;
}

static const char quit[] = "{\"execute\": \"quit\"}\n";

int vm_stop(const VmWords *w)
{
    Vm vm;
    Control c;
    Problem p = {""};
    if (!find_running(w, &vm, &c)) return 1;
    ask(&c,
        "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"" VM_PICTURE
        "\", \"format\": \"png\"}}\n",
        &p);
    bool asked = ask(&c, w->force ? quit : "{\"execute\": \"system_powerdown\"}\n", &p);
    bool gone = asked && is_gone(&vm, STOP_S);
    close(c.fd);
    if (gone) return 0;
    p.text[strcspn(p.text, ";")] = 0; /* behind it stands the monitor's own way out */
    if (!asked && !w->force) return vm_fail(w, "'%s': %s; --force switches it off", vm.name, p.text);
    if (!asked) return vm_fail(w, "'%s': %s", vm.name, p.text);
    return vm_fail(w, "'%s' was told, and still runs after %d s; --force switches it off", vm.name, STOP_S);
}

int vm_suspend(const VmWords *w)
{
    Vm vm;
    Control c;
    Problem p;
    if (!find_running(w, &vm, &c)) return 1;
    ask(&c,
        "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"" VM_PICTURE
        "\", \"format\": \"png\"}}\n",
        &p);
    bool saved = ask(&c, "{\"execute\": \"stop\"}\n", &p) &&
                 ask(&c,
                     "{\"execute\": \"human-monitor-command\", \"arguments\": "
                     "{\"command-line\": \"savevm " VM_SUSPENDED "\"}}\n",
                     &p);
    if (saved) saved = vm_write(VM_SUSPENDED, VM_SUSPENDED_NOTE, &p);
    Problem other;
    ask(&c, saved ? quit : "{\"execute\": \"cont\"}\n", &other);
    bool gone = !saved || is_gone(&vm, STOP_S);
    close(c.fd);
    if (!saved) return vm_fail(w, "%s; it runs on", p.text);
    return gone ? 0 : vm_fail(w, "'%s' is saved, but still there", vm.name);
}

/* monitor_net.c - the monitor's words about networks: info network, info usernet, hostfwd_add, hostfwd_remove, set_link. Names,
 * arguments and answers are QEMU's. */
#include "frontend/monitor/monitor.h"
#include "frontend/net.h"

static void say_to_command(void *ctx, const char *text) { command_say(ctx, "%s", text); }

void info_network(Command *c)
{
    if (command_take_end(c)) net_show(say_to_command, c);
}

void info_usernet(Command *c)
{
    if (command_take_end(c)) net_show_connections(say_to_command, c);
}

/* [ID] RULE */
static void forward(Command *c, const char *done)
{
    char first[300], second[300];
    Problem p;
    if (!command_take_text(c, first, sizeof first, "rule")) return;
    bool named = !command_at_end(c);
    if ((named && !command_take_text(c, second, sizeof second, "rule")) || !command_take_end(c)) return;
    if (!net_hostfwd(c->word, named ? first : NULL, named ? second : first, &p))
        command_say(c, "Error: %s\n", p.text);
    else if (done)
        command_say(c, "host forwarding rule for %s %s\n", named ? second : first, done);
}

void word_hostfwd_add(Command *c) { forward(c, NULL); }
void word_hostfwd_remove(Command *c) { forward(c, "removed"); }

void word_set_link(Command *c)
{
    char name[NET_NAME], state[8];
    if (!command_take_text(c, name, sizeof name, "name") ||
        !command_take_text(c, state, sizeof state, "on|off") || !command_take_end(c))
        return;
    bool on = !strcmp(state, "on");
    if (!on && strcmp(state, "off"))
        command_say(c, "Error: Parameter 'up' expects 'on' or 'off'\n");
    else if (!net_set_link(name, on))
        command_say(c, "Error: Device '%s' not found; 'info network' lists them\n", name);
}

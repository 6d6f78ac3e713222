/* monitor_remote.c - the monitor's words about viewers elsewhere and the pointer: change vnc, set_password, info vnc, info mice,
 * mouse_set. Names, arguments and answers are QEMU's. Not there: expire_password, set_password for SPICE.
 */
#include "frontend/display/vnc.h"
#include "frontend/inbox.h"
#include "frontend/monitor/monitor.h"

static void say_to_command(void *ctx, const char *text) { command_say(ctx, "%s", text); }

void info_vnc(Command *c)
{
    if (command_take_end(c)) vnc_show(say_to_command, c);
}

static void set_password(Command *c, const char *password)
{
    Problem p;
    if (!vnc_set_password(password, &p)) command_say(c, "Error: %s\n", p.text);
}

/* vnc password WORD */
bool change_vnc(Command *c)
{
    char what[16], password[128];
    const char *device = c->rest + strspn(c->rest, " ");
    if (strncmp(device, "vnc ", 4)) return false;
    c->rest = device + 4;
    if (!command_take_text(c, what, sizeof what, "password")) return true;
    if (strcmp(what, "password") && strcmp(what, "passwd")) {
        command_say(c, "Error: only the password can be changed: change vnc password WORD\n");
        return true;
    }
    if (command_take_text(c, password, sizeof password, "password") && command_take_end(c))
        set_password(c, password);
    return true;
}

/* protocol password [keep]: who is connected stays so. */
void word_set_password(Command *c)
{
    char protocol[16], password[128], connected[16] = "keep";
    if (!command_take_text(c, protocol, sizeof protocol, "protocol") ||
        !command_take_text(c, password, sizeof password, "password") ||
        (!command_at_end(c) && !command_take_text(c, connected, sizeof connected, "action")) ||
        !command_take_end(c))
        return;
    if (strcmp(protocol, "vnc"))
        command_say(c, "Error: Parameter 'protocol' does not accept value '%s'\n", protocol);
    else if (strcmp(connected, "keep"))
        command_say(c, "Error: parameter 'connected' must be 'keep' when 'protocol' is 'vnc'\n");
    else
        set_password(c, password);
}

enum { MOUSE_PS2, MOUSE_VMMOUSE };

void info_mice(Command *c)
{
    Machine *m = c->pc->machine;
    bool places = machine_wants_pointer(m);
    if (!command_take_end(c)) return;
    command_say(c, "%c Mouse #%d: PS/2 Mouse\n", places ? ' ' : '*', MOUSE_PS2);
    if (machine_has_pointer(m))
        command_say(c, "%c Mouse #%d: vmmouse (absolute)\n", places ? '*' : ' ', MOUSE_VMMOUSE);
}

void word_mouse_set(Command *c)
{
    Machine *m = c->pc->machine;
    s64 n;
    if (!command_take_number(c, &n) || !command_take_end(c)) return;
    if (n != MOUSE_PS2 && !(n == MOUSE_VMMOUSE && machine_has_pointer(m)))
        command_say(c, "Error: Mouse at index '%lld' not found; 'info mice' lists them\n", (long long)n);
    else
        inbox_deliver(&(InboxEvent){.kind = INBOX_MOUSE_MODE, .movements = n == MOUSE_PS2});
}

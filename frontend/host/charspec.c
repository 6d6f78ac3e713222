/* charspec.c - see charspec.h.
 *
 *   null, none | stdio | pty | file:PATH | unix:PATH[,OPTION...] | tcp:[HOST]:PORT[,OPTION...] | telnet:[HOST]:PORT[,...]
 *   | mon:any of these
 *   OPTION: server[=on|off], wait[=on|off], nowait, nodelay[=on|off], telnet[=on|off]; a comma in PATH is written twice
 *
 * As in QEMU a server waits for its first client unless told not to. Not there: websockets, udp, vc, pipes, reconnect.
 */
#include "frontend/host/charspec.h"

#include <stdlib.h>

#include "frontend/options/option_words.h"
#include "frontend/say.h"

static const Absent absent[] = {
    {"vc*", "no text consoles in the window: stdio, pty, file:PATH or telnet:HOST:PORT,server=on,wait=off"},
    {"pipe:*", "no named pipes: file:PATH, or unix:PATH,server=on,wait=off for both ways"},
    {"udp:*", "no datagrams: tcp:HOST:PORT"},
    {"websocket:*", "no websockets: tcp:HOST:PORT,server=on,wait=off"},
    {"chardev:*", "no named character devices: say the DEV itself, such as stdio, or mon:stdio for both"},
    {"msmouse", "no serial mouse: the mouse is on the PS/2 port"},
    {"wctablet", "no tablet: the mouse is on the PS/2 port"},
    {"braille", "no Braille display: stdio or pty"},
    {"testdev", "no such device: -device isa-debug-exit ends ring3 at the guest's wish"},
    {"/dev/*", "no port of the host: unix:PATH or pty, which socat connects with it"},
    {"COM*", "no port of the host: pty, unix:PATH or tcp:HOST:PORT"},
    {"con:*", "no console of the host: stdio"},
    {"ringbuf*", "no ring in memory: file:PATH"},
    {"spice*", "no SPICE: tcp:HOST:PORT,server=on,wait=off"},
    {NULL, NULL}};

static const char *const words[CHAR_KINDS] = {
    [CHAR_NULL] = "null", [CHAR_STDIO] = "stdio",    [CHAR_FILE] = "file:PATH",
    [CHAR_PTY] = "pty",   [CHAR_UNIX] = "unix:PATH", [CHAR_TCP] = "tcp:HOST:PORT",
};

static bool refuse(const char *option, const char *value, bool with_mux)
{
    Suggest s;
    suggest_begin(&s, value);
    for (int n = 0; n < CHAR_KINDS; n++) suggest_offer(&s, words[n]);
    if (with_mux) suggest_offer(&s, "mon:stdio");
    const char *near = suggest_result(&s), *why = absent_why(absent, value);
    if (why) return absent_refuse(option, value, why) == OPTIONS_RUN;
    if (near)
        say("%s %.80s: did you mean '%s'?", option, value, near);
    else
        say("%s %.80s: there is no such DEV", option, value);
    say("%s takes one of: stdio, pty, file:PATH, unix:PATH[,server=on,wait=off], "
        "tcp:HOST:PORT[,server=on,wait=off], telnet:..., null%s",
        option, with_mux ? ", mon:stdio" : "");
    return false;
}

/* Strings for the life of the process. */
typedef struct Kept {
    struct Kept *next;
    char text[];
} Kept;
static Kept *kept;

/* The text up to a single comma, with double ones made single; *s moves to the comma or the end. */
static char *part_of(const char **s)
{
    Kept *k = malloc(sizeof *k + strlen(*s) + 1);
    CHECK(k, "no memory");
    k->next = kept;
    kept = k;
    char *at = k->text;
    while (**s && (**s != ',' || (*s)[1] == ',')) {
        *s += **s == ',';
        *at++ = *(*s)++;
    }
    *at = 0;
    return k->text;
}

static bool parse_switch(const char *text, const char *name, bool *to)
{
    size_t n = strlen(name);
    if (strncmp(text, name, n)) return false;
    text += n;
    *to = strcmp(text, "=off") != 0;
    return !*text || !strcmp(text, "=on") || !strcmp(text, "=off");
}

static bool parse_one(CharSpec *to, const char *word)
{
    bool no_wait, unused;
    if (parse_switch(word, "nowait", &no_wait)) return to->wait = !no_wait, true;
    return parse_switch(word, "server", &to->server) || parse_switch(word, "wait", &to->wait) ||
           parse_switch(word, "nodelay", &unused) ||
           (to->kind == CHAR_TCP && parse_switch(word, "telnet", &to->telnet));
}

static bool parse_socket_options(CharSpec *to, const char *s, const char *option, const char *value)
{
    to->wait = true;
    while (*s) {
        s++;
        if (parse_one(to, part_of(&s))) continue;
        say("%s %.120s: behind the address come only server=on, wait=off", option, value);
        return false;
    }
    return true;
}

/* A number that fits, or a service's name. (The C library would take a larger one modulo 65536.) */
static bool port_possible(const char *port)
{
    return port[strspn(port, "0123456789")] || (strlen(port) < 10 && strtoul(port, NULL, 10) <= 65535);
}

static bool parse_tcp(CharSpec *to, const char *s, const char *option, const char *value)
{
    to->kind = CHAR_TCP;
    char *host = part_of(&s), *colon = strrchr(host, ':');
    if (!colon || !colon[1]) {
        say("%s %.120s: an address is tcp:HOST:PORT", option, value);
        return false;
    }
    if (!port_possible(colon + 1)) {
        say("%s %.120s: a port is from 0 to 65535", option, value);
        return false;
    }
    *colon = 0;
    to->port = colon + 1;
    size_t n = strlen(host);
    if (n > 2 && *host == '[' && host[n - 1] == ']') { /* an IPv6 address */
        host[n - 1] = 0;
        host++;
    }
    to->path = host;
    return parse_socket_options(to, s, option, value);
}

static bool parse_any(CharSpec *to, const char *option, const char *value, CharUse use)
{
    *to = (CharSpec){.reads = use != USE_OUTPUT};
    const char *s = value;
    bool with_mux = use == USE_SERIAL, mux = with_mux && !strncmp(s, "mon:", 4);
    if (mux) s += 4;
    to->mux = mux;
    if (!strncmp(s, "tcp:", 4)) return parse_tcp(to, s + 4, option, value);
    if (!strncmp(s, "telnet:", 7)) {
        to->telnet = true;
        return parse_tcp(to, s + 7, option, value);
    }
    if (!strncmp(s, "unix:", 5) && s[5] && s[5] != ',') {
        s += 5;
        to->kind = CHAR_UNIX;
        to->path = part_of(&s);
        return parse_socket_options(to, s, option, value);
    }
    if (!strncmp(s, "file:", 5) && s[5]) {
        to->kind = CHAR_FILE;
        to->path = s + 5;
        return true;
    }
    for (CharKind k = CHAR_NULL; k <= CHAR_PTY; k++)
        if (k != CHAR_FILE && !strcmp(s, words[k])) {
            to->kind = k;
            return true;
        }
    return !strcmp(s, "none") || refuse(option, value, with_mux);
}

static bool settle_gdb(CharSpec *to, const char *option, const char *value)
{
    if (to->kind != CHAR_NULL && to->kind != CHAR_UNIX && (to->kind != CHAR_TCP || to->telnet)) {
        say("%s %.80s: gdb connects to tcp:[HOST]:PORT or unix:PATH", option, value);
        return false;
    }
    to->server = true;
    to->wait = false;
    if (to->kind == CHAR_TCP && !*to->path) to->path = "127.0.0.1";
    return true;
}

bool charspec_parse(CharSpec *to, const char *option, const char *value, CharUse use)
{
    return parse_any(to, option, value, use) && (use != USE_GDB || settle_gdb(to, option, value));
}

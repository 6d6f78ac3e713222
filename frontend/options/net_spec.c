/* net_spec.c - see net_spec.h.
 *
 * One table of keys: which kinds have it, what it takes, where it goes. The words are those of QEMU 7.2's -netdev.
 *
 *   user    net=ADDR[/BITS], host=, dns=, dhcpstart=, hostname=, domainname=, restrict=on, ipv4=off, ipv6=off, tftp=DIR,
 *           tftp-server-name=, bootfile=FILE, hostfwd=RULE and guestfwd=RULE (each as often as wanted)
 *   stream  addr.type=unix, addr.path= | addr.type=inet, addr.host=, addr.port=; server=on; reconnect=SECONDS
 *   dgram   local.type=unix, local.path=, remote.type=unix, remote.path= | inet: local.host=, local.port=, remote...
 *   socket  listen=[HOST]:PORT | connect=HOST:PORT | udp=HOST:PORT,localaddr=[HOST]:PORT
 *   tap     ifname=NAME | fd=N
 *   vde     sock=DIR, port=, group=, mode=
 * for all: id=, dump=FILE.pcap
 *
 * Not implemented: smb= and guestfwd to cmd: (ring3-net starts no program), dnssearch=, the ipv6-...= addresses,
 * socket,mcast=, tap's scripts and helper (the device is made before: docs/NETWORK.md), vhost.
 */
#include "frontend/options/net_spec.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "frontend/options/option_words.h"
#include "frontend/say.h"

typedef enum KeyType { K_TEXT, K_SWITCH, K_SWITCH_OFF, K_ADDRESS, K_NUMBER, K_CALL, K_REFUSED } KeyType;
typedef OptionsResult Taker(NetSpec *s, const Pair *pair, const char *option);
typedef struct Key {
    const char *name;
    u32 kinds; /* BIT(NetKind), and SOCKET for the old words */
    KeyType type;
    size_t at, bytes; /* in NetSpec */
    Taker *take;
    const char *why; /* K_REFUSED */
} Key;

enum {
    USER = BIT(NET_USER),
    TAP = BIT(NET_TAP),
    VDE = BIT(NET_VDE),
    STREAM = BIT(NET_STREAM),
    DGRAM = BIT(NET_DGRAM),
    SOCKET = BIT(NET_KINDS),
    ANY = ~0u
};

static const char *const kinds[] = {"none", "user", "tap", "vde", "stream", "dgram", "socket"};
const char *net_kind_name(NetKind kind) { return kinds[kind]; }

/* --- values ---------------------------------------------------------------------------------------------- */

/* `option` ends with a comma. */
static OptionsResult refuse(const char *option, const Pair *pair, const char *why)
{
    say("%s%.31s=%.80s: %s", option, pair->key, pair->value, why);
    return OPTIONS_BAD;
}

static OptionsResult take_text(char *to, size_t room, const Pair *pair, const char *option)
{
    if (strlen(pair->value) >= room) return refuse(option, pair, "too long");
    if (!*pair->value) return refuse(option, pair, "an empty value: leave it out");
    strcpy(to, pair->value);
    return OPTIONS_RUN;
}

/* "24" or "255.255.255.0". */
static bool parse_mask(const char *text, u32 *mask)
{
    struct in_addr a;
    u32 bits;
    const char *at = text;
    if (parse_number(&at, &bits) && !*at) {
        *mask = bits && bits <= 32 ? ~0u << (32 - bits) : 0;
        return true;
    }
    if (inet_pton(AF_INET, text, &a) != 1) return false;
    *mask = ntohl(a.s_addr);
    return !(~*mask & (~*mask + 1));
}

/* ADDR, ADDR/BITS or ADDR/MASK. */
static OptionsResult take_net(NetSpec *s, const Pair *pair, const char *option)
{
    char text[PAIR_VALUE_BYTES];
    u32 mask = 0xffffff00;
    strcpy(text, pair->value);
    char *slash = strchr(text, '/');
    if (slash) *slash++ = 0;
    bool good = (!slash || parse_mask(slash, &mask)) && inet_pton(AF_INET, text, &s->net) == 1;
    if (!good || mask < 0xff000000 || mask > ~7u)
        return refuse(option, pair, "takes a network, such as 10.0.2.0/24 (8 to 29 bits)");
    s->mask.s_addr = htonl(mask);
    s->net.s_addr &= s->mask.s_addr;
    return OPTIONS_RUN;
}

static bool take_port(const char **s, u16 *port)
{
    u32 n;
    if (!parse_number(s, &n) || n > 0xffff) return false;
    *port = (u16)n;
    return true;
}

/* As far as the character `end`, to *a; nothing: 0. Moves *s behind it. */
static bool take_inet(const char **s, char end, struct in_addr *a)
{
    char text[40];
    size_t n = strcspn(*s, ":-");
    if ((*s)[n] != end || n >= sizeof text) return false;
    memcpy(text, *s, n);
    text[n] = 0;
    *s += n + 1;
    a->s_addr = 0;
    return !n || inet_pton(AF_INET, text, a) == 1;
}

/* tcp: or udp: or only the colon. */
static bool take_protocol(const char **s, bool *is_udp)
{
    *is_udp = !strncmp(*s, "udp:", 4);
    size_t n = *is_udp || !strncmp(*s, "tcp:", 4) ? 4 : **s == ':';
    *s += n;
    return n;
}

bool net_spec_forward(const char *text, NetForward *f, const char **why)
{
    memset(f, 0, sizeof *f);
    *why = "takes tcp:[ADDR]:PORT-[ADDR]:PORT, such as tcp::2222-:22; udp: likewise";
    if (!take_protocol(&text, &f->is_udp) || !take_inet(&text, ':', &f->host) ||
        !take_port(&text, &f->host_port))
        return false;
    if (*text++ != '-' || !take_inet(&text, ':', &f->guest) || !take_port(&text, &f->guest_port) || *text)
        return false;
    *why = "the guest's port is 1 to 65535";
    return f->guest_port;
}

static OptionsResult add_forward(NetSpec *s, const NetForward *f, const Pair *pair, const char *option)
{
    if (s->forwards == NET_FORWARDS) return refuse(option, pair, "at most 64 of them");
    s->forward[s->forwards++] = *f;
    return OPTIONS_RUN;
}

static OptionsResult take_hostfwd(NetSpec *s, const Pair *pair, const char *option)
{
    NetForward f;
    const char *why;
    if (!net_spec_forward(pair->value, &f, &why)) return refuse(option, pair, why);
    return add_forward(s, &f, pair, option);
}

/* [tcp]:ADDR:PORT-TARGET */
static OptionsResult take_guestfwd(NetSpec *s, const Pair *pair, const char *option)
{
    static const char form[] =
        "takes tcp:ADDR:PORT-tcp:HOST:PORT or ...-unix:PATH, ADDR being one of the guest's network";
    NetForward f = {.is_guest = true};
    const char *at = pair->value;
    if (!take_protocol(&at, &f.is_udp) || f.is_udp || !take_inet(&at, ':', &f.guest) || !f.guest.s_addr ||
        !take_port(&at, &f.guest_port) || !f.guest_port || *at++ != '-')
        return refuse(option, pair, form);
    if (!strncmp(at, "cmd:", 4))
        return refuse(option, pair, "no program is started: tcp:HOST:PORT or unix:PATH of one that runs");
    bool is_unix = !strncmp(at, "unix:", 5) && at[5], is_tcp = !strncmp(at, "tcp:", 4) && strchr(at + 4, ':');
    if ((!is_unix && !is_tcp) || strlen(at) >= sizeof f.target) return refuse(option, pair, form);
    strcpy(f.target, at);
    return add_forward(s, &f, pair, option);
}

/* [HOST]:PORT */
static OptionsResult take_host_port(NetAddress *a, const Pair *pair, const char *option)
{
    const char *colon = strrchr(pair->value, ':');
    size_t host = colon ? (size_t)(colon - pair->value) : 0;
    if (!colon || !colon[1] || strlen(colon + 1) >= sizeof a->port || host >= sizeof a->path)
        return refuse(option, pair, "takes HOST:PORT");
    a->is_set = true;
    memcpy(a->path, pair->value, host);
    a->path[host] = 0;
    strcpy(a->port, colon + 1);
    return OPTIONS_RUN;
}

static OptionsResult take_listen(NetSpec *s, const Pair *pair, const char *option)
{
    s->is_server = true;
    return take_host_port(&s->address, pair, option);
}
static OptionsResult take_connect(NetSpec *s, const Pair *pair, const char *option)
{
    return take_host_port(&s->address, pair, option);
}
static OptionsResult take_udp(NetSpec *s, const Pair *pair, const char *option)
{
    s->kind = NET_DGRAM;
    return take_host_port(&s->address, pair, option);
}
static OptionsResult take_localaddr(NetSpec *s, const Pair *pair, const char *option)
{
    return take_host_port(&s->local, pair, option);
}

/* addr.type= and its like; addr.path, addr.host and addr.port are beside it. */
static OptionsResult take_type(NetAddress *a, const Pair *pair, const char *option)
{
    static const char *const types[] = {"inet", "unix"};
    unsigned which;
    char name[80];
    snprintf(name, sizeof name, "%s%.31s=", option, pair->key);
    OptionsResult r = words_choose(name, pair->value, types, ARRAY_LEN(types), &which);
    if (r == OPTIONS_RUN) {
        a->is_set = true;
        a->is_unix = which;
    }
    return r;
}
static OptionsResult take_addr_type(NetSpec *s, const Pair *pair, const char *option)
{
    return take_type(&s->address, pair, option);
}
static OptionsResult take_local_type(NetSpec *s, const Pair *pair, const char *option)
{
    return take_type(&s->local, pair, option);
}

static OptionsResult take_fd(NetSpec *s, const Pair *pair, const char *option)
{
    const char *at = pair->value;
    u32 n;
    if (!parse_number(&at, &n) || *at || n < 3 || n > 65535)
        return refuse(option, pair, "takes the number of an open descriptor, 3 or more");
    s->fd = (int)n;
    return OPTIONS_RUN;
}

static OptionsResult take_script(NetSpec *s, const Pair *pair, const char *option)
{
    (void)s;
    if (!strcmp(pair->value, "no") || !*pair->value) return OPTIONS_RUN;
    return refuse(
        option, pair,
        "no program is started: make the device before, as docs/NETWORK.md shows, and say script=no");
}

/* --- the table ------------------------------------------------------------------------------------------- */

#define IN(field) offsetof(NetSpec, field), sizeof((NetSpec *)0)->field
#define CALL(f)   0, 0, f, NULL
static const char no_program[] =
    "no program is started: run smbd beside, and the guest reaches it at the host's address";

static const Key keys[] = {
    {"id", ANY, K_TEXT, IN(id), NULL, NULL},
    {"dump", ANY, K_TEXT, IN(dump), NULL, NULL},
    {"net", USER, K_CALL, CALL(take_net)},
    {"host", USER, K_ADDRESS, IN(host), NULL, NULL},
    {"dns", USER, K_ADDRESS, IN(dns), NULL, NULL},
    {"dhcpstart", USER, K_ADDRESS, IN(dhcp), NULL, NULL},
    {"hostname", USER, K_TEXT, IN(hostname), NULL, NULL},
    {"domainname", USER, K_TEXT, IN(domain), NULL, NULL},
    {"restrict", USER, K_SWITCH, IN(restricted), NULL, NULL},
    {"ipv4", USER, K_SWITCH_OFF, IN(no_ipv4), NULL, NULL},
    {"ipv6", USER, K_SWITCH_OFF, IN(no_ipv6), NULL, NULL},
    {"tftp", USER, K_TEXT, IN(tftp), NULL, NULL},
    {"tftp-server-name", USER, K_TEXT, IN(server_name), NULL, NULL},
    {"bootfile", USER, K_TEXT, IN(bootfile), NULL, NULL},
    {"hostfwd", USER, K_CALL, CALL(take_hostfwd)},
    {"guestfwd", USER, K_CALL, CALL(take_guestfwd)},
    {"smb", USER, K_REFUSED, 0, 0, NULL, no_program},
    {"server", STREAM, K_SWITCH, IN(is_server), NULL, NULL},
    {"addr.type", STREAM, K_CALL, CALL(take_addr_type)},
    {"addr.path", STREAM, K_TEXT, IN(address.path), NULL, NULL},
    {"addr.host", STREAM, K_TEXT, IN(address.path), NULL, NULL},
    {"addr.port", STREAM, K_TEXT, IN(address.port), NULL, NULL},
    {"reconnect", STREAM, K_NUMBER, IN(reconnect_s), NULL, NULL},
    {"local.type", DGRAM, K_CALL, CALL(take_local_type)},
    {"local.path", DGRAM, K_TEXT, IN(local.path), NULL, NULL},
    {"local.host", DGRAM, K_TEXT, IN(local.path), NULL, NULL},
    {"local.port", DGRAM, K_TEXT, IN(local.port), NULL, NULL},
    {"remote.type", DGRAM, K_CALL, CALL(take_addr_type)},
    {"remote.path", DGRAM, K_TEXT, IN(address.path), NULL, NULL},
    {"remote.host", DGRAM, K_TEXT, IN(address.path), NULL, NULL},
    {"remote.port", DGRAM, K_TEXT, IN(address.port), NULL, NULL},
    {"listen", SOCKET, K_CALL, CALL(take_listen)},
    {"connect", SOCKET, K_CALL, CALL(take_connect)},
    {"udp", SOCKET, K_CALL, CALL(take_udp)},
    {"localaddr", SOCKET, K_CALL, CALL(take_localaddr)},
    {"mcast", SOCKET, K_REFUSED, 0, 0, NULL,
     "no multicast: ring3 switch joins more than two (docs/NETWORK.md)"},
    {"ifname", TAP, K_TEXT, IN(ifname), NULL, NULL},
    {"fd", TAP, K_CALL, CALL(take_fd)},
    {"script", TAP, K_CALL, CALL(take_script)},
    {"downscript", TAP, K_CALL, CALL(take_script)},
    {"sock", VDE, K_TEXT, IN(vde), NULL, NULL},
    {"port", VDE, K_NUMBER, IN(vde_port), NULL, NULL},
    {"group", VDE, K_TEXT, IN(group), NULL, NULL},
    {"mode", VDE, K_NUMBER, IN(vde_mode), NULL, NULL},
};

static u32 kind_bit(const NetSpec *s) { return s->is_socket ? SOCKET : BIT(s->kind); }

static OptionsResult take_number(u32 *to, const Pair *pair, const char *option)
{
    const char *at = pair->value;
    return parse_number(&at, to) && !*at ? OPTIONS_RUN : refuse(option, pair, "takes a number");
}

static OptionsResult take_address(struct in_addr *to, const Pair *pair, const char *option)
{
    return inet_pton(AF_INET, pair->value, to) == 1
               ? OPTIONS_RUN
               : refuse(option, pair, "takes an address, such as 10.0.2.2");
}

static OptionsResult take_key(NetSpec *s, const Key *k, const Pair *pair, const char *option)
{
    u8 *to = (u8 *)s + k->at;
    OptionsResult r;
    switch (k->type) {
    case K_TEXT: return take_text((char *)to, k->bytes, pair, option);
    case K_ADDRESS: return take_address((struct in_addr *)to, pair, option);
    case K_NUMBER: return take_number((u32 *)to, pair, option);
    case K_CALL: return k->take(s, pair, option);
    case K_REFUSED: return refuse(option, pair, k->why);
    case K_SWITCH: return pair_switch(pair, option, (bool *)to);
    default:
        r = pair_switch(pair, option, (bool *)to);
        *(bool *)to = !*(bool *)to;
        return r;
    }
}

/* --- all together ---------------------------------------------------------------------------------------- */

static OptionsResult refuse_key(const NetSpec *s, const Pair *pair, const char *option, bool with_card)
{
    const char *names[ARRAY_LEN(keys) + 3];
    unsigned count = 0;
    for (unsigned n = 0; n < ARRAY_LEN(keys); n++)
        if (keys[n].kinds & kind_bit(s) && keys[n].type != K_REFUSED) names[count++] = keys[n].name;
    if (with_card) names[count++] = "model";
    if (with_card) names[count++] = "mac";
    names[count] = NULL;
    return pair_refuse_key(pair, option, names);
}

static OptionsResult take_pair(NetSpec *s, const Pair *pair, const char *option)
{
    for (unsigned n = 0; n < ARRAY_LEN(keys); n++)
        if (!strcmp(pair->key, keys[n].name) && keys[n].kinds & kind_bit(s))
            return take_key(s, &keys[n], pair, option);
    return OPTIONS_DONE;
}

/* The cable's keys, and those that the card takes. */
static OptionsResult take_any(NetSpec *s, NetCardKey *card, void *ctx, const Pair *pair, const char *option)
{
    OptionsResult r = take_pair(s, pair, option);
    bool taken = false;
    if (r != OPTIONS_DONE) return r;
    if (card) r = card(ctx, pair->key, pair->value, &taken);
    return taken ? r : refuse_key(s, pair, option, card);
}

static OptionsResult take_kind(NetSpec *s, const char *word, const char *option)
{
    static const Absent absent[] = {{"bridge", "no helper program is started: -nic tap,ifname=NAME of a "
                                               "device that is in the bridge (docs/NETWORK.md)"},
                                    {"l2tpv3", "not there: user, tap, vde, stream, dgram and socket are"},
                                    {"netmap", "not there: user, tap, vde, stream, dgram and socket are"},
                                    {"vhost-*", "not there: user, tap, vde, stream, dgram and socket are"},
                                    {"hubport", "no hubs: ring3 switch joins cards (docs/NETWORK.md)"},
                                    {NULL, NULL}};
    unsigned which;
    const char *why = absent_why(absent, word);
    if (why) return absent_refuse(option, word, why);
    OptionsResult r = words_choose(option, word, kinds, ARRAY_LEN(kinds), &which);
    if (r != OPTIONS_RUN) return r;
    s->is_socket = which == NET_KINDS;
    s->kind = s->is_socket ? NET_STREAM : (NetKind)which;
    return OPTIONS_RUN;
}

static bool within(const NetSpec *s, struct in_addr a)
{
    u32 rest = ntohl(a.s_addr) & ~ntohl(s->mask.s_addr);
    return (a.s_addr & s->mask.s_addr) == s->net.s_addr && rest && rest != ~ntohl(s->mask.s_addr);
}

static void default_address(const NetSpec *s, struct in_addr *a, u32 number)
{
    if (!a->s_addr) a->s_addr = s->net.s_addr | (htonl(number) & ~s->mask.s_addr);
}

static const char *user_wrong(NetSpec *s)
{
    if (!s->mask.s_addr) {
        s->net.s_addr = htonl(0x0a000200);
        s->mask.s_addr = htonl(0xffffff00);
        if (s->host.s_addr) s->net.s_addr = s->host.s_addr & s->mask.s_addr;
    }
    bool small = ~ntohl(s->mask.s_addr) < 15;
    default_address(s, &s->host, small ? 1 : 2);
    default_address(s, &s->dns, small ? 2 : 3);
    default_address(s, &s->dhcp, small ? 3 : 15);
    if (s->no_ipv4 && s->no_ipv6) return "ipv4=off and ipv6=off leave nothing";
    if (!within(s, s->host)) return "host= is not in the network";
    if (!within(s, s->dhcp)) return "dhcpstart= is not in the network";
    if (!within(s, s->dns)) return "dns= is not in the network";
    if (s->host.s_addr == s->dns.s_addr) return "host= and dns= are the same";
    if (strlen(s->hostname) > 32) return "hostname= has at most 32 characters";
    if (strlen(s->bootfile) > 127) return "bootfile= has at most 127 characters";
    for (unsigned n = 0; n < s->forwards; n++)
        if (s->forward[n].is_guest && !within(s, s->forward[n].guest))
            return "guestfwd=: the address is not in the network";
    return NULL;
}

static const char *address_wrong(const NetAddress *a, bool may_lack_host)
{
    if (!*a->path && (a->is_unix || !may_lack_host))
        return a->is_unix ? "the path is missing" : "the host is missing";
    if (a->is_unix && strlen(a->path) > 107) return "the socket's path is too long (107 bytes)";
    return a->is_unix || *a->port ? NULL : "the port is missing";
}

static const char *socket_wrong(NetSpec *s)
{
    NetAddress *a = &s->address;
    if (!a->is_set)
        return s->is_socket
                   ? "listen=[HOST]:PORT, connect=HOST:PORT or udp=HOST:PORT,localaddr=[HOST]:PORT is missing"
               : s->kind == NET_DGRAM
                   ? "remote.type=unix,remote.path=PATH (or inet, with remote.host and .port) is missing"
                   : "addr.type=unix,addr.path=PATH (or inet, with addr.host and addr.port) is missing";
    const char *why = address_wrong(a, s->is_server);
    if (why || s->kind == NET_STREAM) return why;
    if (!s->local.is_set)
        return s->is_socket ? "localaddr=[HOST]:PORT is missing"
                            : "local.type=, and .path or .port, is missing";
    if (s->local.is_unix != a->is_unix) return "the two ends are of different types";
    return address_wrong(&s->local, true);
}

static const char *spec_wrong(NetSpec *s)
{
    switch (s->kind) {
    case NET_USER: return user_wrong(s);
    case NET_STREAM:
    case NET_DGRAM: return socket_wrong(s);
    case NET_TAP: return s->fd < 0 && !*s->ifname ? "ifname=NAME or fd=N is missing" : NULL;
    default: return NULL;
    }
}

OptionsResult net_spec_parse(NetSpec *s, NetCardKey *card, void *ctx, const char *option, const char *value)
{
    Pair pair;
    char name[80];
    const char *why;
    memset(s, 0, sizeof *s);
    s->fd = -1;
    if (!pair_next(&value, "type", &pair)) pair.value[0] = 0;
    OptionsResult r = !strcmp(pair.key, "type") ? take_kind(s, pair.value, option) : OPTIONS_BAD;
    if (strcmp(pair.key, "type"))
        say("%s %.31s=: begins with its kind: user, tap, vde, stream, dgram, socket", option, pair.key);
    snprintf(name, sizeof name, "%s %s,", option, s->is_socket ? "socket" : kinds[s->kind]);
    while (r == OPTIONS_RUN && pair_next(&value, NULL, &pair)) r = take_any(s, card, ctx, &pair, name);
    if (r != OPTIONS_RUN || !(why = spec_wrong(s))) return r;
    name[strlen(name) - 1] = 0;
    say("%s: %s", name, why);
    return OPTIONS_BAD;
}

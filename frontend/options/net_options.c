/* net_options.c - see net_options.h.
 *
 *   -nic KIND[,model=,mac=,romfile=,...]         a card and its cable
 *   -netdev KIND,id=ID,... -device MODEL,netdev=ID[,mac=][,id=][,romfile=]      the same in two
 *   -net nic[,model=][,macaddr=] -net KIND,...   the same in old words: all of -net are on one wire in QEMU; here one
 *                                                card and one cable, and ring3 switch joins more
 *   -nic none, -net none                         no card
 * Cards without mac= are 52:54:00:12:34:56 and up, as in QEMU.
 */
#include "frontend/options/net_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "frontend/options/option_words.h"
#include "frontend/say.h"

/* What a PC has when nobody says anything of networks. */
static const char default_nic[] = "user,model=pcnet";

void net_options_init(NetOptions *o)
{
    memset(o, 0, sizeof *o);
    o->old_cable = -1;
}

static OptionsResult too_many(const char *option, const char *value, const char *what)
{
    say("%s %.80s: at most %d %s", option, value, NICS_MAX, what);
    return OPTIONS_BAD;
}

static const char *card_name(const NicSpec *nic) { return *nic->id ? nic->id : "the card"; }

/* --- a card's words -------------------------------------------------------------------------------------- */

/* 52:54:00:12:34:56, or with dashes. */
static bool parse_mac(const char *text, u8 mac[6])
{
    for (int n = 0; n < 6; n++) {
        char *end;
        unsigned long v = strtoul(text, &end, 16);
        if (end == text || end - text > 2 || *text == '-' || *text == '+' || *text == ' ') return false;
        if (*end != (n < 5 ? ':' : 0) && !(n < 5 && *end == '-')) return false;
        mac[n] = (u8)v;
        text = end + 1;
    }
    return true;
}

static OptionsResult take_model(NicSpec *nic, const char *value)
{
    if (!strcmp(value, "help")) {
        printf("network cards: %s\n", nic_models());
        return OPTIONS_DONE;
    }
    if (nic_model(value, &nic->config.model)) {
        snprintf(nic->model, sizeof nic->model, "%s", value);
        return OPTIONS_RUN;
    }
    say("-nic model=%.40s: no such card; there are %s", value, nic_models());
    return OPTIONS_BAD;
}

static OptionsResult take_mac(NicSpec *nic, const char *value)
{
    nic->has_mac = parse_mac(value, nic->config.mac);
    if (nic->has_mac && !(nic->config.mac[0] & 1)) return OPTIONS_RUN;
    say(nic->has_mac ? "mac=%.80s: a group's address: the first byte of a card's own is even"
                     : "mac=%.80s: takes a card's address, such as 52:54:00:12:34:56",
        value);
    return OPTIONS_BAD;
}

static OptionsResult take_romfile(NicSpec *nic, const char *value)
{
    nic->has_romfile = true;
    if (strlen(value) < sizeof nic->romfile) {
        strcpy(nic->romfile, value);
        return OPTIONS_RUN;
    }
    say("romfile=%.80s: too long", value);
    return OPTIONS_BAD;
}

/* For net_spec_parse(), of -nic. */
static OptionsResult take_card_key(void *ctx, const char *key, const char *value, bool *taken)
{
    bool is_model = !strcmp(key, "model"), is_rom = !strcmp(key, "romfile");
    *taken = is_model || is_rom || !strcmp(key, "mac") || !strcmp(key, "macaddr");
    if (!*taken) return OPTIONS_DONE;
    if (is_rom) return take_romfile(ctx, value);
    return is_model ? take_model(ctx, value) : take_mac(ctx, value);
}

/* --- cables ---------------------------------------------------------------------------------------------- */

static OptionsResult add_cable(NetOptions *o, NicSpec *nic, const char *option, const char *value, int *which)
{
    static NetSpec scratch; /* too large for a stack */
    NetSpec *s = o->cables < NICS_MAX ? &o->cable[o->cables].spec : &scratch;
    OptionsResult r = net_spec_parse(s, nic ? take_card_key : NULL, nic, option, value);
    *which = -1;
    if (r != OPTIONS_RUN || s->kind == NET_NONE) return r;
    if (s == &scratch) return too_many(option, value, "cables");
    o->cable[o->cables].words = value;
    *which = (int)o->cables++;
    return OPTIONS_RUN;
}

static int find_cable(const NetOptions *o, const char *id)
{
    for (unsigned n = 0; n < o->cables; n++)
        if (*o->cable[n].spec.id && !strcmp(o->cable[n].spec.id, id)) return (int)n;
    return -1;
}

OptionsResult net_option_netdev(NetOptions *o, const char *value)
{
    int which;
    unsigned before = o->cables;
    OptionsResult r = add_cable(o, NULL, "-netdev", value, &which);
    if (r != OPTIONS_RUN) return r;
    if (which < 0) {
        say("-netdev %.80s: user, tap, vde, stream, dgram and socket are there", value);
        return OPTIONS_BAD;
    }
    const char *id = o->cable[which].spec.id;
    if (!*id || (unsigned)find_cable(o, id) != before) {
        say("-netdev %.80s: %s", value,
            *id ? "this id= is another's" : "id=NAME is missing, by which -device finds it");
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

/* --- cards ----------------------------------------------------------------------------------------------- */

static NetCard *add_card(NetOptions *o, const NicSpec *nic, int cable)
{
    NetCard *c = &o->card[o->cards++];
    *c = (NetCard){.nic = *nic, .cable = cable};
    if (!*c->nic.model) take_model(&c->nic, "pcnet");
    return c;
}

OptionsResult net_option_nic(NetOptions *o, const char *value)
{
    NicSpec nic = {.has_mac = false};
    int cable;
    OptionsResult r = add_cable(o, &nic, "-nic", value, &cable);
    if (r != OPTIONS_RUN) return r;
    o->none |= cable < 0;
    if (cable < 0) return OPTIONS_RUN;
    if (o->cards == NICS_MAX) return too_many("-nic", value, "cards");
    o->cable[cable].used = true;
    memcpy(nic.id, o->cable[cable].spec.id, sizeof nic.id);
    add_card(o, &nic, cable);
    return OPTIONS_RUN;
}

static OptionsResult take_text(char *to, size_t room, const Pair *pair, const char *option)
{
    if (strlen(pair->value) < room) {
        strcpy(to, pair->value);
        return OPTIONS_RUN;
    }
    say("%s%s=%.80s: too long", option, pair->key, pair->value);
    return OPTIONS_BAD;
}

static OptionsResult take_isa(u32 most, u32 *to, const Pair *pair, const char *option)
{
    const char *at = pair->value;
    if (parse_number(&at, to) && !*at && *to && *to <= most) return OPTIONS_RUN;
    say("%s%s=%.80s: takes a number up to 0x%x", option, pair->key, pair->value, most);
    return OPTIONS_BAD;
}

/* iobase= and irq=, of an ISA card; addr= and bus= of a PCI card are the board's. */
static OptionsResult take_place(NicSpec *nic, const Pair *pair, const char *option)
{
    u32 n = 0;
    bool io = !strcmp(pair->key, "iobase");
    OptionsResult r;
    if (nic->config.model != NIC_NE2K_ISA) {
        say("%s%s=: only ne2k_isa has it; PCI cards get theirs from the firmware", option, pair->key);
        return OPTIONS_BAD;
    }
    r = take_isa(io ? 0x3e0 : 15, &n, pair, option);
    if (io)
        nic->config.iobase = (u16)n;
    else
        nic->config.irq = (u8)n;
    return r;
}

static OptionsResult take_device_key(NicSpec *nic, const Pair *pair, const char *option)
{
    static const char *const names[] = {"netdev", "mac", "id", "romfile", "iobase", "irq", NULL};
    if (!strcmp(pair->key, "netdev")) return take_text(nic->netdev, sizeof nic->netdev, pair, option);
    if (!strcmp(pair->key, "id")) return take_text(nic->id, sizeof nic->id, pair, option);
    if (!strcmp(pair->key, "mac")) return take_mac(nic, pair->value);
    if (!strcmp(pair->key, "romfile")) return take_romfile(nic, pair->value);
    if (!strcmp(pair->key, "bootindex")) {
        say("%sbootindex=: -boot order=n boots from the network first, -boot menu=on asks", option);
        return OPTIONS_BAD;
    }
    if (!strcmp(pair->key, "iobase") || !strcmp(pair->key, "irq")) return take_place(nic, pair, option);
    return pair_refuse_key(pair, option, names);
}

bool net_option_device(NetOptions *o, const char *value, OptionsResult *result)
{
    NicSpec nic = {.has_mac = false};
    const char *rest = value;
    char name[60];
    Pair pair;
    OptionsResult r = OPTIONS_RUN;
    if (!pair_next(&rest, "driver", &pair) || !nic_model(pair.value, &nic.config.model)) return false;
    take_model(&nic, pair.value);
    snprintf(name, sizeof name, "-device %.40s,", pair.value);
    while (r == OPTIONS_RUN && pair_next(&rest, NULL, &pair)) r = take_device_key(&nic, &pair, name);
    if (r == OPTIONS_RUN && o->cards == NICS_MAX) r = too_many("-device", value, "cards");
    if (r == OPTIONS_RUN) add_card(o, &nic, -1);
    *result = r;
    return true;
}

/* --- the old words --------------------------------------------------------------------------------------- */

/* macaddr=, model=, netdev=, name= and what changes nothing here: addr=, vectors=. */
static OptionsResult take_old_key(NicSpec *nic, const Pair *pair)
{
    static const char *const names[] = {"model", "macaddr", "netdev", "name", NULL};
    if (!strcmp(pair->key, "netdev")) return take_text(nic->netdev, sizeof nic->netdev, pair, "-net nic,");
    if (!strcmp(pair->key, "name")) return take_text(nic->id, sizeof nic->id, pair, "-net nic,");
    if (!strcmp(pair->key, "macaddr")) return take_mac(nic, pair->value);
    if (strcmp(pair->key, "model")) return pair_refuse_key(pair, "-net nic,", names);
    return take_model(nic, pair->value);
}

static OptionsResult old_nic(NetOptions *o, const char *value)
{
    NicSpec nic = {.has_mac = false};
    Pair pair;
    const char *rest = value;
    OptionsResult r = OPTIONS_RUN;
    pair_next(&rest, "type", &pair);
    while (r == OPTIONS_RUN && pair_next(&rest, NULL, &pair)) r = take_old_key(&nic, &pair);
    if (r == OPTIONS_RUN && o->cards == NICS_MAX) r = too_many("-net", value, "cards");
    if (r == OPTIONS_RUN) add_card(o, &nic, -1)->old = !*nic.netdev;
    return r;
}

OptionsResult net_option_net(NetOptions *o, const char *value)
{
    int cable;
    if (!strncmp(value, "nic", 3) && (!value[3] || value[3] == ',')) return old_nic(o, value);
    bool second = o->old_cable >= 0;
    OptionsResult r = add_cable(o, NULL, "-net", value, &cable);
    if (r != OPTIONS_RUN) return r;
    o->none |= cable < 0;
    if (cable < 0 || !second) {
        if (cable >= 0) o->old_cable = cable;
        return OPTIONS_RUN;
    }
    say("-net %.80s: the second cable of -net, and one wire joins no two here: -nic for each card", value);
    return OPTIONS_BAD;
}

/* --- when all is read ------------------------------------------------------------------------------------ */

static bool plug(NetOptions *o, NetCard *c, int cable, Problem *p)
{
    if (o->cable[cable].used)
        return problem_set(p, "-device: netdev %.60s is plugged into two cards; ring3 switch joins more",
                           o->cable[cable].spec.id);
    c->cable = cable;
    return o->cable[cable].used = true;
}

static bool plug_card(NetOptions *o, NetCard *c, Problem *p)
{
    if (c->cable >= 0) return true;
    if (*c->nic.netdev) {
        int cable = find_cable(o, c->nic.netdev);
        if (cable >= 0) return plug(o, c, cable, p);
        return problem_set(p, "-device: %.60s has netdev=%.60s, and there is no -netdev with that id=",
                           card_name(&c->nic), c->nic.netdev);
    }
    return !c->old || o->old_cable < 0 || plug(o, c, o->old_cable, p);
}

static bool roms_fit(const NetOptions *o, Problem *p)
{
    for (unsigned n = 0; n < o->cards; n++) {
        const NicSpec *nic = &o->card[n].nic;
        if (*nic->romfile && !nic_has_rom(nic->config.model))
            return problem_set(p, "-device %s,romfile=: no ROM socket, as on an ISA card: -option-rom FILE",
                               nic->model);
    }
    return true;
}

static bool mac_is_taken(const NetOptions *o, const u8 *mac)
{
    for (unsigned n = 0; n < o->cards; n++)
        if (o->card[n].nic.has_mac && !memcmp(o->card[n].nic.config.mac, mac, 6)) return true;
    return false;
}

static void give_addresses(NetOptions *o)
{
    u8 mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    for (unsigned n = 0; n < o->cards; n++) {
        NicSpec *nic = &o->card[n].nic;
        if (nic->has_mac) continue;
        while (mac_is_taken(o, mac)) mac[5]++;
        memcpy(nic->config.mac, mac, 6);
        nic->has_mac = true;
    }
}

static bool same_macs(const NetOptions *o)
{
    for (unsigned n = 0; n < o->cards; n++)
        for (unsigned i = 0; i < n; i++)
            if (!memcmp(o->card[n].nic.config.mac, o->card[i].nic.config.mac, 6)) return true;
    return false;
}

static u16 io_of(const NicConfig *c) { return c->iobase ? c->iobase : NIC_ISA_IOBASE; }
static u8 irq_of(const NicConfig *c) { return c->irq ? c->irq : NIC_ISA_IRQ; }

/* ISA lines are not shared, and two cards would answer at the same ports. */
static bool isa_cards_differ(const NetOptions *o, Problem *p)
{
    for (unsigned n = 0; n < o->cards; n++)
        for (unsigned i = 0; i < n; i++) {
            const NicConfig *a = &o->card[n].nic.config, *b = &o->card[i].nic.config;
            if (a->model != NIC_NE2K_ISA || b->model != NIC_NE2K_ISA) continue;
            if (irq_of(a) == irq_of(b))
                return problem_set(p, "-device ne2k_isa: two cards have irq=%u; give one another", irq_of(a));
            if (io_of(a) < io_of(b) + DP8390_PORTS && io_of(b) < io_of(a) + DP8390_PORTS)
                return problem_set(p, "-device ne2k_isa: two cards have iobase=0x%x; give one another",
                                   io_of(a));
        }
    return true;
}

bool net_options_finish(NetOptions *o, bool no_defaults, Problem *p)
{
    bool said_anything = o->none || o->cards || o->cables || no_defaults;
    if (!said_anything) o->by_default = net_option_nic(o, default_nic) == OPTIONS_RUN;
    for (unsigned n = 0; n < o->cards; n++)
        if (!plug_card(o, &o->card[n], p)) return false;
    for (unsigned n = 0; n < o->cables; n++)
        if (!o->cable[n].used && (int)n == o->old_cable)
            return problem_set(p, "-net %.80s: leads to no card: -net nic is one", o->cable[n].words);
        else if (!o->cable[n].used)
            return problem_set(p, "-netdev: %.60s leads to no card: -device pcnet,netdev=%.60s is one",
                               o->cable[n].spec.id, o->cable[n].spec.id);
    if (!roms_fit(o, p)) return false;
    give_addresses(o);
    if (!isa_cards_differ(o, p)) return false;
    return !same_macs(o) || problem_set(p, "-device: two cards have the same mac=");
}

/* switch.c - see switch.h. As IEEE 802.1D and 802.1Q have it, as far as a few machines on one host need it.
 *
 * A frame belongs to one VLAN: at an access port to the port's (one with a tag of its own is dropped, but for a tag that has only a
 * priority), at a trunk to its tag's, without one to VLAN_NATIVE. The sender's address is learned for that VLAN and port.
 * It leaves by the port where the receiver was learned, or by all of its VLAN but the one it came from; at a trunk with a tag,
 * unless it is of the native one. What is learned is forgotten after SWITCH_AGE_S, or when its set is full.
 *
 * Not implemented: spanning tree (do not join two switches twice), IGMP snooping, limits of which VLANs a trunk has.
 */
#include "frontend/net/switch.h"

#include "frontend/host/big_endian.h"

enum { MACS = 12, TAG = 4, TPID = 0x8100 };

typedef struct Tagged { /* a frame without its tag */
    u8 bytes[NET_FRAME_MOST];
    u32 n;
    u16 vlan, priority;
} Tagged;

static bool is_group(const u8 *mac) { return mac[0] & 1; }

/* 01:80:C2:00:00:00 to 0F stay on their wire. */
static bool is_reserved(const u8 *mac)
{
    static const u8 prefix[] = {0x01, 0x80, 0xc2, 0, 0};
    return !memcmp(mac, prefix, sizeof prefix) && mac[5] < 16;
}

/* --- the table of addresses ------------------------------------------------------------------------------ */

static u64 key_of(u16 vlan, const u8 *mac)
{
    u64 key = vlan;
    for (int n = 0; n < 6; n++) key = key << 8 | mac[n];
    return key;
}

static SwitchEntry *set_of(Switch *s, u64 key)
{
    return s->entry[(key * 0x9e3779b97f4a7c15ull >> 40) % SWITCH_SETS];
}

static SwitchEntry *find(Switch *s, u64 key, u32 now_s)
{
    SwitchEntry *set = set_of(s, key);
    for (unsigned n = 0; n < SWITCH_WAYS; n++)
        if (set[n].key == key && now_s - set[n].seen_s <= SWITCH_AGE_S) return &set[n];
    return NULL;
}

static void learn(Switch *s, u64 key, unsigned port, u32 now_s)
{
    SwitchEntry *set = set_of(s, key), *to = set;
    for (unsigned n = 0; n < SWITCH_WAYS; n++) {
        if (set[n].key == key) {
            to = &set[n];
            break;
        }
        if (!set[n].key || (to->key && set[n].seen_s < to->seen_s)) to = &set[n];
    }
    *to = (SwitchEntry){key, now_s, (u8)port};
}

/* --- ports ----------------------------------------------------------------------------------------------- */

void switch_open_port(Switch *s, unsigned port, u16 vlan)
{
    CHECK(port < SWITCH_PORTS && vlan <= VLAN_MAX, "a port that the switch has not");
    s->port[port].open = true;
    s->port[port].vlan = vlan;
}

void switch_close_port(Switch *s, unsigned port)
{
    s->port[port].open = false;
    for (unsigned set = 0; set < SWITCH_SETS; set++)
        for (unsigned n = 0; n < SWITCH_WAYS; n++)
            if (s->entry[set][n].port == port) s->entry[set][n].key = 0;
}

/* --- frames ---------------------------------------------------------------------------------------------- */

/* Its VLAN found, its tag taken off; false: the port does not take it. */
static bool take_in(const Switch *s, unsigned port, const u8 *frame, u32 n, Tagged *t)
{
    bool tagged = n >= MACS + TAG + 2 && load16_be(frame + MACS) == TPID;
    u32 tag = tagged ? load16_be(frame + MACS + 2) : 0, id = tag & 0xfff;
    u16 own = s->port[port].vlan;
    if (n < NET_FRAME_MIN || n > NET_FRAME_MOST || (!tagged && n > NET_FRAME_MAX)) return false;
    if (id > VLAN_MAX || (id && own != VLAN_TRUNK)) return false;
    t->vlan = (u16)(id ? id : own == VLAN_TRUNK ? VLAN_NATIVE : own);
    t->priority = (u16)(tag & 0xf000);
    t->n = tagged ? n - TAG : n;
    memcpy(t->bytes, frame, MACS);
    memcpy(t->bytes + MACS, frame + n - (t->n - MACS), t->n - MACS);
    return true;
}

static bool has_vlan(const Switch *s, unsigned port, u16 vlan)
{
    return s->port[port].open && (s->port[port].vlan == VLAN_TRUNK || s->port[port].vlan == vlan);
}

static void put_out(const Switch *s, unsigned port, const Tagged *t, SwitchOut *out, void *ctx)
{
    u8 frame[NET_FRAME_MOST + TAG];
    if (s->port[port].vlan != VLAN_TRUNK || t->vlan == VLAN_NATIVE) {
        out(ctx, port, t->bytes, t->n);
        return;
    }
    u32 tag = t->priority | t->vlan;
    const u8 head[TAG] = {TPID >> 8, TPID & 0xff, (u8)(tag >> 8), (u8)tag};
    memcpy(frame, t->bytes, MACS);
    memcpy(frame + MACS, head, TAG);
    memcpy(frame + MACS + TAG, t->bytes + MACS, t->n - MACS);
    out(ctx, port, frame, t->n + TAG);
}

void switch_frame(Switch *s, unsigned port, const u8 *frame, u32 n, u32 now_s, SwitchOut *out, void *ctx)
{
    Tagged t;
    if (port >= SWITCH_PORTS || !s->port[port].open || !take_in(s, port, frame, n, &t)) return;
    if (is_group(frame + 6) || is_reserved(frame)) return;
    learn(s, key_of(t.vlan, frame + 6), port, now_s);
    const SwitchEntry *to = is_group(frame) ? NULL : find(s, key_of(t.vlan, frame), now_s);
    for (unsigned p = 0; p < SWITCH_PORTS; p++)
        if (p != port && has_vlan(s, p, t.vlan) && (!to || to->port == p)) put_out(s, p, &t, out, ctx);
}

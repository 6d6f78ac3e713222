/* switch.h - an Ethernet switch with VLANs. See switch.c and switch_main.c. */
#ifndef RING3_NET_SWITCH_H
#define RING3_NET_SWITCH_H

#include "hw/net.h"

enum { SWITCH_PORTS = 64, SWITCH_SETS = 512, SWITCH_WAYS = 4, SWITCH_AGE_S = 300 };
enum { VLAN_TRUNK = 0, VLAN_NATIVE = 1, VLAN_MAX = 4094 };

typedef struct SwitchEntry {
    u64 key; /* VLAN and address; 0: free */
    u32 seen_s;
    u8 port;
} SwitchEntry;

typedef struct Switch {
    struct {
        bool open;
        u16 vlan; /* access port of this VLAN; VLAN_TRUNK: a trunk of all */
    } port[SWITCH_PORTS];
    SwitchEntry entry[SWITCH_SETS][SWITCH_WAYS];
} Switch;

typedef void SwitchOut(void *ctx, unsigned port, const u8 *frame, u32 n);

void switch_open_port(Switch *s, unsigned port, u16 vlan);
void switch_close_port(Switch *s, unsigned port); /* what was learned of it is forgotten */
/* switch_frame - one that came in at `port`, at a time in seconds: it goes to `out` for each port that it leaves by. */
void switch_frame(Switch *s, unsigned port, const u8 *frame, u32 n, u32 now_s, SwitchOut *out, void *ctx);

/* `ring3 switch` - the words behind it. Returns an exit code. */
int switch_main(int argc, char **argv);

#endif

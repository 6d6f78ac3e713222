/* mouse.h - a PS/2 mouse with a wheel (IntelliMouse), at the far end of the AUX cable. See mouse.c. */
#ifndef RING3_MOUSE_H
#define RING3_MOUSE_H

#include "hw/clock.h"
#include "hw/keys.h"
#include "hw/state.h"

enum { MOUSE_MOVES = 16, MOUSE_ANSWERS = 8, MOUSE_PACKET = 4 };

/* What happened with one state of the buttons. */
typedef struct MouseMove {
    s32 dx, dy, dz; /* counts; right, up, wheel toward the person */
    u8 buttons;
} MouseMove;

typedef struct Mouse {
    MouseMove moves[MOUSE_MOVES]; /* not yet told, oldest first; clicks stay apart, movement is added up */
    u8 move_count;
    u8 buttons, told_buttons; /* now; in the last packet */
    u8 packet[MOUSE_PACKET];  /* on its way to the controller */
    u8 packet_bytes, packet_sent;
    u8 answers[MOUSE_ANSWERS];
    u8 answer_count;
    u8 last_sent; /* for FE (resend) */
    u8 awaiting;  /* command that wants a parameter byte next (E8, F3); 0: none */
    u8 id;        /* 0 plain, 3 wheel, 4 wheel and five buttons */
    u8 rate, resolution;
    u8 rates[2]; /* the two rates before `rate`: the knock that asks for more ids */
    bool enabled, remote, wrap, scale_2_1;
    u64 next_ns; /* no packet before: sample rate */
    Clock *clock;
    Timer timer;              /* next_ns has come */
    void (*ready)(void *ctx); /* there is a byte to take */
    void *ctx;
} Mouse;

void mouse_init(Mouse *m, Clock *clock, void (*ready)(void *ctx), void *ctx);
void mouse_reset(Mouse *m);          /* power-on, without the self-test's answer */
void mouse_state(Mouse *m, State *s);
void mouse_write(Mouse *m, u8 v);    /* a command or parameter from the system */
bool mouse_has_byte(const Mouse *m); /* it would like to send */
u8 mouse_take(Mouse *m);             /* the next byte; there is one */
/* A person moved it: counts right, down, wheel away from the person; MOUSE_ bits of the buttons now down. */
void mouse_move(Mouse *m, int dx, int dy, int dz, u8 buttons);
/* mouse_nudge - stream mode: send a packet though nothing happened, for a driver that looks elsewhere (vmport.c). */
void mouse_nudge(Mouse *m);

#endif

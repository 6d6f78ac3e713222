/* keyboard.h - an MF-2 keyboard of 101 to 105 keys, at the far end of the PS/2 cable. See keyboard.c. */
#ifndef RING3_KEYBOARD_H
#define RING3_KEYBOARD_H

#include "hw/clock.h"
#include "hw/keys.h"
#include "hw/state.h"

enum { KEYBOARD_BUFFER = 16, KEYBOARD_ANSWERS = 8, KEYBOARD_SET3_CODES = 0x90 };

/* A navigation key is down for which the keyboard pretends that Shift is down (NumLock), or is up. */
typedef struct KeyFake {
    u8 key;     /* 0: none */
    u8 unshift; /* Shift keys "released": BIT(0) left, BIT(1) right; 0: Shift was "pressed" */
} KeyFake;

typedef struct Keyboard {
    u8 keys[KEYBOARD_BUFFER +
            1]; /* scan codes on their way to the controller; the last place is the overrun's */
    u8 key_count;
    u8 rest_of_code; /* bytes of a scan code that has begun: no answer may come between */
    u8 answers[KEYBOARD_ANSWERS];
    u8 answer_count;
    u8 last_sent;       /* for FE (resend) */
    u8 awaiting;        /* command that wants a parameter byte next (ED, F0, F3, FB-FD); 0: none */
    u8 leds, rate, set; /* what ED, F3, F0 told it */
    bool scanning;      /* F4/F5 */
    u64 held[4];        /* keys that the guest thinks are down, a bit per hw/keys.h code */
    u64 owed[4];        /* of those: released when the buffer was full, to be told */
    KeyFake fake;
    bool print_is_sysrq;          /* Print went down with Alt */
    u8 repeats;                   /* the key that repeats; 0: none */
    u8 type[KEYBOARD_SET3_CODES]; /* set 3: does a key repeat, does it tell its release (KEYTYPE_) */
    Clock *clock;
    Timer timer;              /* typematic */
    void (*ready)(void *ctx); /* there is a byte to take */
    void *ctx;
} Keyboard;
enum { KEYTYPE_BREAKS = 1, KEYTYPE_REPEATS = 2 };

void keyboard_init(Keyboard *kb, Clock *clock, void (*ready)(void *ctx), void *ctx);
void keyboard_reset(Keyboard *kb);          /* power-on, without the self-test's answer */
void keyboard_state(Keyboard *kb, State *s);
void keyboard_write(Keyboard *kb, u8 v);    /* a command or parameter from the system */
bool keyboard_has_byte(const Keyboard *kb); /* it would like to send */
u8 keyboard_take(Keyboard *kb);             /* the next byte; there is one */
/* A person pressed or released a key (hw/keys.h). What is down already, or up, is ignored. */
void keyboard_key(Keyboard *kb, u8 key, bool down);
bool keyboard_idle(const Keyboard *kb); /* all that was typed has been taken: there is room for any key */
u8 keyboard_set2_to_set1(u8 code); /* as the 8042's ROM translates; from 88h on a byte stays what it is */

#endif

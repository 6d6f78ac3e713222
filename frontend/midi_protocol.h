/* midi_protocol.h - what passes between the machine's process (ring3) and the synthesizer's (ring3-midi).
 *
 * ring3-midi turns the guest's MIDI into frames by a library (FluidSynth) and a file of sounds; so it is a process of
 * its own, and neither side believes the other. One socket (SOCK_SEQPACKET) carries both directions:
 *   - the machine sends MidiAsks: frames to be made, and bytes between them. It never waits: what the socket has no
 *     room for is lost, and the next MidiAsk says so by `silence`;
 *   - ring3-midi sends MidiFrames, at first one without frames: its sounds are loaded. No more come than were asked for.
 * Anything of another size ends the connection. The end of the socket is how each side learns of the other's death.
 */
#ifndef RING3_MIDI_PROTOCOL_H
#define RING3_MIDI_PROTOCOL_H

#include "hw/sound.h"

enum {
    MIDI_SOCKET = 3, /* ring3-midi's descriptor of the socket */
    MIDI_SOUNDS = 4, /* ... and of the SoundFont */
    MIDI_EVENTS = 256,
    MIDI_FRAMES = 480,
    MIDI_AHEAD =
        4800, /* frames that are asked for and not yet played: a tenth of a second; the most in one event */
};

typedef struct MidiEvent { /* frames are made, and then the byte is taken */
    u16 frames;
    u8 has_byte, byte;
} MidiEvent;

/* Of the events only those that are used are sent. */
typedef struct MidiAsk {
    u8 silence;  /* what sounds ends first */
    u8 is_heard; /* 0: nobody listens. Notes are not begun, instruments and controllers are kept */
    u16 events;
    MidiEvent event[MIDI_EVENTS];
} MidiAsk;

typedef struct MidiFrames {
    u32 count; /* of those that follow, and that are sent */
    SoundFrame frame[MIDI_FRAMES];
} MidiFrames;

#endif

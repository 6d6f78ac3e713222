/* parser.h - MIDI messages out of a stream of bytes. See parser.c. */
#ifndef RING3_MIDI_PARSER_H
#define RING3_MIDI_PARSER_H

#include "cpu/base/base.h"

enum { MIDI_SYSEX_MOST = 1024, MIDI_SYSEX = 0xf0 };

typedef struct MidiParser {
    u8 status; /* of the message that data bytes belong to; 0: none, they are dropped */
    u8 data[2], count;
    u8 sysex[MIDI_SYSEX_MOST]; /* between F0h and F7h */
    u32 sysex_bytes;           /* more than fit: they are counted, and the message is dropped */
} MidiParser;

/* A whole message: its status (channel messages 80h-EFh, MIDI_SYSEX, FFh) and data. */
typedef struct MidiWord {
    u8 status, a, b;
    const u8 *sysex;
    u32 sysex_bytes;
} MidiWord;

/* midi_parse - false: the byte ends no message, or none that anybody wants. */
bool midi_parse(MidiParser *p, u8 byte, MidiWord *word);

#endif

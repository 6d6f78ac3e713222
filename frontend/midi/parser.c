/* parser.c - MIDI 1.0 Detailed Specification: a status byte holds for the messages after it (running status), real-time
 * bytes (F8h-FFh) may come anywhere, and every other status byte ends what was not complete. */
#include "frontend/midi/parser.h"

enum { STATUS = 0x80, COMMON = 0xf0, SYSEX_END = 0xf7, REAL_TIME = 0xf8, RESET = 0xff };

static u8 data_of(u8 status)
{
    u8 kind = status & 0xf0;
    return kind == 0xc0 || kind == 0xd0 ? 1 : 2;
}

static bool status_take(MidiParser *p, u8 byte, MidiWord *word)
{
    bool ends_sysex = p->status == MIDI_SYSEX && byte == SYSEX_END && p->sysex_bytes <= MIDI_SYSEX_MOST;
    if (ends_sysex) *word = (MidiWord){MIDI_SYSEX, 0, 0, p->sysex, p->sysex_bytes};
    p->status = byte < COMMON || byte == MIDI_SYSEX ? byte : 0;
    p->count = 0;
    p->sysex_bytes = 0;
    return ends_sysex;
}

static void sysex_add(MidiParser *p, u8 byte)
{
    if (p->sysex_bytes < MIDI_SYSEX_MOST) p->sysex[p->sysex_bytes] = byte;
    if (p->sysex_bytes <= MIDI_SYSEX_MOST) p->sysex_bytes++;
}

bool midi_parse(MidiParser *p, u8 byte, MidiWord *word)
{
    if (byte >= REAL_TIME) {
        if (byte == RESET) *p = (MidiParser){.status = 0};
        *word = (MidiWord){.status = byte};
        return byte == RESET;
    }
    if (byte & STATUS) return status_take(p, byte, word);
    if (p->status == MIDI_SYSEX) sysex_add(p, byte);
    if (!p->status || p->status == MIDI_SYSEX) return false;
    p->data[p->count++] = byte;
    if (p->count < data_of(p->status)) return false;
    *word = (MidiWord){p->status, p->data[0], p->count == 2 ? p->data[1] : 0, NULL, 0};
    p->count = 0;
    return true;
}

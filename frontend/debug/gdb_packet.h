/* gdb_packet.h - the framing of GDB's remote protocol: $text#sum, acknowledgements, interrupts; and its hexadecimal.
 *
 * Pure: no machine and no descriptor. (GDB manual, appendix "GDB Remote Serial Protocol", "Overview".)
 */
#ifndef RING3_GDB_PACKET_H
#define RING3_GDB_PACKET_H

#include "cpu/base/base.h"

enum { GDB_PACKET_BYTES = 0x4000, GDB_FRAME_BYTES = 2 * GDB_PACKET_BYTES + 4 };

typedef enum GdbEvent {
    GDB_NOTHING, /* in the middle of something */
    GDB_PACKET,  /* text[0..n) is one, with a zero behind it */
    GDB_LONG,    /* one of more than GDB_PACKET_BYTES ended; its text is lost */
    GDB_DAMAGED, /* one ended whose sum is wrong */
    GDB_ACK,
    GDB_NAK,
    GDB_INTERRUPT, /* Ctrl-C */
    GDB_JUNK,      /* a byte that belongs to nothing */
} GdbEvent;

typedef struct GdbParser {
    char text[GDB_PACKET_BYTES + 1];
    u32 n;
    enum { GDB_OUTSIDE, GDB_TEXT, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state; /* zeros: ready to begin */
    u8 sum, claimed;
    bool is_long, bad_sum;
} GdbParser;

/* gdb_parse - one byte from the client. Escapes are undone: the text may be binary. */
GdbEvent gdb_parse(GdbParser *p, u8 byte);
/* gdb_frame - a packet of n bytes (at most GDB_PACKET_BYTES) into to[GDB_FRAME_BYTES]; how long it became. */
u32 gdb_frame(char *to, const char *text, u32 n);

/* Hexadecimal at *s, which moves behind it. */
bool gdb_take_number(const char **s, u64 *value); /* one to sixteen digits */
bool gdb_take_bytes(const char **s, u8 *to, u32 n);
/* n bytes as 2n digits and a zero. */
void gdb_put_bytes(char *to, const u8 *from, u32 n);

#endif

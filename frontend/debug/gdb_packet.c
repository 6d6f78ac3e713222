/* gdb_packet.c - see gdb_packet.h. */
#include "frontend/debug/gdb_packet.h"

enum { CTRL_C = 3, ESCAPE = '}', ESCAPE_XOR = 0x20 };

static int digit(u8 c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static void begin(GdbParser *p)
{
    p->n = p->sum = 0;
    p->is_long = p->bad_sum = false;
    p->state = GDB_TEXT;
}

static GdbEvent outside(GdbParser *p, u8 byte)
{
    switch (byte) {
    case '$': begin(p); return GDB_NOTHING;
    case '+': return GDB_ACK;
    case '-': return GDB_NAK;
    case CTRL_C: return GDB_INTERRUPT;
    default: return GDB_JUNK;
    }
}

static void append(GdbParser *p, u8 byte)
{
    if (p->n == GDB_PACKET_BYTES)
        p->is_long = true;
    else
        p->text[p->n++] = (char)byte;
}

static GdbEvent inside(GdbParser *p, u8 byte)
{
    if (byte == '$') { /* the rest of the last one was lost */
        begin(p);
        return GDB_NOTHING;
    }
    if (byte == '#') {
        p->state = GDB_SUM_HIGH;
        return GDB_NOTHING;
    }
    p->sum = (u8)(p->sum + byte);
    if (p->state == GDB_ESCAPED) {
        append(p, byte ^ ESCAPE_XOR);
        p->state = GDB_TEXT;
    } else if (byte == ESCAPE) {
        p->state = GDB_ESCAPED;
    } else {
        append(p, byte);
    }
    return GDB_NOTHING;
}

static GdbEvent ended(GdbParser *p)
{
    p->state = GDB_OUTSIDE;
    p->text[p->n] = 0;
    if (p->bad_sum || p->claimed != p->sum) return GDB_DAMAGED;
    return p->is_long ? GDB_LONG : GDB_PACKET;
}

GdbEvent gdb_parse(GdbParser *p, u8 byte)
{
    int d = digit(byte);
    switch (p->state) {
    case GDB_TEXT:
    case GDB_ESCAPED: return inside(p, byte);
    case GDB_SUM_HIGH:
        p->bad_sum = d < 0;
        p->claimed = (u8)((unsigned)d << 4);
        p->state = GDB_SUM_LOW;
        return GDB_NOTHING;
    case GDB_SUM_LOW:
        p->bad_sum |= d < 0;
        p->claimed |= (u8)(d & 15);
        return ended(p);
    default: return outside(p, byte);
    }
}

u32 gdb_frame(char *to, const char *text, u32 n)
{
    static const char digits[] = "0123456789abcdef";
    char *at = to;
    u8 sum = 0;
    *at++ = '$';
    for (u32 i = 0; i < n; i++) {
        bool special = text[i] == '$' || text[i] == '#' || text[i] == '}' || text[i] == '*';
        if (special) *at++ = ESCAPE;
        *at++ = special ? (char)(text[i] ^ ESCAPE_XOR) : text[i];
    }
    for (const char *c = to + 1; c < at; c++) sum = (u8)(sum + (u8)*c);
    *at++ = '#';
    *at++ = digits[sum >> 4];
    *at++ = digits[sum & 15];
    return (u32)(at - to);
}

bool gdb_take_number(const char **s, u64 *value)
{
    unsigned n = 0;
    *value = 0;
    for (int d; n < 17 && (d = digit((u8) * *s)) >= 0; n++, ++*s) *value = *value << 4 | (unsigned)d;
    return n >= 1 && n <= 16;
}

bool gdb_take_bytes(const char **s, u8 *to, u32 n)
{
    for (; n; n--, *s += 2) {
        int high = digit((u8)(*s)[0]), low = high < 0 ? -1 : digit((u8)(*s)[1]);
        if (low < 0) return false;
        *to++ = (u8)(high << 4 | low);
    }
    return true;
}

void gdb_put_bytes(char *to, const u8 *from, u32 n)
{
    static const char digits[] = "0123456789abcdef";
    for (; n; n--, from++) {
        *to++ = digits[*from >> 4];
        *to++ = digits[*from & 15];
    }
    *to = 0;
}

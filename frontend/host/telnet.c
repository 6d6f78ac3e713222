/* telnet.c - see telnet.h.
 *
 * We offer ECHO, SUPPRESS-GO-AHEAD and BINARY, and ask for BINARY; agreement to what was offered needs no answer, and
 * every other wish is declined once, so that no two sides answer each other for ever (RFC 854, "option negotiation").
 * Subnegotiations are skipped. A client that does not agree to BINARY sends CR NUL or CR LF for the Enter key: what stands
 * behind the CR is dropped, since a serial port's Enter is a CR.
 */
#include "frontend/host/telnet.h"

enum { SE = 240, SB = 250, WILL = 251, WONT = 252, DO = 253, DONT = 254, IAC = 255 };
enum { OPTION_BINARY = 0, OPTION_ECHO = 1, OPTION_SGA = 3 };
enum { DATA, COMMAND, OPTION, SUB, SUB_COMMAND };

void telnet_begin(Telnet *t, u8 greeting[TELNET_GREETING])
{
    static const u8 offers[TELNET_GREETING] = {IAC, WILL, OPTION_ECHO,   IAC, WILL, OPTION_SGA,
                                               IAC, WILL, OPTION_BINARY, IAC, DO,   OPTION_BINARY};
    *t = (Telnet){.state = DATA};
    memcpy(greeting, offers, sizeof offers);
}

static bool take_data(Telnet *t, u8 byte)
{
    bool second = t->behind_cr && (byte == 0 || byte == '\n');
    t->behind_cr = byte == '\r' && !t->binary;
    return !second;
}

/* The reply to WILL or DO of an option; 0: none is due. */
static u8 reply(Telnet *t, u8 option)
{
    bool offered = option == OPTION_BINARY || option == OPTION_ECHO || option == OPTION_SGA;
    if (option == OPTION_BINARY && (t->verb == WILL || t->verb == WONT)) t->binary = t->verb == WILL;
    if (t->verb == DO) return offered ? 0 : WONT;
    if (t->verb == WILL) return option == OPTION_BINARY ? 0 : option == OPTION_SGA ? DO : DONT;
    return 0;
}

static bool take_command(Telnet *t, u8 byte)
{
    t->state = byte >= WILL && byte <= DONT ? OPTION : byte == SB ? SUB : DATA;
    t->verb = byte;
    return byte == IAC; /* two of them are one byte of data */
}

bool telnet_take(Telnet *t, u8 *byte, u8 answer[TELNET_ANSWER], unsigned *answers)
{
    u8 verb;
    *answers = 0;
    switch (t->state) {
    case DATA:
        if (*byte != IAC) return take_data(t, *byte);
        t->state = COMMAND;
        return false;
    case COMMAND: return take_command(t, *byte);
    case OPTION:
        t->state = DATA;
        verb = reply(t, *byte);
        if (!verb) return false;
        memcpy(answer, (u8[TELNET_ANSWER]){IAC, verb, *byte}, TELNET_ANSWER);
        *answers = TELNET_ANSWER;
        return false;
    case SUB: t->state = *byte == IAC ? SUB_COMMAND : SUB; return false;
    default: t->state = *byte == SE ? DATA : SUB; return false;
    }
}

u32 telnet_put(const u8 *from, u32 n, u8 *to, u32 room, u32 *made)
{
    u32 taken = 0;
    *made = 0;
    while (taken < n && *made + 2 <= room) {
        u8 byte = from[taken++];
        to[(*made)++] = byte;
        if (byte == IAC) to[(*made)++] = IAC;
    }
    return taken;
}

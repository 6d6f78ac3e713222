/* glass.c - the glass box, a device of ring3's that tells what its translator did (docs/DEVICES.md). */
#include "bios/tour/tour.h"
#include "hw/glassbox_ports.h"

u32 counter_count, listing_count;
char counter_name[COUNTERS_MAX][COUNTER_NAME], engine[24], engine_form[24];
char listing[LISTING_LINES][COLUMNS + 1];

enum { BYTES_MAX = 24 << 10 };
static char answer[BYTES_MAX + 1];

/* What the box has about `what`; a text is closed by a zero. Returns how many bytes. */
static u32 ask(u32 what, u32 argument)
{
    port_out32(GLASSBOX_SELECT, what);
    port_out32(GLASSBOX_DATA, argument);
    u32 bytes = port_in32(GLASSBOX_SELECT), dwords;
    if (bytes > BYTES_MAX) bytes = BYTES_MAX;
    dwords = (bytes + 3) / 4;
    void *to = answer;
    __asm__ volatile("rep insl" : "+D"(to), "+c"(dwords) : "d"(GLASSBOX_DATA) : "memory");
    answer[bytes] = 0;
    return bytes;
}

/* The next line of a text, cut at `room`; returns what follows, NULL at the end. */
static const char *next_line(const char *from, char *to, u32 room)
{
    u32 n = 0;
    if (!*from) return NULL;
    for (; *from && *from != '\n'; from++)
        if (n + 1 < room) to[n++] = *from;
    to[n] = 0;
    return *from ? from + 1 : from;
}

int glass_init(void)
{
    char first[24];
    u32 bytes = ask(GLASSBOX_IDENTITY, 0);
    const char *at = bytes < BYTES_MAX ? next_line(answer, first, sizeof first) : NULL;
    if (!at || memcmp(first, GLASSBOX_NAME, sizeof GLASSBOX_NAME)) return 0;
    if ((at = next_line(at, engine, sizeof engine))) next_line(at, engine_form, sizeof engine_form);
    ask(GLASSBOX_NAMES, 0);
    at = answer;
    while (counter_count < COUNTERS_MAX && (at = next_line(at, counter_name[counter_count], COUNTER_NAME)))
        counter_count++;
    return 1;
}

int engine_translates(void) { return engine[0] == 't'; }

void counters_read(Counters *c)
{
    u32 bytes = ask(GLASSBOX_COUNTERS, 0);
    memset(c, 0, sizeof *c);
    memcpy(c, answer, bytes < sizeof *c ? bytes : sizeof *c);
}

u64 clock_ns(void)
{
    Counters c;
    counters_read(&c);
    return c.value[0];
}

/* --- the listing ----------------------------------------------------------------------------------------- */

void listing_clear(void) { listing_count = 0; }

static void add_line(const char *s)
{
    if (listing_count == LISTING_LINES) return;
    next_line(s, listing[listing_count], COLUMNS + 1);
    if (!*s) listing[listing_count][0] = 0;
    listing_count++;
}

void listing_head(const char *text)
{
    TEXT(t, COLUMNS + 1);
    text_char(&t, LINE_HEAD);
    text_add(&t, "%s", text);
    add_line(t_bytes);
}

static u32 digit(char c) { return c >= 'a' ? (u32)(c - 'a' + 10) : (u32)(c - '0'); }

/* Does a line of code begin an instruction, and which? */
static int begins(const char *line, u32 *offset)
{
    if (line[0] != GLASSBOX_LINE_CODE || line[1] == ' ') return 0;
    *offset = digit(line[1]) << 8 | digit(line[2]) << 4 | digit(line[3]);
    return 1;
}

/* The lines of other instructions than the one at `only` are for the whole listing. */
static void add(u32 what, u32 linear, u32 only)
{
    const char *at = answer;
    char line[COLUMNS + 1];
    u32 offset = 0;
    int in = !only;
    ask(what, linear);
    while ((at = next_line(at, line, sizeof line))) {
        if (only && begins(line, &offset)) in = offset == (only & 0xfff);
        if (!in && line[0] == GLASSBOX_LINE_CODE) line[0] = LINE_MORE;
        add_line(line);
    }
}

void listing_add(u32 linear) { add(GLASSBOX_EXPLAIN, linear, 0); }
void listing_add_one(u32 linear, u32 only) { add(GLASSBOX_EXPLAIN, linear, only); }
void listing_add_16(u32 linear, u32 only) { add(GLASSBOX_EXPLAIN_16, linear, only); }

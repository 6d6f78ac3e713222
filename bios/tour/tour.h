/* tour.h - the tour: a guest of ring3's own that looks at its own translation.
 *
 *   main.c      the menu
 *   page.c      what is shown after an experiment
 *   entries*.c  the experiments; programs.S  what they run
 *   program.c   programs of ring 3 and V86 mode: fresh pages, registers, the way back
 *   system.c    descriptors, page tables, interrupts
 *   glass.c     the glass box: counters and listings (docs/DEVICES.md)
 *   screen.c    80x25 characters in colour; keyboard.c
 *
 * Code for a 386 in protected mode, without a library; started as a Multiboot kernel, without firmware.
 */
#ifndef TOUR_H
#define TOUR_H

#include "bios/tour/layout.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define NULL        ((void *)0)

static inline void port_out8(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline u8 port_in8(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void port_out32(u16 port, u32 v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline u32 port_in32(u16 port)
{
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

/* --- text.c: strings ------------------------------------------------------------------------------------- */

void *memcpy(void *to, const void *from, u32 n);
void *memset(void *to, int v, u32 n);
int memcmp(const void *a, const void *b, u32 n);
u32 text_length(const char *s);
/* A text that is put together; never more than it has room for, always closed by a zero. */
typedef struct Text {
    char *at;
    u32 used, room;
} Text;
#define TEXT(name, bytes)                                                                                    \
    char name##_bytes[bytes];                                                                                \
    Text name = {name##_bytes, 0, sizeof name##_bytes}
void text_char(Text *t, char c);
/* %s text, %u and %x 32 bits, %U 64 bits with commas, %T nanoseconds in a unit that fits, %q a quotient to
 * hundredths (u64, u32); %8x and the like: so many digits. */
void text_add(Text *t, const char *format, ...);
/* n / d and its remainder, for a divisor of 32 bits. */
u64 divide(u64 n, u32 d, u32 *rest);

/* --- screen.c -------------------------------------------------------------------------------------------- */

enum { COLUMNS = 80, ROWS = 25 };
enum {
    DIM = 0x08,
    PLAIN = 0x07,
    BRIGHT = 0x0f,
    GUEST = 0x0b,
    CLASS = 0x0e,
    HOST = 0x0a,
    HEAD = 0x30,
    TITLE = 0x1f,
    KEYS = 0x70,
    CHOSEN = 0x2f,
    NUMBER = 0x0e,
    WRONG = 0x4f
};
void screen_clear(void);
void screen_row(u32 row, u8 colour);                           /* blank, in that colour */
u32 screen_put(u32 row, u32 column, u8 colour, const char *s); /* cut at the edge; returns the next column */
void screen_put_n(u32 row, u32 column, u8 colour, const char *s, u32 n); /* exactly n: cut or filled */
u32 screen_wrap(u32 row, u32 rows, u8 colour, const char *s); /* by words, over rows; returns the next row */
volatile u16 *screen_cell(u32 row, u32 column);
void screen_cursor_off(void);

/* --- keyboard.c ------------------------------------------------------------------------------------------ */

enum {
    KEY_ESC = 1,
    KEY_TAB = 9,
    KEY_ENTER = 13,
    KEY_UP = 256,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN
};
void keyboard_interrupt(void);
void keyboard_release(void); /* sleeps until the last key is up */
u32 keyboard_wait(void);     /* the next key: one of those, or a character; sleeps */

/* --- system.c -------------------------------------------------------------------------------------------- */

typedef struct Frame { /* as the processor and start.S push it */
    u32 edi, esi, ebp, esp_, ebx, edx, ecx, eax;
    u32 vector, error;
    u32 eip, cs, eflags;
    u32 esp, ss;        /* not from ring 0 */
    u32 es, ds, fs, gs; /* V86 mode only */
} Frame;
enum { FL_CF = 1, FL_IF = 0x200, FL_IOPL3 = 0x3000, FL_VM = 0x20000 };
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40 };
enum { VECTOR_PF = 14 };

void system_init(void);
void interrupts_mask(int all); /* all, or all but the keyboard's */
void timer_wait(void);         /* a fifth of a millisecond, running; interrupts are masked afterwards */
u32 page_new(void);            /* a page that no experiment has used yet, filled with NOP */
u32 *page_entry(u32 va);       /* of one of the addresses in layout.h */
void page_map(u32 va, u32 pa, u32 flags); /* flushes */
void page_flush(u32 va);
int trap(Frame *f); /* from start.S: 0 ends the program */
u32 gdt_base(void), idt_base(void), read_cr0(void);
int has_sysenter(void);
_Noreturn void fatal(const char *why, const Frame *f);

/* --- program.c ------------------------------------------------------------------------------------------- */

extern Frame program;      /* the registers with which the last program ended */
extern u32 program_faults; /* #PFs of it that were handled */
extern const u8 prog_nothing[], prog_nothing_end[];
/* Copies a program (programs.S) to an unused page at USER_CODE, V86_CODE, or (linear = physical) for ring 0. */
u32 program_place(const u8 *from, const u8 *to, u32 va);
void program_run(const Frame *start); /* in ring 3, from USER_CODE on, with these eax ... edi */
void program_run_v86(const Frame *start);
int program_trap(Frame *f); /* of a program: 0 ends it */

/* --- glass.c --------------------------------------------------------------------------------------------- */

enum { COUNTERS_MAX = 40, COUNTER_NAME = 20, LISTING_LINES = 600 };
typedef struct Counters {
    u64 value[COUNTERS_MAX];
} Counters;
extern u32 counter_count;
extern char counter_name[COUNTERS_MAX][COUNTER_NAME];
extern char engine[24], engine_form[24]; /* "translate", "auto" */
int glass_init(void);                    /* false: there is no such device */
int engine_translates(void);
void counters_read(Counters *c);
u64 clock_ns(void);
/* The listing that the page shows: lines of up to 80 characters, of which the first says what they are
 * (hw/glassbox_ports.h). */
#define LINE_HEAD '#'
#define LINE_MORE '-' /* code, for the whole listing */
extern char listing[LISTING_LINES][COLUMNS + 1];
extern u32 listing_count;
void listing_clear(void);
void listing_head(const char *text);
void listing_add(u32 linear);               /* what the translator made of the code there */
void listing_add_one(u32 linear, u32 only); /* the summary shows the instruction at `only` of it */
void listing_add_16(u32 linear, u32 only);  /* 16-bit code; only may be 0: all */

/* --- entries.c, page.c ----------------------------------------------------------------------------------- */

typedef struct Result { /* of a run of an experiment */
    char said[3 * COLUMNS];
    Counters before, after;
} Result;
typedef struct Entry {
    const char *title, *comment, *why;
    void (*run)(Result *r, Text *said);
} Entry;
extern const Entry entries[];
extern const u32 entry_count;
void result_begin(Result *r); /* the counters as they are before */
void result_end(Result *r);
/* Run a program that does nothing, so that the way there and back is translated when something is counted. */
void page_rehearse(void);
u32 page_show(u32 n); /* runs and shows entry n; returns the key that left it */

#endif

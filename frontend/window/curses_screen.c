/* curses_screen.c - the guest's text screen in a terminal, with colours; graphics modes are only named.
 *
 * A terminal sends characters, not keys: they are typed on the guest's keyboard by the layout (typing.h), pressed and
 * released at once. Keys that terminals name (arrows, F1..F12, ...) are pressed as such; Escape with a character at
 * once behind it is Alt and that character. Ctrl-A begins a key of ours, as on a serial terminal (tty_escape.c).
 *
 * Ctrl-A C gives the terminal to the monitor, as it was before ring3 came: curses' screen is left, the terminal stays
 * raw, and bytes pass between it and the monitor's socket (window_protocol.h). What the monitor says meanwhile waits
 * there. PageUp shows what it said before (curses_scroll.c), on curses' screen, so that the terminal's own stays.
 *
 * Is the terminal smaller than the screen, the part around the cursor is shown; is it taller, the last line is a
 * status. Not possible here: keys by place, mouse, sound, held keys.
 */
#include "hw/keys.h" /* first: curses.h has macros of the same names, and they win below */

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "frontend/host/tty.h"
#include "frontend/window/curses_scroll.h"
#include "frontend/window/displays.h"
#include "frontend/window/pace.h"
#include "frontend/window/scrollback.h"
#include "hw/cp437.h"
#include "hw/screen.h"

enum { CTRL_U = 21, ESCAPE = 27, ESCAPE_MS = 25 };
#define NEVER UINT64_MAX

static struct {
    Session *s;
    struct termios saved;
    volatile bool changed;     /* the terminal is ours */
    bool escape;               /* Ctrl-A was the last key */
    bool in_monitor;           /* it has the terminal */
    volatile bool leaves_text; /* on the terminal's own screen, with the cursor in its last line */
    bool scrolls;              /* ... and what it said is read again */
    u8 held[4], holds;         /* of what was typed to it: the beginning of a PageUp, perhaps */
    char said[1 << 16];        /* what it says meanwhile */
    size_t said_bytes;
    bool show_help, stale;
    const Picture *picture;
    Pace pace;
} t;

void curses_restore(void)
{
    static const char leave[] = "\033[0m\033[?25h\033[?1049l"; /* colours, cursor, the screen before us */
    if (!t.changed) return;
    t.changed = false;
    (void)!write(STDOUT_FILENO, leave, sizeof leave - 1);
    if (t.leaves_text) (void)!write(STDOUT_FILENO, "\r\n", 2);
    tcsetattr(STDIN_FILENO, TCSANOW, &t.saved);
}

static bool has_capability(const char *name)
{
    const char *does = tigetstr(name);
    return does && does != (char *)-1;
}

/* --- colours --------------------------------------------------------------------------------------------- */

static bool sixteen(void) { return COLORS >= 16 && COLOR_PAIRS > 256; }

static int terminal_color(u32 vga) /* the PC counts blue, green, red; terminals red, green, blue */
{
    return (int)((vga & 8) | (vga & 4) >> 2 | (vga & 2) | (vga & 1) << 2);
}

static void make_pairs(void)
{
    unsigned colors = sixteen() ? 16 : 8;
    if (!has_colors()) return;
    start_color();
    for (u32 back = 0; back < colors; back++)
        for (u32 fore = 0; fore < colors; fore++)
            init_pair((short)(1 + back * colors + fore), (short)terminal_color(fore),
                      (short)terminal_color(back));
}

/* A VGA attribute; bit 7 is a bright background, or blinking. */
static attr_t attributes(u8 attribute, bool blinks, short *pair)
{
    unsigned fore = attribute & 15, back = attribute >> 4;
    attr_t a = A_NORMAL;
    *pair = 0;
    if (blinks && back & 8) a |= A_BLINK;
    if (blinks) back &= 7;
    if (!has_colors()) return a | (fore & 8 ? A_BOLD : 0) | (back & 7 ? A_REVERSE : 0);
    if (sixteen()) {
        *pair = (short)(1 + back * 16 + fore);
        return a;
    }
    *pair = (short)(1 + (back & 7) * 8 + (fore & 7));
    return a | (fore & 8 ? A_BOLD : 0);
}

/* --- drawing --------------------------------------------------------------------------------------------- */

static void put_cell(int y, int x, u16 cell, bool blinks)
{
    wchar_t text[2] = {cp437[cell & 0xff], 0};
    short pair;
    cchar_t c;
    attr_t a = attributes((u8)(cell >> 8), blinks, &pair);
    if (setcchar(&c, text, a, pair, NULL) == OK) mvadd_wch(y, x, &c);
}

/* First row or column to show, so that the cursor is seen. */
static u32 first_shown(u32 cursor, u32 size, int room)
{
    if (size <= (u32)room || cursor < (u32)room) return 0;
    u32 first = cursor - (u32)room + 1;
    return first + (u32)room > size ? size - (u32)room : first;
}

static void draw_text(const Picture *p, bool blinks)
{
    u32 top = first_shown(p->cursor_row, p->rows, LINES);
    u32 left = first_shown(p->cursor_column % p->columns, p->columns, COLS);
    for (u32 y = 0; y < (u32)LINES && top + y < p->rows; y++)
        for (u32 x = 0; x < (u32)COLS && left + x < p->columns; x++)
            put_cell((int)y, (int)x, p->cells[(top + y) * p->columns + left + x], blinks);
    bool cursor = p->cursor_column < p->columns && p->cursor_row < p->rows;
    curs_set(cursor);
    if (cursor) move((int)(p->cursor_row - top), (int)(p->cursor_column - left));
}

static void draw_graphics(const Picture *p)
{
    char text[60];
    snprintf(text, sizeof text, "%u x %u graphics", p->width, p->height);
    curs_set(0);
    mvaddstr(LINES / 2, COLS > (int)strlen(text) ? (COLS - (int)strlen(text)) / 2 : 0, text);
}

/* Line n of the list of our keys; false: there are no more. */
static bool help_line(unsigned n, char line[60])
{
    static const char *const keys[][2] = {{"X", "end ring3"},
                                          {"C", "the monitor, and back"},
                                          {"P", "press the power button"},
                                          {"D", "Ctrl-Alt-Delete for the guest"},
                                          {"S", "stop the machine, resume"},
                                          {"+ -", "faster, slower"},
                                          {"H", "this list"}};
    const char *ours = tty_escape_name();
    if (n < ARRAY_LEN(keys)) snprintf(line, 60, "%s %-6s  %s", ours, keys[n][0], keys[n][1]);
    if (n == ARRAY_LEN(keys)) snprintf(line, 60, "%s %-6s  send %s", ours, ours, ours);
    return n <= ARRAY_LEN(keys);
}

static void draw_help(void)
{
    char line[60];
    attrset(A_REVERSE);
    for (unsigned n = 0; help_line(n, line); n++) mvprintw((int)n + 2, 4, " %-45s ", line);
    attrset(A_NORMAL);
}

static void draw_status(int y)
{
    char status[64];
    session_describe(t.s, status, sizeof status);
    attrset(A_DIM);
    mvprintw(y, 0, "ring3%s%.40s%s - %s H: keys", *t.s->name ? " - " : "", t.s->name, status,
             tty_escape_name());
    clrtoeol();
    attrset(A_NORMAL);
}

static void draw(const Picture *p)
{
    const ScreenState *state = (const ScreenState *)(const void *)t.s->shared->screen;
    bool text = p->is_text && p->columns && p->rows && p->cells;
    int y, x;
    erase();
    if (text)
        draw_text(p, state->attr[ATTR_MODE_CONTROL] & AR10_EB);
    else
        draw_graphics(p);
    getyx(stdscr, y, x);
    if (!text || (u32)LINES > p->rows) draw_status(LINES - 1);
    if (t.show_help) draw_help();
    move(y, x);
    refresh();
}

static void look(u64 now)
{
    u64 began = host_now_ns();
    u32 rows = 0;
    if (t.s->scanout) {
        const Picture *p = t.picture = scanout_update(t.s->scanout, session_screen_ns(t.s, now));
        rows = p->resized ? p->height : p->dirty_rows;
        if (rows || t.stale) draw(p);
        t.stale = false;
    }
    pace_looked(&t.pace, now, host_now_ns() - began, rows);
}

/* --- keys ------------------------------------------------------------------------------------------------ */

static const struct {
    int curses;
    Keystroke stroke;
} named_keys[] = {
    {KEY_UP, {KEY_E0 | 0x48, 0}},    {KEY_DOWN, {KEY_E0 | 0x50, 0}},  {KEY_LEFT, {KEY_E0 | 0x4b, 0}},
    {KEY_RIGHT, {KEY_E0 | 0x4d, 0}}, {KEY_HOME, {KEY_E0 | 0x47, 0}},  {KEY_END, {KEY_E0 | 0x4f, 0}},
    {KEY_PPAGE, {KEY_E0 | 0x49, 0}}, {KEY_NPAGE, {KEY_E0 | 0x51, 0}}, {KEY_IC, {KEY_E0 | 0x52, 0}},
    {KEY_DC, {KEY_DELETE, 0}},       {KEY_BACKSPACE, {0x0e, 0}},      {KEY_BTAB, {KEY_TAB, WITH_SHIFT}},
};

/* Arrows and their block with Shift, Alt and Ctrl, as xterm and nearly all since send them: CSI 1 ; m final, or
 * CSI n ; m ~ with m - 1 a mask of the three. Known to ncurses by numbers of ours. */
enum { FIRST_MODIFIED = 0x1000, MODIFIERS = 7 };

static const struct {
    const char *begin, *end;
    u8 key;
} block_keys[] = {{"1", "A", 0x48}, {"1", "B", 0x50}, {"1", "C", 0x4d}, {"1", "D", 0x4b}, {"1", "H", 0x47},
                  {"1", "F", 0x4f}, {"2", "~", 0x52}, {"3", "~", 0x53}, {"5", "~", 0x49}, {"6", "~", 0x51}};

static void know_modified_keys(void)
{
    char sent[16];
    for (int n = 0; n < (int)ARRAY_LEN(block_keys); n++)
        for (int m = 1; m <= MODIFIERS; m++) {
            snprintf(sent, sizeof sent, "\033[%s;%d%s", block_keys[n].begin, m + 1, block_keys[n].end);
            define_key(sent, FIRST_MODIFIED + n * (MODIFIERS + 1) + m);
        }
}

static bool modified_key(int key, Keystroke *to)
{
    int n = (key - FIRST_MODIFIED) / (MODIFIERS + 1), m = (key - FIRST_MODIFIED) % (MODIFIERS + 1);
    if (key < FIRST_MODIFIED || n >= (int)ARRAY_LEN(block_keys)) return false;
    *to = (Keystroke){KEY_E0 | block_keys[n].key,
                      (u8)((m & 1 ? WITH_SHIFT : 0) | (m & 2 ? WITH_ALT : 0) | (m & 4 ? WITH_CTRL : 0))};
    return true;
}

/* F1..F12; terminals count those with Shift, Ctrl and Alt on from there. */
static bool function_key(int key, Keystroke *to)
{
    static const u8 with[] = {0, WITH_SHIFT, WITH_CTRL, WITH_CTRL | WITH_SHIFT, WITH_ALT};
    int n = key - KEY_F(1);
    if (n < 0 || n >= 12 * (int)ARRAY_LEN(with)) return false;
    int f = n % 12;
    *to = (Keystroke){(u8)(f < 10 ? KEY_F1 + f : 0x57 + f - 10), with[n / 12]};
    return true;
}

static void type_named(int key)
{
    Keystroke k;
    if (function_key(key, &k) || modified_key(key, &k)) session_type(t.s, k);
    for (unsigned n = 0; n < ARRAY_LEN(named_keys); n++)
        if (named_keys[n].curses == key) session_type(t.s, named_keys[n].stroke);
}

static void type_character(u32 c, u8 with)
{
    Keystroke k[STROKES_MAX];
    unsigned count = layout_strokes(t.s->layout, c, k);
    for (unsigned n = 0; n < count; n++) {
        if (n + 1 == count) k[n].with |= with;
        session_type(t.s, k[n]);
    }
}

/* --- the monitor ----------------------------------------------------------------------------------------- */

/* What the terminal has for it, by terminfo; false: nothing. */
static bool put_capability(const char *name)
{
    if (!has_capability(name)) return false;
    putp(tigetstr(name));
    return true;
}

static void tell_monitor(u8 byte) { (void)!send(t.s->monitor, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL); }

static bool monitor_takes(void)
{
    struct pollfd p = {t.s->monitor, POLLOUT, 0};
    return poll(&p, 1, 0) > 0 && p.revents & POLLOUT;
}

/* A terminal with one screen only (the Linux console) has lost what the monitor said last: a new prompt. */
static void leave_curses(void)
{
    put_capability("sgr0");
    put_capability("cnorm");
    put_capability("rmkx");
    if (!put_capability("rmcup")) {
        put_capability("clear");
        tell_monitor(CTRL_U);
        tell_monitor('\r');
    }
    fflush(stdout);
}

static void enter_curses(void)
{
    put_capability("smcup");
    put_capability("smkx");
    fflush(stdout);
    clearok(curscr, TRUE);
}

static void enter_monitor(void)
{
    if (t.s->monitor < 0) return;
    t.in_monitor = t.leaves_text = true;
    t.holds = 0;
    leave_curses();
}

static void leave_monitor(void)
{
    t.in_monitor = false;
    if (!t.scrolls) enter_curses();
    t.scrolls = false;
    t.stale = true;
}

static void start_scroll(void)
{
    t.scrolls = true;
    enter_curses();
    scroll_begin();
    scroll_draw();
}

static void end_scroll(void)
{
    t.scrolls = false;
    leave_curses();
    fwrite(t.said, 1, t.said_bytes, stdout);
    fflush(stdout);
    t.said_bytes = 0;
}

static void take_scroll_keys(void)
{
    wint_t key;
    for (int kind; t.scrolls && (kind = get_wch(&key)) != ERR;) {
        t.escape = kind == OK && key == tty_escape();
        if (t.escape || !scroll_key(kind, key)) end_scroll();
    }
    if (t.scrolls) scroll_draw();
}

static void print_help(void)
{
    char line[60];
    printf("\r\n");
    for (unsigned n = 0; help_line(n, line); n++) printf("%s\r\n", line);
    printf("PageUp         what the monitor said before, and the right of long lines\r\n");
    fflush(stdout);
}

static void show_monitor(void)
{
    char *to = t.said + t.said_bytes;
    ssize_t n = recv(t.s->monitor, to, sizeof t.said - t.said_bytes, MSG_DONTWAIT);
    if (n > 0) {
        scrollback_put(to, (size_t)n);
        if (t.scrolls) {
            t.said_bytes += (size_t)n;
            return;
        }
        fwrite(to, 1, (size_t)n, stdout);
        fflush(stdout);
    } else if (n == 0) { /* it ends */
        close(t.s->monitor);
        t.s->monitor = -1;
        leave_monitor();
    }
}

static void our_key(wint_t key)
{
    if (key == tty_escape()) {
        if (t.in_monitor)
            tell_monitor((u8)key);
        else
            type_character(key, 0);
        return;
    }
    switch (key) {
    case 'c':
    case 'C':
        if (t.in_monitor)
            leave_monitor();
        else
            enter_monitor();
        break;
    case 'x':
    case 'X': session_send(t.s, WINDOW_QUIT, 0, 0, 0, 0); break;
    case 'p':
    case 'P': session_send(t.s, WINDOW_POWER, 0, 0, 0, 0); break;
    case 'd':
    case 'D': session_ctrl_alt_delete(t.s); break;
    case 's':
    case 'S': session_send(t.s, WINDOW_PAUSE, 0, 0, 0, 0); break;
    case '+': session_send(t.s, WINDOW_SPEED, 1, 0, 0, 0); break;
    case '-': session_send(t.s, WINDOW_SPEED, -1, 0, 0, 0); break;
    case 'h':
    case 'H':
    case '?':
        if (t.in_monitor)
            print_help();
        else
            t.show_help = true;
        break;
    default: break;
    }
}

static void escape_sequence(void)
{
    wint_t next;
    int kind = get_wch(&next);
    if (kind == OK && next != ESCAPE)
        type_character(next, WITH_ALT);
    else
        type_character(ESCAPE, 0);
}

static void on_character(wint_t c)
{
    bool hide_help = t.show_help;
    if (t.escape) {
        t.escape = false;
        our_key(c);
    } else if (c == tty_escape()) {
        t.escape = true;
    } else if (hide_help) { /* that key only takes the list away */
    } else if (c == ESCAPE) {
        escape_sequence();
    } else {
        type_character(c, 0);
    }
    if (hide_help) t.show_help = false;
}

/* To the monitor, but for PageUp (ESC [ 5 ~): what may be its beginning waits for the next byte. */
static void type_to_monitor(u8 byte)
{
    static const u8 page_up[] = {ESCAPE, '[', '5', '~'};
    if (byte == page_up[t.holds]) {
        t.held[t.holds++] = byte;
        if (t.holds < sizeof page_up) return;
        t.holds = 0;
        start_scroll();
        return;
    }
    for (unsigned n = 0; n < t.holds; n++) tell_monitor(t.held[n]);
    t.holds = byte == ESCAPE;
    t.held[0] = byte;
    if (!t.holds) tell_monitor(byte);
}

/* What is typed to the monitor is bytes; one after the other, since with Ctrl-A C the rest is the guest's. */
static void take_monitor_keys(void)
{
    struct pollfd p = {STDIN_FILENO, POLLIN, 0};
    u8 byte;
    if (t.scrolls) take_scroll_keys();
    while (t.in_monitor && !t.scrolls && monitor_takes() && poll(&p, 1, 0) > 0 &&
           read(STDIN_FILENO, &byte, 1) == 1) {
        if (t.escape) {
            t.escape = false;
            our_key(byte);
        } else if (byte == tty_escape()) {
            t.escape = true;
        } else {
            type_to_monitor(byte);
        }
    }
}

static void take_keys(void)
{
    wint_t key;
    for (int kind; !t.in_monitor && session_type_room(t.s) && (kind = get_wch(&key)) != ERR;) {
        if (kind == KEY_CODE_YES)
            type_named((int)key);
        else
            on_character(key);
        t.stale = true;
        pace_input(&t.pace, host_now_ns());
    }
}

/* --- life ------------------------------------------------------------------------------------------------ */

static void choose_locale(void)
{
    setlocale(LC_ALL, "");
    /* A shell without a locale says nothing about the terminal; nearly all take UTF-8. */
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

/* Arrows are sent in two ways, and terminals do not all keep to what TERM says. */
static void know_both_arrows(void)
{
    static const struct {
        const char *sent;
        int key;
    } arrows[] = {{"\033[A", KEY_UP},   {"\033[B", KEY_DOWN}, {"\033[C", KEY_RIGHT},
                  {"\033[D", KEY_LEFT}, {"\033[H", KEY_HOME}, {"\033[F", KEY_END}};
    for (unsigned n = 0; n < ARRAY_LEN(arrows); n++) define_key(arrows[n].sent, arrows[n].key);
}

bool curses_open(Session *s, char *why, u32 bytes)
{
    t.s = s;
    choose_locale();
    if (tcgetattr(STDIN_FILENO, &t.saved) < 0) return snprintf(why, bytes, "no terminal"), false;
    const char *kind = getenv("TERM");
    if (!kind || !*kind || !strcmp(kind, "dumb"))
        return snprintf(why, bytes, "TERM names no terminal that can place text"), false;
    set_escdelay(ESCAPE_MS);
    if (!newterm(NULL, stdout, stdin)) return snprintf(why, bytes, "TERM=%s: unknown terminal", kind), false;
    t.changed = true;
    t.leaves_text = !has_capability("rmcup"); /* a terminal with one screen only */
    raw();
    noecho();
    nonl();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    know_both_arrows();
    know_modified_keys();
    make_pairs();
    return true;
}

static s32 milliseconds_until(u64 at_ns, u64 now)
{
    if (at_ns == NEVER) return -1;
    return at_ns <= now ? 0 : (s32)((at_ns - now + 999999) / 1000000);
}

/* The terminal, as far as somebody takes its keys: who pastes a long text is slowed down. */
static short keys_wanted(void)
{
    if (t.scrolls) return POLLIN;
    return (t.in_monitor ? monitor_takes() : session_type_room(t.s)) ? POLLIN : 0;
}

static void wait_for_events(struct pollfd p[3], u64 next)
{
    p[0].events = keys_wanted();
    p[2] = (struct pollfd){t.in_monitor && t.said_bytes < sizeof t.said ? t.s->monitor : -1,
                           (short)(p[0].events ? POLLIN : POLLIN | POLLOUT), 0};
    poll(p, 3, milliseconds_until(next, host_now_ns()));
}

/* The terminal as the shell had it; the monitor's text stays, and the shell's goes on below it. */
static void leave_terminal(void)
{
    if (t.in_monitor && !t.scrolls)
        reset_shell_mode();
    else
        endwin();
    if (t.leaves_text) printf("\n");
    fflush(stdout);
    t.changed = false;
}

void curses_run(Session *s)
{
    struct pollfd p[3] = {{STDIN_FILENO, POLLIN, 0}, {s->socket, POLLIN, 0}};
    u64 next = 0;
    t.stale = true;
    while (!s->gone) {
        wait_for_events(p, next);
        if (t.in_monitor) take_monitor_keys();
        if (!t.in_monitor && session_type_room(s)) take_keys();
        if (t.in_monitor && t.said_bytes < sizeof t.said) show_monitor();
        if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
            session_send(s, WINDOW_QUIT, 0, 0, 0, 0); /* the terminal is gone */
            p[0].fd = -1;
        }
        session_receive(s);
        u64 now = host_now_ns(), typing = session_typing(s, now);
        if (!t.in_monitor && (now >= t.pace.next_ns || t.stale)) look(now);
        u64 looks = t.in_monitor ? NEVER : t.pace.next_ns;
        next = typing < looks ? typing : looks;
    }
    leave_terminal();
}

/* curses_screen.c - the guest's text screen in a terminal, with colours; graphics modes are only named.
 *
 * A terminal sends characters, not keys: they are typed on the guest's keyboard by the layout (typing.h), pressed and
 * released at once. Keys that terminals name (arrows, F1..F12, ...) are pressed as such; Escape with a character at
 * once behind it is Alt and that character. Ctrl-A begins a key of ours, as on a serial terminal (frontend/tty.c).
 *
 * Is the terminal smaller than the screen, the part around the cursor is shown; is it taller, the last line is a status.
 * Not possible here: keys by place, mouse, sound, held keys.
 */
#include "hw/keys.h" /* first: curses.h has macros of the same names, and they win below */

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "frontend/window/cp437.h"
#include "frontend/window/displays.h"
#include "frontend/window/pace.h"
#include "hw/screen.h"

enum { CTRL_A = 1, ESCAPE = 27, ESCAPE_MS = 25 };

static struct {
    Session *s;
    struct termios saved;
    volatile bool changed; /* the terminal is ours */
    bool escape;           /* Ctrl-A was the last key */
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
    tcsetattr(STDIN_FILENO, TCSANOW, &t.saved);
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

static void draw_help(void)
{
    static const char *const lines[] = {"Ctrl-A X       end ring3",
                                        "Ctrl-A P       press the power button",
                                        "Ctrl-A D       Ctrl-Alt-Delete for the guest",
                                        "Ctrl-A S       stop the machine, let it go on",
                                        "Ctrl-A + -     faster, slower",
                                        "Ctrl-A H       this list",
                                        "Ctrl-A Ctrl-A  Ctrl-A for the guest"};
    attrset(A_REVERSE);
    for (unsigned n = 0; n < ARRAY_LEN(lines); n++) mvprintw((int)n + 2, 4, " %-45s ", lines[n]);
    attrset(A_NORMAL);
}

static void draw_status(int y)
{
    char status[64];
    session_describe(t.s, status, sizeof status);
    attrset(A_DIM);
    mvprintw(y, 0, "ring3%s%.40s%s - Ctrl-A H: keys", *t.s->name ? " - " : "", t.s->name, status);
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
        const Picture *p = t.picture = scanout_update(t.s->scanout, now);
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

/* Arrows and their block with Shift, Alt and Ctrl, as xterm and nearly all since send them: CSI 1 ; m final, or CSI n ; m ~
 * with m - 1 a mask of the three. Known to ncurses by numbers of ours. */
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

static void our_key(wint_t key)
{
    switch (key) {
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
    case '?': t.show_help = true; break;
    case CTRL_A: type_character(CTRL_A, 0); break;
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
    } else if (c == CTRL_A) {
        t.escape = true;
    } else if (hide_help) { /* that key only takes the list away */
    } else if (c == ESCAPE) {
        escape_sequence();
    } else {
        type_character(c, 0);
    }
    if (hide_help) t.show_help = false;
}

static void take_keys(void)
{
    wint_t key;
    for (int kind; session_type_room(t.s) && (kind = get_wch(&key)) != ERR;) {
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
    return at_ns <= now ? 0 : (s32)((at_ns - now + 999999) / 1000000);
}

void curses_run(Session *s)
{
    struct pollfd p[] = {{STDIN_FILENO, POLLIN, 0}, {s->socket, POLLIN, 0}};
    u64 next = 0;
    t.stale = true;
    while (!s->gone) {
        p[0].events = session_type_room(s) ? POLLIN : 0; /* who pastes a long text is slowed down */
        poll(p, ARRAY_LEN(p), milliseconds_until(next, host_now_ns()));
        if (session_type_room(s)) take_keys();
        if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
            session_send(s, WINDOW_QUIT, 0, 0, 0, 0); /* the terminal is gone */
            p[0].fd = -1;
        }
        session_receive(s);
        u64 now = host_now_ns(), typing = session_typing(s, now);
        if (now >= t.pace.next_ns || t.stale) look(now);
        next = typing < t.pace.next_ns ? typing : t.pace.next_ns;
    }
    endwin();
    t.changed = false;
}

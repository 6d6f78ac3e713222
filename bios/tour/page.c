/* page.c - what is shown after an experiment: what happened, the translation, the counters that moved, and why.
 *
 * Tab goes from this summary to the whole listing, to all counters, and back.
 */
#include "bios/tour/tour.h"
#include "hw/glassbox_ports.h"

enum {
    SAID_ROW = 1,
    SAID_ROWS = 3,
    CODE_ROW = 4,
    CODE_ROWS = 10,
    COUNTERS_ROW = 15,
    COUNTER_ROWS = 4,
    WHY_ROW = 20,
    WHY_ROWS = 4,
    KEYS_ROW = 24,
    WIDE_ROWS = KEYS_ROW - 2
};
typedef enum View { VIEW_SUMMARY, VIEW_LISTING, VIEW_COUNTERS, VIEWS } View;
static Result result;

void result_begin(Result *r) { counters_read(&r->before); }
void result_end(Result *r) { counters_read(&r->after); }

/* The first character says what a line is. */
static void show_line(u32 row, const char *s)
{
    screen_row(row, PLAIN);
    if (!s[0]) return;
    if (s[0] == GLASSBOX_LINE_WHY || s[0] == GLASSBOX_LINE_HISTORY) {
        screen_put(row, 1, s[0] == GLASSBOX_LINE_WHY ? PLAIN : NUMBER, s + 1);
    } else if (s[0] == LINE_HEAD) {
        screen_put(row, 1, BRIGHT, s + 1);
    } else {
        screen_put_n(row, 1, GUEST, s + 1, GLASSBOX_CLASS_AT - 1);
        screen_put_n(row, GLASSBOX_CLASS_AT, CLASS, s + GLASSBOX_CLASS_AT,
                     GLASSBOX_BAR_AT - GLASSBOX_CLASS_AT);
        screen_put(row, GLASSBOX_BAR_AT, DIM, "\xb3");
        screen_put(row, GLASSBOX_BAR_AT + 1, s[0] == GLASSBOX_LINE_TAIL ? PLAIN : HOST,
                   s + GLASSBOX_BAR_AT + 1);
    }
}

/* Lines that a view shows: the summary leaves reasons and code out of line to the whole listing. */
static const char *lines[LISTING_LINES];
static u32 line_count;

static void choose_lines(View view)
{
    line_count = 0;
    for (u32 n = 0; n < listing_count; n++) {
        char what = listing[n][0];
        if (view != VIEW_SUMMARY || what == LINE_HEAD || what == GLASSBOX_LINE_CODE ||
            what == GLASSBOX_LINE_HISTORY)
            lines[line_count++] = listing[n];
    }
}

static void show_listing(u32 row, u32 rows, u32 from)
{
    TEXT(head, COLUMNS);
    screen_row(row, HEAD);
    screen_put(row, 1, HEAD, "guest instruction");
    screen_put(row, GLASSBOX_CLASS_AT, HEAD, "class");
    screen_put(row, GLASSBOX_BAR_AT, HEAD,
               engine_translates() ? "\xb3 host instructions" : "\xb3 function of ring3");
    if (line_count > rows) {
        u32 last = from + rows < line_count ? from + rows : line_count;
        text_add(&head, "%u-%u of %u \x18\x19", from + 1, last, line_count);
        screen_put(row, COLUMNS - 1 - text_length(head_bytes), HEAD, head_bytes);
    }
    for (u32 n = 0; n < rows; n++) show_line(row + 1 + n, from + n < line_count ? lines[from + n] : "");
}

/* --- counters -------------------------------------------------------------------------------------------- */

static int moved(u32 n) { return result.before.value[n] != result.after.value[n]; }

static u32 moved_count(void)
{
    u32 all = 0;
    for (u32 n = 0; n < counter_count; n++) all += (u32)moved(n);
    return all;
}

static void show_counter(u32 row, u32 column, u32 n)
{
    TEXT(t, COLUMNS);
    u64 before = result.before.value[n], after = result.after.value[n];
    screen_put(row, column, PLAIN, counter_name[n]);
    if (n)
        text_add(&t, "%U \x1a %U", before, after);
    else
        text_add(&t, "+%T", after - before); /* the time */
    screen_put(row, column + 21, NUMBER, t_bytes);
}

static void show_counters(u32 row, u32 rows, u32 columns)
{
    u32 shown = 0, all = moved_count(), room = rows * columns;
    TEXT(more, COLUMNS);
    for (u32 n = 0; n <= rows; n++) screen_row(row + n, n ? PLAIN : HEAD);
    screen_put(row, 1, HEAD, "counters that moved (before \x1a after)");
    for (u32 n = 0; n < counter_count && shown < room; n++)
        if (moved(n)) show_counter(row + 1 + shown % rows, 1 + shown / rows * (COLUMNS / 2), n), shown++;
    if (all > shown) {
        text_add(&more, "%u more: Tab Tab", all - shown);
        screen_put(row, COLUMNS - 1 - text_length(more_bytes), HEAD, more_bytes);
    }
}

/* --- the page -------------------------------------------------------------------------------------------- */

static void show_title(u32 n)
{
    TEXT(t, COLUMNS);
    TEXT(how, COLUMNS);
    screen_row(0, TITLE);
    text_add(&t, " %u  %s", (n + 1) % 10, entries[n].title);
    screen_put(0, 0, TITLE, t_bytes);
    text_add(&how, engine_translates() ? "engine %s, form %s" : "engine %s", engine, engine_form);
    screen_put(0, COLUMNS - 4 - text_length(how_bytes), TITLE, how_bytes);
}

/* tab: what the next Tab shows. */
static void show_keys(View view)
{
    static const char *const tab[] = {
        [VIEW_SUMMARY] = "listing", [VIEW_LISTING] = "counters", [VIEW_COUNTERS] = "summary"};
    TEXT(t, COLUMNS);
    text_add(&t, "Esc menu   Enter again   \x1b \x1a other experiments   \x18 \x19 scroll   Tab %s", tab[view]);
    screen_row(KEYS_ROW, KEYS);
    screen_put(KEYS_ROW, 1, KEYS, t_bytes);
}

static const char untranslated[] =
    "Nothing is translated: -accel interp has a C function for each instruction, and calls it. "
    "Start ring3 -tour without it to see what the translator makes of this program.";

static void show_summary(u32 n, u32 from)
{
    screen_wrap(SAID_ROW, SAID_ROWS, BRIGHT, result.said);
    show_listing(CODE_ROW, CODE_ROWS, from);
    show_counters(COUNTERS_ROW, COUNTER_ROWS, 2);
    screen_wrap(WHY_ROW, WHY_ROWS, PLAIN, engine_translates() ? entries[n].why : untranslated);
}

static void show(u32 n, View view, u32 from)
{
    screen_clear();
    choose_lines(view);
    show_title(n);
    if (view == VIEW_SUMMARY) show_summary(n, from);
    if (view == VIEW_LISTING) show_listing(1, WIDE_ROWS, from);
    if (view == VIEW_COUNTERS) show_counters(1, WIDE_ROWS, 1);
    show_keys(view); /* last, so that who looks knows that the rest is there */
}

/* When something happens while the guest runs, ring3 may look for a while, by its interpreter, whether the guest only
 * waits (cpu/wait.c). So something happens here, and the look passes. */
static void settle(void)
{
    enum { LOOK_INSNS = 1 << 15 };
    timer_wait();
    for (u32 n = 0; n < LOOK_INSNS; n++) __asm__ volatile("" : : : "memory");
}

void page_rehearse(void)
{
    for (u32 n = 0; n < 4; n++) {
        settle();
        program_place(prog_nothing, prog_nothing_end, USER_CODE);
        result_begin(&result);
        program_run(&(Frame){0});
        result_end(&result);
    }
}

static void run(u32 n)
{
    Text said = {result.said, 0, sizeof result.said};
    result.said[0] = 0;
    listing_clear();
    show_title(n);
    keyboard_release(); /* which is an event, too */
    interrupts_mask(1);
    settle();
    entries[n].run(&result, &said);
    interrupts_mask(0);
}

static u32 scrolled(u32 from, u32 key, u32 rows)
{
    u32 last = line_count > rows ? line_count - rows : 0;
    if (key == KEY_UP) return from ? from - 1 : 0;
    if (key == KEY_PAGE_UP) return from > rows ? from - rows : 0;
    if (key == KEY_PAGE_DOWN) from += rows - 1;
    if (key == KEY_DOWN || key == KEY_PAGE_DOWN) from++;
    return from < last ? from : last;
}

u32 page_show(u32 n)
{
    View view = VIEW_SUMMARY;
    u32 from = 0;
    run(n);
    for (;;) {
        show(n, view, from);
        u32 key = keyboard_wait();
        if (key == KEY_TAB) {
            view = (view + 1) % VIEWS;
            from = 0;
        } else if (key == KEY_UP || key == KEY_DOWN || key == KEY_PAGE_UP || key == KEY_PAGE_DOWN) {
            from = scrolled(from, key, view == VIEW_LISTING ? WIDE_ROWS : CODE_ROWS);
        } else {
            return key;
        }
    }
}

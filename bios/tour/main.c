/* main.c - the menu. Digits start an experiment, arrows and Enter, too; in an experiment left and right go on to its
 * neighbours, Esc comes back. */
#include "bios/tour/entries.h"

const Entry entries[] = {
    {"A loop in ring 3", "harmless: copied as it is",
     "IDENT, and MEM without memory: the guest's registers are the host's, so ADD stays ADD, flags and all. "
     "What the "
     "translator adds is a poll, two loads where the loop closes, so that an interrupt can get in.",
     entry_loop},
    {"POPF in ring 3", "sensitive, and it does not trap",
     "On a real processor, too, POPF in ring 3 leaves IF alone and does not trap: a monitor that runs a "
     "guest's kernel "
     "in ring 3 would never hear of it. So it is never executed as it is: IF is a bit in memory, the rest "
     "are real flags.",
     entry_popf},
    {"SGDT, SIDT, SMSW, STR in ring 3", "they tell where the tables are",
     "These instructions work in ring 3 and do not trap: executed as they are they would tell the host's "
     "tables. "
     "A callout has ring3's interpreter answer with the guest's.",
     entry_sgdt},
    {"A system call", "INT 80h and IRET; SYSENTER and SYSEXIT",
     "A ring switch changes what memory may be reached: another window, which is one register. Each place "
     "remembers which "
     "descriptors it read; while they stay the same, the checks are left out.",
     entry_syscall},
    {"A page fault", "the guest's own, handled by its kernel",
     "The page is not in the window (or the table), so the access ends in ring3, which walks the guest's "
     "page tables and "
     "delivers #PF. When the guest has brought the page, ring3 maps it and the instruction runs again.",
     entry_fault},
    {"A page-table entry changes", "without INVLPG, and with it",
     "Windows 9x changes entries without INVLPG and relies on small, forgetful TLBs. So ring3 write-protects "
     "the "
     "page tables behind its mappings: each store is seen, and the mapping made from the old entry goes at "
     "once.",
     entry_pte},
    {"Code that changes itself", "a patched immediate",
     "A page with translated code is write-protected, and a store into a block kills it. An instruction that "
     "was patched four "
     "times is left out of its block: a callout fetches and decodes it each time.",
     entry_smc},
    {"A storm of stores to a device", "the same instruction, before and after",
     "The first stores hit a page that the window does not map: a signal each, microseconds. After the "
     "second the "
     "instruction is translated anew, as a direct call of the device's code: nanoseconds.",
     entry_storm},
    {"16-bit code", "a V86 program, as DOS under EMM386",
     "Sixteen bits are a mode of the block like others: addresses are cut to 16 bits and the segment's base "
     "is added. "
     "Loading ES in V86 mode is a shift and two stores.",
     entry_v86},
    {"Table form and window form", "two ways to reach memory",
     "By the table, a look-up finds the page's host address: some 18 instructions, but no mapping has to be "
     "made. "
     "By the window "
     "the host's own paging hardware does it: one instruction, after a signal and an mmap for each page.",
     entry_forms},
};
const u32 entry_count = COUNT_OF(entries);

enum { FIRST_ROW = 6, KEYS_ROW = 24 };

static void show_menu(u32 chosen)
{
    TEXT(how, COLUMNS);
    screen_clear();
    screen_row(0, TITLE);
    screen_put(0, 1, TITLE, "ring3: a look into the glass box");
    text_add(&how, engine_translates() ? "engine %s, form %s" : "engine %s", engine, engine_form);
    screen_put(0, COLUMNS - 4 - text_length(how_bytes), TITLE, how_bytes);
    screen_wrap(
        2, 3, BRIGHT,
        "This is a guest. It runs in ring 3 of your processor, kernel and all, by translation of its code, "
        "and it can look at its own translation. Each experiment takes less than a second.");
    for (u32 n = 0; n < entry_count; n++) {
        u8 colour = n == chosen ? CHOSEN : PLAIN;
        TEXT(t, COLUMNS);
        text_add(&t, "%u  %s", (n + 1) % 10, entries[n].title);
        screen_row(FIRST_ROW + n, colour);
        screen_put(FIRST_ROW + n, 3, n == chosen ? CHOSEN : BRIGHT, t_bytes);
        screen_put(FIRST_ROW + n, 40, n == chosen ? CHOSEN : PLAIN, entries[n].comment);
    }
    screen_wrap(
        18, 5, PLAIN,
        "Deeper: docs/TOUR.md has the same steps for a class. In the monitor (Ctrl-A C in a terminal, or "
        "-monitor stdio) explain shows the translation of any address, info registers the processor, x "
        "memory.\n"
        "To start a system: ring3 cd.iso, ring3 disk.img. ring3 -h lists the options.");
    screen_row(KEYS_ROW, KEYS);
    screen_put(KEYS_ROW, 1, KEYS, "1 to 9, 0, or \x18 \x19 and Enter: an experiment");
}

/* The entry that a key in an experiment leads to; entry_count: the menu. */
static u32 next_entry(u32 n, u32 key)
{
    if (key >= '0' && key <= '9') return (key - '0' + 9) % 10;
    switch (key) {
    case KEY_ENTER: return n;
    case KEY_LEFT: return (n + entry_count - 1) % entry_count;
    case KEY_RIGHT: return (n + 1) % entry_count;
    case KEY_ESC: return entry_count;
    default: return n;
    }
}

static u32 show_entries(u32 n)
{
    for (;;) {
        u32 next = next_entry(n, page_show(n));
        if (next == entry_count) return n;
        n = next;
    }
}

static void menu(void)
{
    for (u32 chosen = 0;;) {
        show_menu(chosen);
        u32 key = keyboard_wait();
        if (key == KEY_UP)
            chosen = (chosen + entry_count - 1) % entry_count;
        else if (key == KEY_DOWN)
            chosen = (chosen + 1) % entry_count;
        else if (key == KEY_ENTER || (key >= '0' && key <= '9'))
            chosen = show_entries(key == KEY_ENTER ? chosen : next_entry(0, key));
    }
}

void tour_main(void);
void tour_main(void)
{
    screen_clear();
    screen_cursor_off();
    system_init();
    if (!glass_init()) fatal("there is no glass box: start ring3 -tour, or add -device glassbox", NULL);
    page_rehearse();
    interrupts_mask(0);
    menu();
}

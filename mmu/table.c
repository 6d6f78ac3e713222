/* table.c - the table form's storage: for each window an array with one TableEntry a page of 4 GiB.
 *
 * Translated code looks an address up there without a signal and without flags (translator/glue.S), so that a page
 * that is touched a few times costs a walk, not a SIGSEGV and an mmap. An entry says what slot_want() says, as a
 * window's mapping does, and is part of the same shadow entry (SE_T, SE_TW, SE_TC); to take it away is a store.
 *
 * The arrays are touched where the guest has pages: 256 guest pages of 4 KiB to one host page. A window that is
 * given to another address space keeps its array's memory.
 */
#include "mmu/shadow_parts.h"

_Static_assert(sizeof(TableEntry) == 16, "glue.S computes with it");

static const u64 array_bytes = (u64)MAP_PAGES * sizeof(TableEntry);

bool tables_reserve(Shadow *s, unsigned windows)
{
    s->tables = table_new((windows + 1) * array_bytes);
    return s->tables;
}

void tables_free(Shadow *s, unsigned windows) { table_free(s->tables, (windows + 1) * array_bytes); }

TableEntry *table_empty(const Shadow *s) { return s->tables + (size_t)s->windows_max * MAP_PAGES; }

TableEntry *window_table(const Shadow *s, const Window *w)
{
    return s->tables + (size_t)window_number(s, w) * MAP_PAGES;
}

/* Make the table say what the SE_T bits of entry i say. */
void table_follow(Shadow *s, const Slot *sl, unsigned i)
{
    u32 e = sl->entry[i], page = slot_page(sl) + i;
    TableEntry *t = window_table(s, &s->windows[sl->window]) + page;
    t->read = e & SE_T ? ~page : 0;
    t->write = e & SE_TW ? ~page : e & SE_TC ? ~page + TABLE_CODE : 0;
    if (!(e & SE_T)) return;
    const u8 *hp = s->phys->ram + ((u64)s->phys->pages[e >> PAGE_BITS].offset_page << PAGE_BITS);
    t->add = (u64)(uintptr_t)hp - ((u64)page << PAGE_BITS);
}

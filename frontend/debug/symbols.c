/* symbols.c - see symbols.h.
 *
 * Files are the person's, but they may come from anywhere: every offset and count in them is checked, and what is read
 * is bounded. ELF: the section .symtab, else .dynsym ("Tool Interface Standard ELF" 1.2, "Symbol Table"); functions,
 * objects and labels that are defined. Text: lines of address, letter, name, and perhaps [module] (nm(1), kallsyms).
 *
 * An address is told by the symbol before it, if that is less than NEAR_BYTES away.
 */
#include "frontend/debug/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/host/files.h"
#include "frontend/options/suggest.h"

enum {
    SYMBOLS_MAX = 1 << 21,
    NAMES_MAX = 1 << 27,
    FILE_MAX = 1 << 28,
    NEAR_BYTES = 1 << 20,
    NAME_MAX_BYTES = 255
};

typedef struct Symbol {
    u32 address, name; /* name: where it is in `names` */
} Symbol;

static struct {
    Symbol *symbol; /* by address */
    unsigned count, room;
    char *names; /* one behind the other, each with its NUL */
    size_t names_bytes, names_room;
} table;

static const char *name_of(const Symbol *s) { return table.names + s->name; }
unsigned symbols_count(void) { return table.count; }

/* --- the table ------------------------------------------------------------------------------------------- */

static bool make_room(size_t name_bytes)
{
    if (table.count == table.room) {
        unsigned room = table.room ? 2 * table.room : 4096;
        Symbol *more = room <= SYMBOLS_MAX ? realloc(table.symbol, room * sizeof *more) : NULL;
        if (!more) return false;
        table.symbol = more;
        table.room = room;
    }
    if (table.names_bytes + name_bytes > table.names_room) {
        size_t room = table.names_room ? 2 * table.names_room : 1 << 16;
        char *more = room <= NAMES_MAX ? realloc(table.names, room) : NULL;
        if (!more) return false;
        table.names = more;
        table.names_room = room;
    }
    return true;
}

static bool add(u32 address, const char *name, size_t n)
{
    if (!n || n > NAME_MAX_BYTES) return true;
    if (!make_room(n + 1)) return false;
    table.symbol[table.count++] = (Symbol){.address = address, .name = (u32)table.names_bytes};
    memcpy(table.names + table.names_bytes, name, n);
    table.names[table.names_bytes + n] = 0;
    table.names_bytes += n + 1;
    return true;
}

static int by_address(const void *a, const void *b)
{
    const Symbol *x = a, *y = b;
    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name; /* as they were in the file */
}

bool symbols_find(const char *name, u32 *address)
{
    for (unsigned n = 0; n < table.count; n++) {
        if (strcmp(name_of(&table.symbol[n]), name)) continue;
        *address = table.symbol[n].address;
        return true;
    }
    return false;
}

const char *symbols_suggest(const char *name)
{
    Suggest s;
    suggest_begin(&s, name);
    for (unsigned n = 0; n < table.count; n++) suggest_offer(&s, name_of(&table.symbol[n]));
    return suggest_result(&s);
}

bool symbols_at(u32 address, char *to, size_t room)
{
    unsigned low = 0, high = table.count;
    if (room) *to = 0;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (table.symbol[mid].address <= address)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low) return false;
    u32 start = table.symbol[low - 1].address;
    if (address - start >= NEAR_BYTES) return false;
    while (low > 1 && table.symbol[low - 2].address == start) low--;
    const char *name = name_of(&table.symbol[low - 1]);
    if (address == start)
        snprintf(to, room, "%s", name);
    else
        snprintf(to, room, "%s+0x%x", name, address - start);
    return true;
}

void symbols_beside(u32 address, const char *lead, const char *tail, char *to, size_t room)
{
    char name[SYMBOL_TEXT];
    if (symbols_at(address, name, sizeof name))
        snprintf(to, room, "%s%s%s", lead, name, tail);
    else
        *to = 0;
}

/* --- ELF ------------------------------------------------------------------------------------------------- */

enum {
    EHDR_BYTES = 52,
    SHDR_BYTES = 40,
    SYM_BYTES = 16,
    SHT_SYMTAB = 2,
    SHT_STRTAB = 3,
    SHT_DYNSYM = 11,
    STT_FUNC = 2
};

typedef struct File {
    const char *path;
    const u8 *bytes;
    size_t n;
} File;

static bool bad(const File *f, const char *what, Problem *p)
{
    return problem_set(p, "-symbols %.200s: %s", f->path, what);
}

/* Section number n; NULL: the file does not hold it. */
static const u8 *section(const File *f, unsigned n, u32 *offset, u32 *bytes)
{
    u64 at = load32(f->bytes + 32) + (u64)n * load16(f->bytes + 46);
    if (n >= load16(f->bytes + 48) || at + SHDR_BYTES > f->n) return NULL;
    const u8 *s = f->bytes + at;
    *offset = load32(s + 16);
    *bytes = load32(s + 20);
    return (u64)*offset + *bytes <= f->n ? s : NULL;
}

static const u8 *section_of_type(const File *f, u32 type, u32 *offset, u32 *bytes)
{
    for (unsigned n = 0; n < load16(f->bytes + 48); n++) {
        const u8 *s = section(f, n, offset, bytes);
        if (s && load32(s + 4) == type && *bytes >= SYM_BYTES) return s;
    }
    return NULL;
}

static bool elf_symbol(const u8 *s, const char *names, u32 names_bytes)
{
    u32 name = load32(s), type = s[12] & 15;
    if (type > STT_FUNC || !load16(s + 14) || name >= names_bytes) return true;
    return add(load32(s + 4), names + name, strnlen(names + name, names_bytes - name));
}

static bool load_elf(const File *f, Problem *p)
{
    u32 at, bytes, names_at, names_bytes;
    if (f->n < EHDR_BYTES || f->bytes[4] != 1 || f->bytes[5] != 1 || load16(f->bytes + 18) != 3)
        return bad(f, "an ELF file, but not for the i386", p);
    const u8 *s = section_of_type(f, SHT_SYMTAB, &at, &bytes);
    if (!s) s = section_of_type(f, SHT_DYNSYM, &at, &bytes);
    if (!s) return bad(f, "an ELF file without symbols", p);
    if (!section(f, load32(s + 24), &names_at, &names_bytes))
        return bad(f, "its symbols' names are missing", p);
    for (u32 n = 0; n + SYM_BYTES <= bytes; n += SYM_BYTES)
        if (!elf_symbol(f->bytes + at + n, (const char *)f->bytes + names_at, names_bytes))
            return bad(f, "too many symbols", p);
    return true;
}

/* --- text ------------------------------------------------------------------------------------------------ */

/* Hexadecimal digits at *s; how many. */
static unsigned take_hex(const char **s, const char *end, u64 *value)
{
    unsigned digits = 0;
    for (*value = 0; *s < end && digits < 16; ++*s, digits++) {
        char c = **s | 0x20;
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) break;
        *value = *value << 4 | (u64)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return digits;
}

/* "c1000000 T startup_32\t[module]"; false: it is no such line. *full: no more room. */
static bool text_line(const char *s, const char *end, bool *full)
{
    u64 value;
    if (!take_hex(&s, end, &value) || end - s < 4 || s[0] != ' ' || s[2] != ' ') return false;
    const char *name = s + 3;
    size_t n = 0;
    while (name + n < end && (u8)name[n] > ' ') n++;
    if (value > UINT32_MAX) return false;
    *full = !add((u32)value, name, n);
    return n != 0;
}

static bool load_text(const File *f, Problem *p)
{
    const char *s = (const char *)f->bytes, *end = s + f->n;
    bool full = false, any = false;
    for (unsigned line = 1; s < end && !full; line++) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        if (!stop) stop = end;
        unsigned before = table.count;
        if (!text_line(s, stop, &full) && stop != s)
            return problem_set(p, "-symbols %.200s: neither ELF nor System.map nor kallsyms (line %u)",
                               f->path, line);
        any |= table.count > before && table.symbol[before].address;
        s = stop + 1;
    }
    if (full) return bad(f, "too many symbols", p);
    return any || bad(f, "no symbols, or all at 0: /proc/kallsyms shows addresses to root only", p);
}

/* --- files ----------------------------------------------------------------------------------------------- */

static bool read_all(File *f, int fd, Problem *p)
{
    off_t size = lseek(fd, 0, SEEK_END);
    if (size < 0 || size > FILE_MAX) return bad(f, size < 0 ? strerror(errno) : "too large", p);
    u8 *to = malloc((size_t)size + 1);
    ssize_t got = 1;
    if (!to) return bad(f, "no memory", p);
    while (f->n < (size_t)size && (got = pread(fd, to + f->n, (size_t)size - f->n, (off_t)f->n)) > 0)
        f->n += (size_t)got;
    f->bytes = to;
    return got > 0 || bad(f, got ? strerror(errno) : "it became shorter", p);
}

bool symbols_load(const char *path, Problem *p)
{
    File f = {.path = path};
    int fd = file_open(FILE_READ, path);
    if (fd < 0) return bad(&f, file_problem(), p);
    bool ok = read_all(&f, fd, p);
    close(fd);
    if (ok && f.n >= 4 && !memcmp(f.bytes, "\177ELF", 4))
        ok = load_elf(&f, p);
    else if (ok)
        ok = load_text(&f, p);
    free((void *)(uintptr_t)f.bytes);
    if (table.count) qsort(table.symbol, table.count, sizeof *table.symbol, by_address);
    return ok;
}

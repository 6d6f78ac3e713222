/* boot_multiboot.c - Multiboot 1 (Multiboot Specification 0.6.96): ELF32 kernels, or by the header's address fields.
 *
 * The BIOS runs first, as under every boot loader: a kernel that goes back to real mode finds its services. It says that
 * it is ready with the memory map at hand (bios/boot.c, hand_over).
 *
 * State at entry (3.2): EAX = magic, EBX = information structure, flat segments, A20 on, paging and interrupts off.
 * The structure lies in low memory, or behind the last module if the kernel itself wants low memory. The command line
 * begins with the kernel's file name; modules follow the kernel, page-aligned, and -initrd names them as in QEMU:
 * "file args,file args", a comma in a name doubled.
 *
 * Not implemented: video modes (flag bit 2 is ignored and traced), ELF section headers for the kernel's debugger, drives,
 * configuration table, APM.
 */
#include "frontend/load/boot.h"

#include <stdlib.h>

#include "frontend/load/firmware.h"

enum { MB_SEARCH = 8192, MB_HEADER_MAGIC = 0x1badb002, MB_LOADER_MAGIC = 0x2badb002, MB_HEADER_BYTES = 48 };
enum {
    MB_PAGE_ALIGN = 1,
    MB_MEMORY_INFO = 2,
    MB_VIDEO_MODE = 4,
    MB_ADDRESSES = 1 << 16,
    MB_MUST_KNOW = 0xffff
};
enum { INFO_MEMORY = 1, INFO_CMDLINE = 4, INFO_MODS = 8, INFO_MMAP = 0x40, INFO_LOADER = 0x200 };
enum { /* offsets in the information structure; the rest of its page */
       MBI_FLAGS = 0,
       MBI_MEM_LOWER = 4,
       MBI_MEM_UPPER = 8,
       MBI_CMDLINE = 16,
       MBI_MODS_COUNT = 20,
       MBI_MODS_ADDR = 24,
       MBI_MMAP_LENGTH = 44,
       MBI_MMAP_ADDR = 48,
       MBI_LOADER_NAME = 64,
       MBI_BYTES = 116,
       MMAP_AT = 128,
       MAP_MAX = 16, /* as in bios/bios.h */
       MMAP_ENTRY = 24,
       MODS_AT = MMAP_AT + MAP_MAX * MMAP_ENTRY,
       STRINGS_AT = MODS_AT + BOOT_MODULES * 16,
       INFO_BYTES = 16384,
};
enum { EH_BYTES = 52, PH_BYTES = 32, PT_LOAD = 1, EM_386 = 3, ET_EXEC = 2 };
enum { E_TYPE = 16, E_MACHINE = 18, E_ENTRY = 24, E_PHOFF = 28, E_PHENTSIZE = 42, E_PHNUM = 44 };
enum { P_OFFSET = 4, P_VADDR = 8, P_PADDR = 12, P_FILESZ = 16, P_MEMSZ = 20 };

static const char loader_name[] = "ring3";

static bool wrong(const Boot *b, Problem *p, const char *what)
{
    return problem_set(p, "-kernel %.200s: %s", b->kernel.path, what);
}

static u32 ram_end(const Boot *b) { return firmware_ram_end(b->ram_bytes); }

/* A piece of the kernel in RAM: not beyond it, and not over the hole or the tables below 1 MiB. */
static bool place_ok(const Boot *b, u64 pa, u64 bytes)
{
    u64 end = pa + bytes;
    return end <= ram_end(b) && (pa >= HIGH_BASE || (pa >= LOW_GDT + 0x1000 && end <= LOW_END));
}

/* --- the header ------------------------------------------------------------------------------------------ */

bool multiboot_recognise(Boot *b, Problem *p)
{
    static u8 head[MB_SEARCH];
    u32 n = b->kernel.bytes < MB_SEARCH ? b->kernel.bytes : MB_SEARCH;
    if (!image_read(&b->kernel, 0, head, n, p)) return false;
    for (u32 at = 0; at + 12 <= n; at += 4) {
        u32 flags = load32(head + at + 4);
        if (load32(head + at) != MB_HEADER_MAGIC || MB_HEADER_MAGIC + flags + load32(head + at + 8)) continue;
        b->mb.header_at = at;
        b->mb.flags = flags;
        return true;
    }
    return false;
}

/* Header fields load_addr, load_end_addr, bss_end_addr and entry_addr (3.1.3). */
static bool addresses_open(Boot *b, Problem *p)
{
    u8 h[32];
    if (b->kernel.bytes - b->mb.header_at < sizeof h) return wrong(b, p, "is truncated");
    if (!image_read(&b->kernel, b->mb.header_at, h, sizeof h, p)) return false;
    u32 header_pa = load32(h + 12), load_pa = load32(h + 16), load_end = load32(h + 20),
        bss_end = load32(h + 24);
    u32 before = header_pa - load_pa; /* of the image in memory, before the header */
    if (header_pa < load_pa || before > b->mb.header_at)
        return wrong(b, p, "a Multiboot header with wrong addresses");
    b->mb.load_from = b->mb.header_at - before;
    b->mb.load_pa = load_pa;
    b->mb.load_bytes = load_end ? load_end - load_pa : b->kernel.bytes - b->mb.load_from;
    if (b->mb.load_bytes > b->kernel.bytes - b->mb.load_from) return wrong(b, p, "is truncated");
    b->mb.end = load_pa + b->mb.load_bytes;
    b->mb.bss_end = bss_end > b->mb.end ? bss_end : b->mb.end;
    if (!place_ok(b, load_pa, b->mb.bss_end - load_pa)) return wrong(b, p, "does not fit into memory (-m)");
    b->mb.start = load_pa;
    b->mb.end = b->mb.bss_end;
    b->entry = load32(h + 28);
    return true;
}

/* --- ELF ------------------------------------------------------------------------------------------------- */

static bool elf_header(const Boot *b, u8 eh[EH_BYTES], Problem *p)
{
    static const u8 ident[] = {0x7f, 'E', 'L', 'F'};
    if (b->kernel.bytes < EH_BYTES) return wrong(b, p, "is truncated");
    if (!image_read(&b->kernel, 0, eh, EH_BYTES, p)) return false;
    if (memcmp(eh, ident, sizeof ident))
        return wrong(b, p, "a Multiboot kernel that is no ELF and has no addresses");
    if (eh[4] != 1 || load16(eh + E_MACHINE) != EM_386)
        return wrong(b, p, "an ELF file, but not for a 32-bit PC");
    if (load16(eh + E_PHENTSIZE) != PH_BYTES || !load16(eh + E_PHNUM))
        return wrong(b, p, "an ELF file with nothing to load");
    return true;
}

/* Program header n; false: problem. */
static bool elf_segment(const Boot *b, const u8 *eh, u32 n, u8 ph[PH_BYTES], Problem *p)
{
    u64 at = (u64)load32(eh + E_PHOFF) + (u64)n * PH_BYTES;
    if (at + PH_BYTES > b->kernel.bytes) return wrong(b, p, "is truncated");
    return image_read(&b->kernel, (u32)at, ph, PH_BYTES, p);
}

static bool segment_ok(const Boot *b, const u8 *ph, Problem *p)
{
    u32 file = load32(ph + P_FILESZ), mem = load32(ph + P_MEMSZ);
    if ((u64)load32(ph + P_OFFSET) + file > b->kernel.bytes) return wrong(b, p, "is truncated");
    if (file > mem) return wrong(b, p, "a damaged ELF file");
    if (!place_ok(b, load32(ph + P_PADDR), mem)) return wrong(b, p, "does not fit into memory (-m)");
    return true;
}

/* e_entry is a virtual address: take it to where the segment that holds it is loaded. */
static void note_segment(Boot *b, const u8 *ph, u32 entry)
{
    u32 va = load32(ph + P_VADDR), pa = load32(ph + P_PADDR), mem = load32(ph + P_MEMSZ);
    if (entry - va < mem) b->entry = entry - va + pa;
    if (pa < b->mb.start) b->mb.start = pa;
    if (pa + mem > b->mb.end) b->mb.end = pa + mem;
}

static bool elf_open(Boot *b, Problem *p)
{
    u8 eh[EH_BYTES], ph[PH_BYTES];
    if (!elf_header(b, eh, p)) return false;
    b->entry = load32(eh + E_ENTRY);
    b->mb.start = UINT32_MAX;
    for (u32 n = 0; n < load16(eh + E_PHNUM); n++) {
        if (!elf_segment(b, eh, n, ph, p)) return false;
        if (load32(ph) != PT_LOAD || !load32(ph + P_MEMSZ)) continue;
        if (!segment_ok(b, ph, p)) return false;
        note_segment(b, ph, load32(eh + E_ENTRY));
    }
    return b->mb.end ? true : wrong(b, p, "an ELF file with nothing to load");
}

static void zero_ram(Phys *phys, u32 pa, u32 bytes)
{
    memset(phys->ram + pa, 0, bytes);
    phys_written(phys, pa, bytes);
}

static bool elf_place(const Boot *b, Phys *phys, Problem *p)
{
    u8 eh[EH_BYTES], ph[PH_BYTES];
    if (!elf_header(b, eh, p)) return false;
    for (u32 n = 0; n < load16(eh + E_PHNUM); n++) {
        if (!elf_segment(b, eh, n, ph, p)) return false;
        if (load32(ph) != PT_LOAD || !load32(ph + P_MEMSZ)) continue;
        u32 pa = load32(ph + P_PADDR), file = load32(ph + P_FILESZ);
        if (!segment_ok(b, ph, p)) return false;
        if (!image_load(&b->kernel, load32(ph + P_OFFSET), phys, pa, file, p)) return false;
        zero_ram(phys, pa + file, load32(ph + P_MEMSZ) - file);
    }
    return true;
}

/* --- modules --------------------------------------------------------------------------------------------- */

/* The next "file args" of a list, commas undoubled; *list moves behind it. Never freed. */
static char *next_module(const char **list)
{
    char *out = malloc(strlen(*list) + 1), *to = out;
    CHECK(out, "no memory");
    for (; **list; (*list)++) {
        if (**list == ',' && *++*list != ',') break;
        *to++ = **list;
    }
    *to = 0;
    return out;
}

static char *file_of(const char *args)
{
    size_t n = strcspn(args, " ");
    char *file = malloc(n + 1);
    CHECK(file, "no memory");
    memcpy(file, args, n);
    file[n] = 0;
    return file;
}

static u64 page_up(u64 v) { return (v + PAGE_MASK) & ~(u64)PAGE_MASK; }

static bool modules_open(Boot *b, const char *list, Problem *p)
{
    u64 at = page_up(b->mb.end > HIGH_BASE ? b->mb.end : HIGH_BASE);
    b->mb.info_pa = LOW_MB_INFO;
    while (list && *list) {
        if (b->module_count == BOOT_MODULES)
            return problem_set(p, "-initrd: more than %d modules", BOOT_MODULES);
        BootModule *m = &b->modules[b->module_count++];
        m->args = next_module(&list);
        if (!image_open(&m->image, "-initrd", file_of(m->args), p)) return false;
        if (at + m->image.bytes > ram_end(b))
            return problem_set(p, "-initrd %.200s: does not fit into memory (-m)", m->image.path);
        m->pa = (u32)at;
        at = page_up(at + m->image.bytes);
    }
    if (b->mb.start >= HIGH_BASE) return true;
    b->mb.info_pa = (u32)at;
    return at + INFO_BYTES <= ram_end(b) ||
           problem_set(p, "-m %u: too little for this kernel", b->ram_bytes >> 20);
}

/* What the strings of the information structure take. */
static u64 strings_bytes(const Boot *b)
{
    u64 n = strlen(b->kernel.path) + strlen(b->append) + 2 + sizeof loader_name;
    for (unsigned i = 0; i < b->module_count; i++) n += strlen(b->modules[i].args) + 1;
    return n;
}

bool multiboot_open(Boot *b, const char *initrd, Problem *p)
{
    u32 unknown = b->mb.flags & MB_MUST_KNOW & ~(u32)(MB_PAGE_ALIGN | MB_MEMORY_INFO | MB_VIDEO_MODE);
    if (unknown)
        return problem_set(p, "-kernel %.200s: wants Multiboot features %#x", b->kernel.path, unknown);
    if (b->mb.flags & MB_VIDEO_MODE) trace(UNIMP, "multiboot: no video mode is set");
    b->needs_firmware = true;
    b->mb.has_addresses = b->mb.flags & MB_ADDRESSES;
    if (!(b->mb.has_addresses ? addresses_open(b, p) : elf_open(b, p))) return false;
    if (!modules_open(b, initrd, p)) return false;
    return strings_bytes(b) <= INFO_BYTES - STRINGS_AT || problem_set(p, "-append: too long");
}

/* --- the information structure --------------------------------------------------------------------------- */

typedef struct Info { /* in the making */
    u8 bytes[INFO_BYTES];
    u32 pa, used;
    E820 map[MAP_MAX];
    unsigned map_count;
} Info;

/* As the BIOS has it: entries of 20 bytes. A guest that calls without being the BIOS tells itself nonsense. */
static void read_map(Info *f, Phys *phys, u32 pa, u32 count)
{
    u8 entry[20];
    f->map_count = count < MAP_MAX ? count : MAP_MAX;
    for (unsigned n = 0; n < f->map_count; n++) {
        phys_dma_read(phys, pa + n * (u32)sizeof entry, entry, sizeof entry);
        f->map[n] = (E820){load64(entry), load64(entry + 8), load32(entry + 16)};
    }
}

static u32 add_string(Info *f, const char *first, const char *second)
{
    u32 at = f->used, n = (u32)strlen(first), m = (u32)strlen(second);
    memcpy(f->bytes + at, first, n);
    if (m) f->bytes[at + n++] = ' ';
    memcpy(f->bytes + at + n, second, m + 1);
    f->used += n + m + 1;
    return f->pa + at;
}

static void fill_mmap(Info *f)
{
    for (unsigned n = 0; n < f->map_count; n++) {
        u8 *entry = f->bytes + MMAP_AT + MMAP_ENTRY * n;
        store32(entry, MMAP_ENTRY - 4); /* bytes that follow */
        store64(entry + 4, f->map[n].base);
        store64(entry + 12, f->map[n].bytes);
        store32(entry + 20, f->map[n].type);
    }
    store32(f->bytes + MBI_MMAP_LENGTH, f->map_count * MMAP_ENTRY);
    store32(f->bytes + MBI_MMAP_ADDR, f->pa + MMAP_AT);
}

/* Of the RAM that begins at 1 MiB. */
static u32 upper_kib(const Info *f)
{
    for (unsigned n = 0; n < f->map_count; n++)
        if (f->map[n].base == HIGH_BASE && f->map[n].type == E820_RAM) return (u32)(f->map[n].bytes >> 10);
    return 0;
}

static void fill_modules(Info *f, const Boot *b)
{
    for (unsigned n = 0; n < b->module_count; n++) {
        const BootModule *m = &b->modules[n];
        u8 *entry = f->bytes + MODS_AT + 16 * n;
        store32(entry, m->pa);
        store32(entry + 4, m->pa + m->image.bytes);
        store32(entry + 8, add_string(f, m->args, ""));
    }
}

static void fill_info(Info *f, const Boot *b)
{
    u8 *i = f->bytes;
    store32(i + MBI_FLAGS, INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_MMAP | INFO_LOADER);
    store32(i + MBI_MEM_LOWER, LOW_END >> 10);
    store32(i + MBI_MEM_UPPER, upper_kib(f));
    store32(i + MBI_CMDLINE, add_string(f, b->kernel.path, b->append));
    store32(i + MBI_MODS_COUNT, b->module_count);
    store32(i + MBI_MODS_ADDR, f->pa + MODS_AT);
    store32(i + MBI_LOADER_NAME, add_string(f, loader_name, ""));
    fill_mmap(f);
    fill_modules(f, b);
}

static bool addresses_place(const Boot *b, Phys *phys, Problem *p)
{
    if (!image_load(&b->kernel, b->mb.load_from, phys, b->mb.load_pa, b->mb.load_bytes, p)) return false;
    u32 end = b->mb.load_pa + b->mb.load_bytes;
    zero_ram(phys, end, b->mb.bss_end - end);
    return true;
}

bool multiboot_place(const Boot *b, Vcpu *c, Problem *p)
{
    static Info f;
    f = (Info){.pa = b->mb.info_pa, .used = STRINGS_AT};
    read_map(&f, c->phys, c->gpr[EBX], c->gpr[ECX]);
    firmware_flat(c, b->entry);
    if (!(b->mb.has_addresses ? addresses_place(b, c->phys, p) : elf_place(b, c->phys, p))) return false;
    for (unsigned n = 0; n < b->module_count; n++) {
        const BootModule *m = &b->modules[n];
        if (!image_load(&m->image, 0, c->phys, m->pa, m->image.bytes, p)) return false;
    }
    fill_info(&f, b);
    phys_dma_write(c->phys, f.pa, f.bytes, f.used);
    c->gpr[EAX] = MB_LOADER_MAGIC;
    c->gpr[EBX] = f.pa;
    return true;
}

/* boot_linux.c - Linux by the 32-bit or the 16-bit boot protocol (Linux: Documentation/arch/x86/boot.rst, zero-page.rst).
 *
 * The real-mode part of a bzImage is left out: its setup header goes into a zeroed boot_params page, with the memory
 * map, the command line and the initial RAM disk that the real-mode part would have found; the protected-mode part
 * goes to 1 MiB and is entered there with ESI = boot_params, flat segments 10h and 18h, interrupts off.
 *
 * The initial RAM disk lies as high as the kernel and RAM allow, clear of where the kernel unpacks itself
 * (pref_address + init_size).
 *
 * What only looks like Linux (iPXE's ipxe.lkrn) has no 32-bit entry: its code32_start is 0. It gets the 16-bit
 * protocol: our BIOS makes the machine ready, and instead of booting a disk it says so through fw_cfg; then the
 * real-mode part goes to 64 KiB and is entered there, in real mode, with the BIOS's services around it.
 *
 * So does every kernel on a processor before the Pentium Pro: the real-mode part is what checks the processor and tells
 * the person what it lacks, where the 32-bit entry would die in silence.
 *
 * screen_info describes an 80x25 colour text screen; the kernel tests whether there is one.
 *
 * Not implemented: zImage and kernels with a boot protocol before 2.02 (1999), vga= on the command line, setup_data.
 */
#include "frontend/load/boot.h"
#include "frontend/load/firmware.h"

enum { /* setup header, at these offsets in the file and in boot_params */
       HDR_SETUP_SECTS = 0x1f1,
       HDR_SYSSIZE = 0x1f4, /* protected-mode part in 16-byte paragraphs */
       HDR_VID_MODE = 0x1fa,
       HDR_BOOT_FLAG = 0x1fe,
       HDR_JUMP = 0x200, /* its second byte says where the header ends */
       HDR_MAGIC = 0x202,
       HDR_VERSION = 0x206,
       HDR_TYPE_OF_LOADER = 0x210,
       HDR_LOADFLAGS = 0x211,
       HDR_CODE32_START = 0x214,
       HDR_HEAP_END_PTR = 0x224,
       HDR_RAMDISK_IMAGE = 0x218,
       HDR_RAMDISK_SIZE = 0x21c,
       HDR_CMD_LINE_PTR = 0x228,
       HDR_INITRD_ADDR_MAX = 0x22c, /* 2.03 */
       HDR_CMDLINE_SIZE = 0x238,    /* 2.06 */
       HDR_PREF_ADDRESS = 0x258,    /* 2.10 */
       HDR_INIT_SIZE = 0x260,       /* 2.10 */
       HDR_END = 0x268,
};
enum { /* boot_params besides */
       BP_ORIG_VIDEO_MODE = 0x06,
       BP_ORIG_VIDEO_COLS = 0x07,
       BP_ORIG_VIDEO_LINES = 0x0e,
       BP_ORIG_VIDEO_ISVGA = 0x0f,
       BP_ORIG_VIDEO_POINTS = 0x10,
       BP_EXT_MEM_K = 0x02,
       BP_ALT_MEM_K = 0x1e0,
       BP_E820_ENTRIES = 0x1e8,
       BP_E820_TABLE = 0x2d0,
       BP_BYTES = 0x1000,
};
enum {
    LOADED_HIGH = 1,
    CAN_USE_HEAP = 0x80,
    LOADER_UNDEFINED = 0xff,
    VID_MODE_NORMAL = 0xffff,
    HEADER_MAGIC = 0x53726448 /* HdrS */
};
enum { OLD_INITRD_MAX = 0x37ffffff, OLD_CMDLINE_SIZE = 255, CODE_PA = HIGH_BASE };

static u32 hdr32(const Boot *b, u32 at) { return load32(b->linux_.header + at); }
static u32 version(const Boot *b) { return load16(b->linux_.header + HDR_VERSION); }

bool linux_recognise(const Boot *b)
{
    return b->kernel.bytes > HDR_END && hdr32(b, HDR_MAGIC) == HEADER_MAGIC &&
           load16(b->linux_.header + HDR_BOOT_FLAG) == 0xaa55;
}

static bool wrong(const Boot *b, Problem *p, const char *what)
{
    return problem_set(p, "-kernel %.200s: %s", b->kernel.path, what);
}

/* --- where things go ------------------------------------------------------------------------------------- */

static u32 code_bytes(const Boot *b) { return b->kernel.bytes - b->linux_.setup_bytes; }

static u32 cmdline_max(const Boot *b)
{
    return version(b) >= 0x206 ? hdr32(b, HDR_CMDLINE_SIZE) : OLD_CMDLINE_SIZE;
}

/* First address behind what the kernel may touch before it looks at the memory map. */
static u64 kernel_end(const Boot *b)
{
    u64 end = (u64)CODE_PA + code_bytes(b);
    if (version(b) < 0x20a) return end;
    u64 pref = load64(b->linux_.header + HDR_PREF_ADDRESS);
    u64 unpacked = (pref > CODE_PA ? pref : CODE_PA) + hdr32(b, HDR_INIT_SIZE);
    return unpacked > end ? unpacked : end;
}

/* Highest page-aligned place for n bytes that the kernel accepts. */
static u64 initrd_place(const Boot *b, u32 n)
{
    u64 max = version(b) >= 0x203 ? hdr32(b, HDR_INITRD_ADDR_MAX) : OLD_INITRD_MAX;
    u64 top = max + 1 < b->ram_bytes ? max + 1 : b->ram_bytes;
    return top < n ? 0 : (top - n) & ~(u64)PAGE_MASK;
}

static u32 mib_up(u64 bytes) { return (u32)((bytes + (1 << 20) - 1) >> 20); }

/* --- open ------------------------------------------------------------------------------------------------ */

static bool header_ok(const Boot *b, Problem *p)
{
    u64 promised = (u64)b->linux_.setup_bytes + (version(b) >= 0x204 ? (u64)hdr32(b, HDR_SYSSIZE) * 16 : 16);
    if (version(b) < 0x202 || !(b->linux_.header[HDR_LOADFLAGS] & LOADED_HIGH))
        return wrong(b, p, "an old Linux kernel (zImage, or boot protocol before 2.02)");
    if (b->kernel.bytes + 15u < promised) { /* the last paragraph need not be full */
        return problem_set(p, "-kernel %.200s: is truncated: %u bytes of %llu", b->kernel.path,
                           b->kernel.bytes, (unsigned long long)promised);
    }
    if (kernel_end(b) > b->ram_bytes)
        return problem_set(p, "-m %u: too little for this kernel, which needs at least %u MiB",
                           b->ram_bytes >> 20, mib_up(kernel_end(b)));
    if (strlen(b->append) > cmdline_max(b))
        return problem_set(p, "-append: longer than the %u characters that this kernel takes",
                           cmdline_max(b));
    return true;
}

static bool initrd_open(Boot *b, const char *path, Problem *p)
{
    BootModule *m = &b->modules[0];
    if (!image_open(&m->image, "-initrd", path, p)) return false;
    u64 pa = initrd_place(b, m->image.bytes);
    if (pa < kernel_end(b))
        return problem_set(p, "-initrd %.200s: does not fit; with this kernel it takes at least -m %u", path,
                           mib_up(kernel_end(b) + m->image.bytes + PAGE_BYTES));
    m->pa = (u32)pa;
    b->module_count = 1;
    return true;
}

bool linux_open(Boot *b, const char *initrd, Problem *p)
{
    u32 sectors = b->linux_.header[HDR_SETUP_SECTS];
    b->linux_.setup_bytes = ((sectors ? sectors : 4) + 1) * 512;
    b->entry = CODE_PA;
    b->needs_firmware = !hdr32(b, HDR_CODE32_START);
    if (b->kernel.bytes <= b->linux_.setup_bytes) return wrong(b, p, "is truncated");
    if (!header_ok(b, p)) return false;
    return !initrd || initrd_open(b, initrd, p);
}

/* --- place ----------------------------------------------------------------------------------------------- */

static void fill_header(const Boot *b, u8 *bp)
{
    u32 end = HDR_MAGIC + b->linux_.header[HDR_JUMP + 1];
    if (end > BP_E820_TABLE) end = BP_E820_TABLE;
    memcpy(bp + HDR_SETUP_SECTS, b->linux_.header + HDR_SETUP_SECTS, end - HDR_SETUP_SECTS);
    store16(bp + HDR_VID_MODE, VID_MODE_NORMAL);
    bp[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    store32(bp + HDR_CODE32_START, CODE_PA);
    store32(bp + HDR_CMD_LINE_PTR, LOW_CMDLINE);
    if (b->module_count) {
        store32(bp + HDR_RAMDISK_IMAGE, b->modules[0].pa);
        store32(bp + HDR_RAMDISK_SIZE, b->modules[0].image.bytes);
    }
}

static void fill_screen(u8 *bp)
{
    bp[BP_ORIG_VIDEO_MODE] = 3;
    bp[BP_ORIG_VIDEO_COLS] = 80;
    bp[BP_ORIG_VIDEO_LINES] = 25;
    bp[BP_ORIG_VIDEO_ISVGA] = 1;
    store16(bp + BP_ORIG_VIDEO_POINTS, 16);
}

static void fill_memory(const Boot *b, u8 *bp)
{
    E820 map[E820_MAX];
    unsigned n = firmware_e820(b->ram_bytes, map);
    u32 ext_k = (b->ram_bytes - HIGH_BASE) >> 10;
    for (unsigned i = 0; i < n; i++) {
        u8 *entry = bp + BP_E820_TABLE + 20 * i;
        store64(entry, map[i].base);
        store64(entry + 8, map[i].bytes);
        store32(entry + 16, map[i].type);
    }
    bp[BP_E820_ENTRIES] = (u8)n;
    store16(bp + BP_EXT_MEM_K, (u16)(ext_k > 0xffff ? 0xffff : ext_k));
    store32(bp + BP_ALT_MEM_K, ext_k);
}

/* The protected-mode part and the initial RAM disk. */
static bool load_parts(const Boot *b, Phys *phys, Problem *p)
{
    const BootModule *m = &b->modules[0];
    if (!image_load(&b->kernel, b->linux_.setup_bytes, phys, CODE_PA, code_bytes(b), p)) return false;
    return !b->module_count || image_load(&m->image, 0, phys, m->pa, m->image.bytes, p);
}

bool linux_place(const Boot *b, Vcpu *c, Problem *p)
{
    static u8 bp[BP_BYTES];
    memset(bp, 0, sizeof bp);
    fill_screen(bp);
    fill_header(b, bp);
    fill_memory(b, bp);
    phys_dma_write(c->phys, LOW_ZERO_PAGE, bp, sizeof bp);
    phys_dma_write(c->phys, LOW_CMDLINE, b->append, (u32)strlen(b->append) + 1);
    c->gpr[ESI] = LOW_ZERO_PAGE;
    c->gpr[ESP] = LOW_ZERO_PAGE; /* not in the protocol; a kernel sets its own */
    return load_parts(b, c->phys, p);
}

/* --- place, 16 bits -------------------------------------------------------------------------------------- */

enum {
    REAL_SEG = LOW_ZERO_PAGE >> 4,
    REAL_ENTRY_SEG = REAL_SEG + 0x20,
    REAL_STACK = 0xfff0,
    HEAP_END = 0xfe00
};

static void load_real_segment(Vcpu *c, int s, u16 selector)
{
    c->seg[s].sel = selector;
    c->seg[s].base = (u32)selector << 4;
}

static void enter_real(Vcpu *c)
{
    memset(c->gpr, 0, sizeof c->gpr);
    for (int s = 0; s < SEG_COUNT; s++) load_real_segment(c, s, REAL_SEG);
    load_real_segment(c, CS, REAL_ENTRY_SEG);
    c->gpr[ESP] = REAL_STACK;
    c->eflags = 2;
    c->eip = c->next_eip = 0;
    c->halted = false;
}

bool linux_place_real(const Boot *b, Vcpu *c, Problem *p)
{
    static u8 setup[64 << 9];
    if (b->linux_.setup_bytes > sizeof setup) return wrong(b, p, "its real-mode part is larger than 32 KiB");
    if (!image_read(&b->kernel, 0, setup, b->linux_.setup_bytes, p)) return false;
    setup[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    setup[HDR_LOADFLAGS] |= CAN_USE_HEAP;
    store16(setup + HDR_HEAP_END_PTR, HEAP_END);
    store32(setup + HDR_CMD_LINE_PTR, LOW_CMDLINE);
    if (b->module_count) {
        store32(setup + HDR_RAMDISK_IMAGE, b->modules[0].pa);
        store32(setup + HDR_RAMDISK_SIZE, b->modules[0].image.bytes);
    }
    phys_dma_write(c->phys, LOW_ZERO_PAGE, setup, b->linux_.setup_bytes);
    phys_dma_write(c->phys, LOW_CMDLINE, b->append, (u32)strlen(b->append) + 1);
    enter_real(c);
    return load_parts(b, c->phys, p);
}

/* i440fx.c - 82441FX (440FX PMC) host bridge, PCI function 00:00.0.
 *
 * Datasheet: Intel 82441FX/82442FX (290549), 3.2 "PCI Configuration Space", PAM registers 59h-5Fh.
 *
 * The PAM registers decide for 13 segments of c0000-fffff whether reads (RE) and writes (WE) go to DRAM or to PCI,
 * where the BIOS ROM is. Here a ROM image lies in the RAM pages of its addresses, so that "read ROM" and "read
 * DRAM" give the same bytes and only WE matters: WE set is PAGE_RAM, WE clear PAGE_ROM. That carries firmware through
 * its usual steps (copy in place with RE=0 WE=1, then protect with RE=1 WE=0).
 *
 * Not implemented: DRAM row boundaries (stored only), SMRAM (72h stored; no SMM), AGP, ECC, caching attributes.
 */
#include "hw/i440fx.h"

enum { PAM0 = 0x59, PAM_LAST = 0x5f, PAM_WE = 2, SMRAM = 0x72, DRAM_ROW_0 = 0x60 };
enum { SEGMENT_F0000 = 12 };

/* --- segments -------------------------------------------------------------------------------------------- */

static u8 segment_bits(const I440fx *h, unsigned i)
{
    if (i == SEGMENT_F0000) return h->pci.config[PAM0] >> 4;
    return h->pci.config[PAM0 + 1 + i / 2] >> (i & 1 ? 4 : 0);
}

static void segments_update(I440fx *h)
{
    for (unsigned i = 0; i < I440FX_SEGMENTS; i++) {
        PageKind kind = segment_bits(h, i) & PAM_WE ? PAGE_RAM : PAGE_ROM;
        if (kind == h->kind[i]) continue;
        h->kind[i] = kind;
        phys_set_kind(h->phys, 0xc0000 + i * 0x4000, i == SEGMENT_F0000 ? 0x10000 : 0x4000, kind);
    }
}

/* --- writes ---------------------------------------------------------------------------------------------- */

static void i440fx_written(void *dev, u32 reg, unsigned bytes)
{
    if (reg <= PAM_LAST && reg + bytes > PAM0) segments_update(dev);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

void i440fx_reset(void *dev)
{
    I440fx *h = dev;
    PciFunction *f = &h->pci;
    pci_function_init(f, 0x8086, 0x1237, 0x060000, 0x02);
    pci_set16(f, PCI_COMMAND, 0x0006);
    pci_set16(f, PCI_STATUS, 0x0280);
    pci_allow(f, PCI_LATENCY, 1, 0xf8);
    pci_allow(f, 0x50, 9, 0xff); /* PMCCFG .. DRAMT */
    pci_allow(f, PAM0, 1, 0x30);
    pci_allow(f, PAM0 + 1, PAM_LAST - PAM0, 0x33);
    pci_allow(f, DRAM_ROW_0, 8, 0xff);
    pci_allow(f, SMRAM, 1, 0x58);
    f->config[SMRAM] = 0x02;
    if (h->configured)
        for (u32 reg = PAM0; reg <= PAM_LAST; reg++) f->config[reg] = 0x33 & f->writable[reg];
    segments_update(h);
}

static void i440fx_state(void *dev, State *s) { pci_function_state(&((I440fx *)dev)->pci, s); }

static void i440fx_loaded(void *dev) { segments_update(dev); }

const PartKind i440fx_part = {
    .version = 1, .reset = i440fx_reset, .state = i440fx_state, .loaded = i440fx_loaded};

void i440fx_init(I440fx *h, Pci *pci, Phys *phys, bool configured)
{
    *h = (I440fx){.phys = phys, .configured = configured, .pci = {.dev = h, .written = i440fx_written}};
    pci_add(pci, PCI_FN(0, 0), &h->pci);
}

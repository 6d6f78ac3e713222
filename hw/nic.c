/* nic.c - the table of network cards: a row for each model, so that the board and the command line know no more of a
 * card than its row.
 */
#include "hw/nic.h"

enum { POST_IO = 0xd000, POST_IO_STEP = 0x100, POST_MEMORY = 0xfeb00000, POST_MEMORY_STEP = 0x1000 };

/* --- pcnet ----------------------------------------------------------------------------------------------- */

static void init_pcnet(Nic *nic, const NicConfig *c, const NicSlot *at)
{
    pcnet_init(&nic->pcnet, at->pci, at->slot, at->bus, at->phys, at->clock, at->intx, c->mac);
}
static void post_pcnet(Nic *nic, u32 io, u32 pa) { pcnet_post(&nic->pcnet, io, pa); }
static NetPort *port_of_pcnet(Nic *nic) { return &nic->pcnet.port; }

/* --- NE2000 ---------------------------------------------------------------------------------------------- */

static void init_ne2k_isa(Nic *nic, const NicConfig *c, const NicSlot *at)
{
    ne2k_isa_init(&nic->ne2k, at->bus, at->clock, at->irq, c->iobase ? c->iobase : NIC_ISA_IOBASE, c->mac);
}

static void init_ne2k_pci(Nic *nic, const NicConfig *c, const NicSlot *at)
{
    ne2k_pci_init(&nic->ne2k, at->pci, at->slot, at->bus, at->clock, at->intx, c->mac);
}
static void post_ne2k_pci(Nic *nic, u32 io, u32 pa) { (void)pa, ne2k_pci_post(&nic->ne2k, io); }
static NetPort *port_of_ne2k(Nic *nic) { return &nic->ne2k.chip.port; }

/* --- rtl8139 --------------------------------------------------------------------------------------------- */

static void init_rtl8139(Nic *nic, const NicConfig *c, const NicSlot *at)
{
    rtl8139_init(&nic->rtl8139, at->pci, at->slot, at->bus, at->phys, at->clock, at->intx, c->mac);
}
static void post_rtl8139(Nic *nic, u32 io, u32 pa) { rtl8139_post(&nic->rtl8139, io, pa); }
static NetPort *port_of_rtl8139(Nic *nic) { return &nic->rtl8139.port; }

/* --- the table ------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const PartKind *part;
    void (*init)(Nic *nic, const NicConfig *c, const NicSlot *at);
    void (*post)(Nic *nic, u32 io, u32 pa); /* NULL: an ISA card, whose jumpers say where it is */
    NetPort *(*port)(Nic *nic);
} models[NIC_MODELS] = {
    [NIC_PCNET] = {"pcnet", &pcnet_part, init_pcnet, post_pcnet, port_of_pcnet},
    [NIC_NE2K_ISA] = {"ne2k_isa", &ne2k_isa_part, init_ne2k_isa, NULL, port_of_ne2k},
    [NIC_NE2K_PCI] = {"ne2k_pci", &ne2k_pci_part, init_ne2k_pci, post_ne2k_pci, port_of_ne2k},
    [NIC_RTL8139] = {"rtl8139", &rtl8139_part, init_rtl8139, post_rtl8139, port_of_rtl8139},
};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

bool nic_model(const char *name, NicModel *model)
{
    for (NicModel n = NIC_NONE + 1; n < NIC_MODELS; n++)
        if (same(name, models[n].name)) {
            *model = n;
            return true;
        }
    return false;
}

bool nic_has_rom(NicModel model) { return models[model].post; }

const char *nic_models(void) { return "pcnet, ne2k_isa, ne2k_pci, rtl8139"; }

/* Into the socket of the card that is in the slot now. */
static void rom_plug(const NicConfig *c, const NicSlot *at)
{
    if (!c->rom_bytes || !nic_has_rom(c->model)) return;
    PciFunction *f = at->pci->function[PCI_FN(at->slot, 0)];
    pci_name_rom(f, c->rom, c->rom_bytes);
    pci_add_rom(f, at->bus, c->rom, c->rom_bytes, "nic-rom");
}

static void name_make(Nic *nic, unsigned n)
{
    char *to = nic->name;
    for (const char *p = models[nic->model].name; *p; p++) *to++ = *p;
    if (n) {
        *to++ = '.';
        *to++ = (char)('0' + n);
    }
    *to = 0;
}

void nic_init(Nic *nic, const NicConfig *config, const NicSlot *at, unsigned n)
{
    CHECK(config->model > NIC_NONE && config->model < NIC_MODELS && n < NICS_MAX, "network card %u", n);
    nic->model = config->model;
    name_make(nic, n);
    models[nic->model].init(nic, config, at);
    rom_plug(config, at);
}

/* The part's own data is the union, whichever card it holds. */
void nic_part_add(Nic *nic, Parts *parts)
{
    part_add(parts, models[nic->model].part, nic->name, &nic->pcnet);
}

void nic_post(Nic *nic, unsigned n)
{
    if (models[nic->model].post)
        models[nic->model].post(nic, POST_IO + n * POST_IO_STEP, POST_MEMORY + n * POST_MEMORY_STEP);
}

NetPort *nic_port(Nic *nic) { return models[nic->model].port(nic); }

/* piix4pm.h - the power management function of an 82371AB (PIIX4). See piix4pm.c.
 *
 * What ACPI tables say about this board:
 *   PM1a_EVT_BLK PIIX4PM_BASE+0 (4 bytes), PM1a_CNT_BLK +4 (2), PM_TMR_BLK +8 (4, 24-bit timer), GPE0_BLK +0Ch (4),
 *   SCI_INT 9 (level), SMI_CMD B2h with ACPI_ENABLE F1h and ACPI_DISABLE F0h, \_S5 SLP_TYP 0.
 */
#ifndef RING3_PIIX4PM_H
#define RING3_PIIX4PM_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "hw/part.h"
#include "hw/pci.h"

/* for FADT and DSDT */
enum {
    PIIX4PM_BASE = 0x600,
    PIIX4PM_EVT = 0x600,
    PIIX4PM_CNT = 0x604,
    PIIX4PM_TMR = 0x608,
    PIIX4PM_GPE0 = 0x60c,
    PIIX4PM_SCI_IRQ = 9,
    PIIX4PM_SMI_CMD = 0xb2,
    PIIX4PM_ACPI_ENABLE = 0xf1,
    PIIX4PM_ACPI_DISABLE = 0xf0,
    PIIX4PM_SLP_TYP_S5 = 0, /* soft off */
};

typedef struct Piix4pm {
    PciFunction pci; /* 00:01.3 */
    u16 pm1_sts;     /* as far as computed: TMR_STS follows the timer */
    u16 pm1_en;
    u16 pm1_cnt;
    u64 synced_ticks;           /* PM timer up to which TMR_STS was computed */
    u8 apm_control, apm_status; /* ports B2h, B3h */
    bool sci_level;
    bool
        configured; /* reset leaves it as firmware leaves it for a kernel: PMBASE set, I/O on, in ACPI mode */
    Clock *clock;
    Timer timer; /* next toggle of the PM timer's bit 23, while that would raise SCI */
    IrqLine sci;
    Bus *bus;
    int range; /* of the I/O block at PMBASE */
    void (*poweroff)(void *ctx);
    void *ctx;
} Piix4pm;

void piix4pm_init(Piix4pm *x, Pci *pci, Bus *bus, Clock *clock, IrqLine sci, bool configured,
                  void (*poweroff)(void *), void *ctx);
/* Pressed for a moment. False: nobody is told, since no driver has enabled the button's event in ACPI mode. */
bool piix4pm_power_button(Piix4pm *x);
void piix4pm_reset(void *dev);
extern const PartKind piix4pm_part;

#endif

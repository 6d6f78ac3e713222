/* guest_memory.h - guest memory as a person looks at it and changes it: monitor and gdb. See guest_memory.c.
 *
 * Linear addresses go through the guest's page tables, with the rights of ring 0 and without leaving accessed or dirty
 * bits behind; `linear` false: physical addresses.
 */
#ifndef RING3_GUEST_MEMORY_H
#define RING3_GUEST_MEMORY_H

#include "cpu/cpu.h"

/* guest_read - n bytes, as the processor would see them: RAM, ROM and devices. False: some are not mapped, or are above
 * 4 GiB. */
bool guest_read(const Vcpu *c, bool linear, u64 address, void *to, u32 n);
/* guest_readable - how many of the n bytes at a linear or physical address could be read; whole pages count. */
u32 guest_readable(const Vcpu *c, bool linear, u64 address, u32 n);
/* guest_write - n bytes to RAM or devices, whatever the page's rights; translated code hears of it. False: some are
 * not mapped, are ROM, or are above 4 GiB; then none was written (but for those that unmapped the others). */
bool guest_write(Vcpu *c, bool linear, u64 address, const void *from, u32 n);

#endif

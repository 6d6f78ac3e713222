/* gdb_registers.h - the processor's registers as gdb numbers, describes and moves them. See gdb_registers.c. */
#ifndef RING3_GDB_REGISTERS_H
#define RING3_GDB_REGISTERS_H

#include "cpu/cpu.h"

enum { GDB_REGISTER_BYTES = 16 /* of the largest */ };

/* All on the vCPU thread, between two instructions, with the FPU parked. */
unsigned gdb_register_count(void);
/* gdb_register_bytes - the size of register n, which is below the count. */
unsigned gdb_register_bytes(unsigned n);
void gdb_register_read(const Vcpu *c, unsigned n, u8 to[GDB_REGISTER_BYTES]);
/* gdb_register_write - false: it cannot be changed, or not to that; nothing was. */
bool gdb_register_write(Vcpu *c, unsigned n, const u8 from[GDB_REGISTER_BYTES]);
/* gdb_target_xml - the target description, which lists them in order; its length is always the same for 16-bit code,
 * and for 32-bit code. Valid until the next call. */
const char *gdb_target_xml(const Vcpu *c);

#endif

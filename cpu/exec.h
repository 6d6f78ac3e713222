/* exec.h - prototypes of all execution functions: one for each name in the last column of the table. */
#ifndef RING3_EXEC_H
#define RING3_EXEC_H

#include "cpu/operand.h"

#define X(opcode, ext, pfx, name, o1, o2, o3, dest, read, write, undef, checks, need, class, host, exec)     \
    ExecFn exec_##exec;
#include "cpu/x86.def"
#undef X

#endif

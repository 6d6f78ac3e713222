/* exec_table.c - x86_exec[]: the interpreter's function for each row, by Row.id.
 *
 * Apart from table.c, so that decoder and listings do not pull in the interpreter. A row that names a function
 * which does not exist is a link error here.
 */
#include "cpu/insn.h"

#define X(opcode, ext, pfx, name, o1, o2, o3, dest, read, write, undef, checks, need, class, host, exec)     \
    ExecFn exec_##exec;
#include "cpu/x86.def"
#undef X

#define X(opcode, ext, pfx, name, o1, o2, o3, dest, read, write, undef, checks, need, class, host, exec)     \
    exec_##exec,
ExecFn *const x86_exec[] = {
#include "cpu/x86.def"
};
#undef X

#define X(opcode, ext, pfx, name, o1, o2, o3, dest, read, write, undef, checks, need, class, host, exec)     \
#exec,
const char *const x86_exec_name[] = {
#include "cpu/x86.def"
};

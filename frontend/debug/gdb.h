/* gdb.h - the server of gdb's remote protocol: -gdb, -s, and the monitor's gdbserver. See gdb.c. */
#ifndef RING3_GDB_H
#define RING3_GDB_H

#include "frontend/host/channel.h"
#include "frontend/pc.h"

/* gdb_serve - listen as `spec` says (CHAR_NULL: not any more, and a client that is there is hung up). False: *p says
 * why. */
bool gdb_serve(Pc *pc, const CharSpec *spec, Problem *p);
bool gdb_is_served(void);

/* On the vCPU thread, in the service hook, whether the machine runs or is parked: hear and answer the client. May pause
 * the machine, or let it run on. */
void gdb_service(Pc *pc);
/* gdb_end - ring3 ends with this exit code: a client that let the machine run hears of it. */
void gdb_end(int code);

#endif

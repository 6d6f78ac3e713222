/* confine.c - the server reads what strangers send and what the guest has drawn, and needs next to nothing for it: its
 * two sockets and those that it accepts, memory, and the clock. It opens no file, makes no socket, connects nowhere,
 * starts nothing and signals nobody: such a call fails with ENOSYS. It ends with the machine, whatever became of it.
 */
#include "frontend/inspect/confine.h"

#include <sys/syscall.h>

#include "frontend/host/filter.h"

static const Call calls[] = {
    {.number = SYS_poll},          {.number = SYS_ppoll},        {.number = SYS_read},
    {.number = SYS_write},         {.number = SYS_sendto},       {.number = SYS_recvfrom},
    {.number = SYS_recvmsg},       {.number = SYS_accept4},      {.number = SYS_shutdown},
    {.number = SYS_close},         {.number = SYS_brk},          {SYS_mmap, CALL_NO_EXEC, NULL, 0},
    {.number = SYS_munmap},        {.number = SYS_mremap},       {.number = SYS_madvise},
    {.number = SYS_clock_gettime}, {.number = SYS_rt_sigreturn}, {.number = SYS_restart_syscall},
    {.number = SYS_exit_group},    {.number = SYS_exit},         {.number = SYS_futex},
    {.number = SYS_getrandom},
};

void inspect_confine(void) { filter_confine(calls, ARRAY_LEN(calls), true); }

/* confine.c - what the window's process may still do once the guest's screen is in it.
 *
 * It reads what the guest has written, through code that may have faults of its own; and the desktop's libraries are large. So
 * it gives up what it will not need again: to start programs, to look into other processes, to change what the kernel is or
 * what this process may do. Such a call fails with EPERM. Files and sockets stay: screenshots, sound and the display need them.
 * A kernel without seccomp leaves it at no-new-privileges.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frontend/window/session.h"

static const u32 refused[] = {
    SYS_execve,
    SYS_execveat,
#ifndef __SANITIZE_ADDRESS__ /* the debug build's looks for leaks by it: see frontend/host/filter.c */
    SYS_ptrace,
#endif
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_perf_event_open,
    SYS_bpf,
    SYS_userfaultfd,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_setuid,
    SYS_setgid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_open_by_handle_at,
};

enum { X32_CALLS = 0x40000000 };

/* Load the number; each refused one jumps to the end; so do other architectures' calls. */
static void confine_calls(void)
{
    enum { HEAD = 4, COUNT = ARRAY_LEN(refused), LENGTH = HEAD + COUNT + 2 };
    static struct sock_filter code[LENGTH] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, COUNT + 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, COUNT + 1, 0),
    };
    for (unsigned n = 0; n < COUNT; n++)
        code[HEAD + n] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[n], (u8)(COUNT - n), 0);
    code[HEAD + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[HEAD + COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    const struct sock_fprog program = {LENGTH, code};
    (void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

void session_confine(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) confine_calls();
}

"""sandbox.py - a process as a container engine starts it: no privileges, no network, its system calls filtered.

bubblewrap makes the namespaces. The filter is a list of our own that is as strict as the engines' or stricter: what
rules the machine, looks into other processes or makes namespaces is refused (EPERM), and what is newer than Linux 4.18
is unknown (ENOSYS), as for a list of that time.

By hand, sandbox.py PROGRAM ARGUMENT... runs anything in it.
"""
import os
import shutil
import struct
import sys
import tempfile

REFUSED = dict(
    ptrace=101, syslog=103, uselib=134, ustat=136, vhangup=153, modify_ldt=154, pivot_root=155, sysctl=156, chroot=161,
    acct=163,
    settimeofday=164, mount=165, umount2=166, swapon=167, swapoff=168, reboot=169, sethostname=170, setdomainname=171,
    iopl=172,
    ioperm=173, create_module=174, init_module=175, delete_module=176, quotactl=179, nfsservctl=180, lookup_dcookie=212,
    clock_settime=227, mbind=237, set_mempolicy=238, get_mempolicy=239, kexec_load=246, add_key=248, request_key=249,
    keyctl=250,
    unshare=272, move_pages=279, perf_event_open=298, name_to_handle_at=303, open_by_handle_at=304, setns=308,
    process_vm_readv=310, process_vm_writev=311, kcmp=312, finit_module=313, kexec_file_load=320, bpf=321,
    userfaultfd=323)
CLONE, PERSONALITY, LAST_KNOWN = 56, 135, 334
NAMESPACES = 0x7e020000 # CLONE_NEW*
ARCH_X86_64 = 0xc000003e
EPERM, ENOSYS = 1, 38
NUMBER, ARCH, ARGUMENT = 0, 4, 16 # in struct seccomp_data
LOAD, EQUAL, MORE, ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06 # BPF
ALLOW, ERROR = 0x7fff0000, 0x00050000
# A build with the address sanitizer looks for leaks at its end by ptrace(), which the filter refuses.
NO_LEAKS = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "detect_leaks=0"]))


def insn(code, k, yes=0, no=0):
    return struct.pack("<HBBI", code, yes, no, k)


def refuse(error):
    return insn(RETURN, ERROR | error)


def filter_code(refused=()):
    """Each test is followed by what it skips when it does not hold (for ARCH: when it holds)."""
    code = insn(LOAD, ARCH) + insn(EQUAL, ARCH_X86_64, 1, 0) + refuse(ENOSYS)
    code += insn(LOAD, NUMBER) + insn(MORE, LAST_KNOWN, 0, 1) + refuse(ENOSYS)
    for number in sorted([*REFUSED.values(), *refused]):
        code += insn(EQUAL, number, 0, 1) + refuse(EPERM)
    code += insn(EQUAL, CLONE, 0, 3) + insn(LOAD, ARGUMENT) + insn(ANY_BIT, NAMESPACES, 0, 1) + refuse(EPERM)
    code += insn(LOAD, NUMBER) + insn(EQUAL, PERSONALITY, 0, 3) + insn(LOAD, ARGUMENT) + insn(EQUAL, 0, 1,
                                                                                              0) + refuse(EPERM)
    return code + insn(RETURN, ALLOW)


def lacking():
    """Why there can be no sandbox here; None: there can."""
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed"
    p = os.spawnvp(os.P_WAIT, "sh", ["sh", "-c", "exec 2>/dev/null " + " ".join(words(None)) + " true"])
    return "bubblewrap may not make namespaces here" if p else None


def words(filter_fd, *more):
    made = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL",
            "--die-with-parent",
            "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--setenv", "ASAN_OPTIONS", NO_LEAKS, *more]
    return made + ["--seccomp", str(filter_fd)] if filter_fd is not None else made


def command(program, *more, refused=()):
    """`program` (a list) in the sandbox, as words for Vm; `more`: further options of bwrap's; `refused`: further
    system calls that are. The filter's file stays for the test."""
    kept = tempfile.NamedTemporaryFile(prefix="ring3-")
    kept.write(filter_code(refused))
    kept.flush()
    files.append(kept)
    return ["sh", "-c", 'exec 9<"$0" "$@"', kept.name, *words(9, *more), *program]


files = []

if __name__ == "__main__":
    sys.exit(lacking() or os.spawnvp(os.P_WAIT, "sh", command(sys.argv[1:])))

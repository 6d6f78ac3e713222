"""inject.py - a system call made in another process, as code would that has taken it over: by ptrace, on its first
thread."""
import ctypes
import os
import re
import signal
import struct

ATTACH, DETACH, GETREGS, SETREGS, SINGLESTEP = 16, 17, 12, 13, 9
REGISTERS = 27 # of struct user_regs_struct
ORIG_RAX, RIP, RAX = 15, 16, 10
ARGUMENTS = 14, 13, 12, 7, 9, 8 # rdi, rsi, rdx, r10, r8, r9
SYSCALL = b"\x0f\x05"
# The kernel's ERESTART codes: a signal came while whoever judges the call was asked; it has not been made, and its caller
# would make it again.
CUT_SHORT = [2 ** 64 - code for code in (512, 513, 514, 516)]
EXECVE, SOCKET, CLONE, MMAP, MPROTECT, OPENAT, KILL, PTRACE, CONNECT = 59, 41, 56, 9, 10, 257, 62, 101, 42
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "ptrace %d" % request)


def registers(pid):
    buffer = ctypes.create_string_buffer(8 * REGISTERS)
    ptrace(GETREGS, pid, buffer)
    return list(struct.unpack("<%dQ" % REGISTERS, buffer.raw))


def set_registers(pid, values):
    ptrace(SETREGS, pid, ctypes.create_string_buffer(struct.pack("<%dQ" % REGISTERS, *values), 8 * REGISTERS))


def regions(pid):
    """(first address, one behind the last, rights, what it is) of each."""
    lines = open("/proc/%d/maps" % pid).read().splitlines()
    found = [re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups() for line in lines]
    return [(int(a, 16), int(b, 16), rights, name) for a, b, rights, name in found]


def syscall_instruction(pid):
    for first, last, rights, name in regions(pid):
        if "x" in rights and "/libc" in name:
            with open("/proc/%d/mem" % pid, "rb") as f:
                f.seek(first)
                at = f.read(last - first).find(SYSCALL)
            if at >= 0:
                return first + at
    raise OSError("no system call in its C library")


def stopped(pid):
    """Wait; the signal that it stopped for, or None: it has ended, which its parent may still ask about."""
    how = os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
    if how.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED):
        return None
    os.waitpid(pid, 0)
    return how.si_status


def allowed():
    """Does this host let us trace a child? (Containers may not.)"""
    child = os.fork()
    if not child:
        signal.pause()
    try:
        ptrace(ATTACH, child)
        return True
    except PermissionError:
        return False
    finally:
        os.kill(child, signal.SIGKILL)
        while not os.WIFSIGNALED(os.waitpid(child, 0)[1]): # its stop may come first
            pass


def inject(pid, number, *arguments):
    """What the call returns; None: the process, a child of ours, has ended by it."""
    at = syscall_instruction(pid)
    ptrace(ATTACH, pid)
    why = stopped(pid)
    if why is None:
        return None
    before = registers(pid)
    now = list(before)
    now[RIP], now[RAX], now[ORIG_RAX] = at, number, 2 ** 64 - 1
    for register, value in zip(ARGUMENTS, arguments):
        now[register] = value % 2 ** 64
    set_registers(pid, now)
    late = None # a signal of its own (the guest's clock ticks by one) may come first: it gets it afterwards
    while True:
        if why != signal.SIGSTOP:
            late = why
        ptrace(SINGLESTEP, pid)
        why = stopped(pid)
        if why is None:
            return None
        if why == signal.SIGTRAP:
            if registers(pid)[RAX] not in CUT_SHORT:
                break
            set_registers(pid, now)
    result = registers(pid)[RAX]
    set_registers(pid, before)
    ptrace(DETACH, pid, late)
    return result - 2 ** 64 if result >> 63 else result

# ring3.gdb - what gdb lacks for code of 16 and 32 bits in one session: gdb -x ring3.gdb (docs/DEBUG.md)
#
# At each stop the disassembler follows the code segment. `over` runs to the instruction behind the one at hand, whatever
# happens in between: over a CALL, an INT, a REP. `stack` shows 16 words at SS:SP. `symbols FILE` takes the names of a
# System.map or a saved /proc/kallsyms; frames between them are found by EBP, as kernels with frame pointers have them.

set osabi none

python
import gdb

def follow_code_segment(event):
    try:
        bits = int(gdb.parse_and_eval("$code_bits"))
    except (gdb.error, TypeError, ValueError):
        return  # no ring3 at the other end
    name = "i8086" if bits == 16 else "i386"
    if gdb.selected_inferior().architecture().name() != name:
        gdb.execute("set architecture " + name, to_string=True)

gdb.events.stop.connect(follow_code_segment)

import os, re, struct, tempfile
import gdb.unwinder

def symbol_lines(path):
    line = re.compile(r"([0-9a-fA-F]{8}) ([a-zA-Z]) ([^\s]+)(\s.*)?$")
    with open(path, errors="replace") as f:
        for found in map(line.match, f):
            if found and found[2] not in "aU" and int(found[1], 16):
                yield int(found[1], 16), found[2], found[3]

def symbol_elf(symbols):
    """An ELF file for the i386 that holds these symbols and nothing else ("Tool Interface Standard ELF" 1.2)."""
    first, last = min(s[0] for s in symbols), max(s[0] for s in symbols)
    names, table = bytearray(b"\0"), bytearray(16)
    for address, letter, name in symbols:
        kind = 2 if letter in "tTwW" else 1 # function, object
        table += struct.pack("<IIIBBH", len(names), address, 0, (16 if letter.isupper() else 0) | kind, 0, 1)
        names += name.encode() + b"\0"
    section_names = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    at = [52, 52 + len(table), 52 + len(table) + len(names)]
    heads = at[2] + len(section_names)
    def head(name, kind, flags, address, offset, size, link=0, info=0, entry=0):
        return struct.pack("<10I", name, kind, flags, address, offset, size, link, info, 1, entry)
    return (b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 0, heads, 0, 52, 0, 0, 40, 5, 4) + table + names
            + section_names + bytes(40) + head(1, 8, 6, first, 0, last - first + 4096) + head(7, 2, 0, 0, at[0], len(table), 3, 1, 16)
            + head(15, 3, 0, 0, at[1], len(names)) + head(23, 3, 0, 0, at[2], len(section_names)))

class Symbols(gdb.Command):
    """symbols FILE: the names of a System.map or a saved /proc/kallsyms."""
    def __init__(self):
        super().__init__("symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        try:
            found = list(symbol_lines(os.path.expanduser(argument)))
        except OSError as e:
            raise gdb.GdbError("symbols %s: %s" % (argument, e.strerror))
        if not found:
            raise gdb.GdbError("symbols %s: no line like 'c1000000 T name' with an address (/proc/kallsyms shows them to root only)" % argument)
        handle, path = tempfile.mkstemp(suffix=".symbols")
        with os.fdopen(handle, "wb") as f:
            f.write(symbol_elf(found))
        gdb.execute("symbol-file " + path, to_string=True)
        os.unlink(path)
        print("%d symbols" % len(found))

Symbols()

class Frame:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc

class FramePointers(gdb.unwinder.Unwinder):
    """Frames of functions that are known by name only, and keep EBP: gdb's own search for `push %ebp` at the beginning stops
    at the room that kernels leave there for their tracer. Before EBP is set up (the function's first instructions) the return address
    is where ESP points, or above the EBP that was pushed there."""
    def __init__(self):
        super().__init__("ring3 frame pointers")

    def __call__(self, pending):
        arch = pending.architecture()
        if arch.name() != "i386":
            return None
        pc, sp, bp = (int(pending.read_register(r)) & 0xffffffff for r in ("eip", "esp", "ebp"))
        if gdb.current_progspace().find_pc_line(pc).symtab is not None:
            return None # there is line information: gdb knows better
        name = gdb.execute("info symbol %#x" % pc, to_string=True)
        if name.startswith("No symbol"):
            return None
        return unwind(pending, pc, sp, bp, name)

def word_at(address):
    return struct.unpack("<I", gdb.selected_inferior().read_memory(address & 0xffffffff, 4).tobytes())[0]

def code_before(pc, name):
    """What of the function comes before pc, if little of it does."""
    offset = re.search(r" \+ (\d+) ", name)
    n = int(offset[1]) if offset else 0
    return gdb.selected_inferior().read_memory(pc - n, n).tobytes() if n <= 32 else None

def unwind(pending, pc, sp, bp, name):
    try:
        before = code_before(pc, name)
        if before is not None and b"\x55" not in before: # push %ebp
            caller_sp, caller_bp, back = sp + 4, bp, word_at(sp)
        elif before is not None and b"\x89\xe5" not in before: # mov %esp,%ebp
            caller_sp, caller_bp, back = sp + 8, word_at(sp), word_at(sp + 4)
        else:
            caller_sp, caller_bp, back = bp + 8, word_at(bp), word_at(bp + 4)
    except gdb.MemoryError:
        return None
    integer = gdb.lookup_type("unsigned int")
    info = pending.create_unwind_info(Frame(gdb.Value(caller_sp).cast(integer), gdb.Value(pc).cast(integer)))
    for register, value in ("eip", back), ("esp", caller_sp), ("ebp", caller_bp):
        info.add_saved_register(register, gdb.Value(value).cast(pending.read_register(register).type))
    return info

gdb.unwinder.register_unwinder(None, FramePointers())
end

define over
  x/2i $pc
  tbreak *$_
  continue
end
document over
Run to the instruction behind the one at hand.
end

define stack
  if $code_bits == 16
    x/16xh (unsigned)$ss_base + ((unsigned)$sp & 0xffff)
  else
    x/16xw (unsigned)$ss_base + (unsigned)$sp
  end
end
document stack
Show 16 words at SS:SP.
end

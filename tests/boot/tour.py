#!/usr/bin/env python3
"""tour.py RING3 TOUR-KERNEL [-accel ...] - the tour, every experiment: what it says is so, by the screen's text and by counters.

Without further arguments also how it is started, left and refused.
"""
import re
import sys

from guest import Guest
from vm import Vm, check, deadline, main, run_tests

ring3, kernel, *options = sys.argv[1:]
accel = options[1] if options else "translate"
translates = not accel.startswith("interp")
form = accel.split("form=")[1] if "form=" in accel else "auto"
MENU = "a look into the glass box"


def number(text):
    return int(text.replace(",", ""))


class Tour:
    def __init__(self, *more):
        self.guest = Guest(ring3, "-tour", *options, *more, serial=False)
        self.guest.wait_text(MENU + ".* 1 to 9")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.guest.__exit__(*exception)

    def fail(self, why):
        self.guest.fail(why)

    def want(self, condition, why):
        if not condition:
            self.fail(why)

    def screen(self):
        return self.guest.lines()[:25]

    def press(self, key, then):
        """A key, and the screen that has `then` in its first line. (Experiments draw their last line when they are over.)"""
        self.guest.keys(key)
        end = deadline(30)
        while True:
            lines = self.screen()
            if then in lines[0] and lines[24].startswith(" 1 to 9" if then == MENU else " Esc menu"):
                return lines
            if end < deadline(0):
                self.fail("%r did not bring %r" % (key, then))

    def scroll(self, key, title):
        """All rows of the listing in the view at hand."""
        rows = []
        for _ in range(60):
            lines = self.screen()
            head = next(n for n, line in enumerate(lines) if line.startswith(" guest instruction"))
            end = next((n for n, line in enumerate(lines) if line.startswith(" counters that moved")), 24)
            at = re.search(r"(\d+)-(\d+) of (\d+)", lines[head])
            first, last, count = map(int, at.groups()) if at else (1, 0, 0)
            rows[first - 1 :] = lines[head + 1 : end] # the last page begins before the end of the one before
            if last == count:
                return rows
            self.press(key, title)
        self.fail("the listing does not end")

    def run(self, n, title):
        """(what it says, rows of its listing, {counter: (before, after)})"""
        lines = self.press(str(n % 10), title)
        said = " ".join(line.strip() for line in lines[1:4])
        why = " ".join(line.strip() for line in lines[20:24])
        self.want(("Nothing is translated" in why) == (not translates), "the reason is the other engine's")
        self.press("tab", title)
        rows = self.scroll("pgdn", title)
        counters = {}
        for line in self.press("tab", title)[2:24]:
            moved = re.match(r" (.{21})([\d,]+) \x1a ([\d,]+)$", line)
            if moved:
                counters[moved.group(1).strip()] = (number(moved.group(2)), number(moved.group(3)))
        for row in rows:
            self.want(not re.search(r"0x[0-9a-f]{9}", row), "an address of the host's? " + row)
            self.want(len(row) <= 80, "too long: " + row)
        self.rows, self.counters = rows, counters
        return said, rows, counters

    def find(self, said, pattern):
        found = re.search(pattern, said)
        self.want(found, "%r is not in %r" % (pattern, said))
        return found

    def moved(self, name, least, most=None):
        before, after = self.counters.get(name, (0, 0))
        if translates:
            self.want(after - before >= least and (most is None or after - before <= most),
                      "%s moved by %d, not by %s to %s; all: %r" % (name, after - before, least, most, self.counters))

    def row(self, guest, cls, host):
        """A row with these: of the host, what the translator makes of it, or the interpreter's function."""
        want = r" [0-9a-f]{3} %s +%s +\u2502.*%s" % (guest, cls, host if translates else r"exec_\w+\(\)")
        self.want(any(re.search(want, row) for row in self.rows), "no row with %r in\n%s" % (want, "\n".join(self.rows)))


def check_loop(t):
    said, _, _ = t.run(1, "A loop in ring 3")
    got = t.find(said, r"1,000,000 rounds .* eax is ([0-9a-f]{8}), edx ([0-9a-f]{8})")
    eax = edx = 0
    for ecx in range(1000000, 0, -1):
        eax += ecx
        edx ^= eax & 0xFFFFFFFF
        eax = edx + 2 * eax + 1 & 0xFFFFFFFF
    t.want(got.groups() == ("%08x" % eax, "%08x" % edx), "it computed something else")
    t.row("add eax, ecx", "MEM", "add eax, ecx")
    t.row("xor edx, eax", "MEM", "xor edx, eax")
    t.moved("blocks translated", 1, 4)
    t.moved("insns done by C", 0, 100000) # at most a few looks (cpu/wait.c)


def check_popf(t):
    said, _, _ = t.run(2, "POPF")
    before, popped, after = (int(v, 16) for v in t.find(said, r"before (\w+), popped (\w+) .* after (\w+):").groups())
    t.want(before & 0x201 == 0x200 and popped & 0x201 == 1 and after & 0x201 == 0x201, "IF or CF is not as it should be")
    t.find(said, "IF is still 1, and there was no exception")
    t.row("popfd", "SENS", "")
    t.moved("traps: guest #PF", 0, 0)


def check_sgdt(t):
    said, _, _ = t.run(3, "SGDT")
    gdt, limit, idt, cr0 = t.find(said, r"GDT at (\w+) \(limit (\w+)\), IDT at (\w+), CR0 (\w+)").groups()
    t.find(said, "the guest's own tables; no exception")
    registers = t.guest.do("info registers")
    t.want(re.search(r"GDT= *%s 000000%s" % (gdt, limit), registers), "the monitor knows another GDT: " + registers)
    t.want(re.search(r"IDT= *" + idt, registers), "the monitor knows another IDT")
    t.want("CR0=" + cr0 in registers, "the monitor knows another CR0")
    t.row(r"sgdt .*", r"\w+", "")


def check_syscall(t):
    said, rows, _ = t.run(4, "A system call")
    t.find(said, r"1,000 calls by INT 80h and IRET: [\d,.]+ ns each\. By SYSENTER and SYSEXIT: [\d,.]+ ns each\. The last returned 42")
    for name in "int 0x80", "iretd", "sysenter", "sysexit":
        t.want(any(name in row[:39] for row in rows), "no " + name)


def check_fault(t):
    said, _, _ = t.run(5, "A page fault")
    before, now = t.find(said, r"4 page faults, .* as (\w+); now it is (\w+)").groups()
    t.want(int(now, 16) == int(before, 16) | 0x60, "the A and D bits are not set")
    t.moved("traps: guest #PF", 4, 4)


def check_pte(t):
    said, _, _ = t.run(6, "A page-table entry changes")
    t.find(said, "without INVLPG the next read saw 8, with INVLPG 8")
    t.moved("page-table writes", 16)
    if form == "window":
        t.moved("... that mattered", 16) # there was a mapping to be changed


def check_smc(t):
    said, rows, _ = t.run(7, "Code that changes itself")
    t.find(said, r"sum of 1 to 1,000 is 500,500, as")
    t.moved("blocks killed", 3)
    if translates:
        after = rows[next(n for n, row in enumerate(rows) if "after 1,003 rounds" in row) :]
        t.want(any("mov eax" in row and "exec_" in row or "patched" in row for row in after), "nothing is said of the patch")


def check_storm(t):
    said, rows, _ = t.run(8, "A storm of stores")
    t.find(said, r"first took .* the second .* next 100,000 [\d,.]+ ns")
    t.moved("traps: device", 1, 3)
    if not translates:
        return
    after = next(n for n, row in enumerate(rows) if "after: it has trapped" in row)
    t.want(any("device" in row for row in rows[after:]), "its history does not tell of the device")
    store = [row for row in rows if re.search(r"mov word \[edi\], ax", row)]
    t.want(len(store) == 2 and store[0] != store[1], "the store's translation did not change: %r" % store)


def check_v86(t):
    said, _, _ = t.run(9, "16-bit code")
    t.find(said, "1,000 words .* ax %04x" % (sum(range(1001)) & 0xFFFF))
    t.want("0x03e8 0x07cf" in t.guest.do("x /2hx 0x9000"), "the first words are not 1000 and 1999")
    t.row(r"add ax, cx", "MEM", "add ax, cx")


def check_forms(t):
    said, rows, counters = t.run(10, "Table form and window form")
    t.find(said, r"2,000,000 loads took")
    if not translates:
        return
    t.moved("to window form", form == "auto", 8 if form == "auto" else 0)
    loads = [n for n, row in enumerate(rows) if "add edx" in row[:39]]
    for n, table in (loads[0], form != "window"), (loads[-1], form == "table"):
        host = " ".join(row[39:] for row in rows[n : n + 5])
        t.want(("xlat_table_read" in host) == table, "the listing is in the other form: " + host)


def test_experiments():
    with Tour() as t:
        for name in "loop popf sgdt syscall fault pte smc storm v86 forms".split():
            globals()["check_" + name](t)
            t.press("esc", MENU)
        t.guest.quit()


def test_keys():
    with Tour() as t:
        for key in "down", "down", "up":
            t.guest.keys(key)
        t.press("ret", " 2  POPF")
        t.press("right", " 3  SGDT")
        t.press("left", " 2  POPF")
        t.press("left", " 1  A loop")
        t.press("left", " 0  Table form")
        t.press("5", " 5  A page fault")
        t.press("ret", " 5  A page fault")
        t.press("esc", MENU)
        for key in "q", "f1", "delete", "shift-a":
            t.guest.keys(key)
        t.press("x", MENU)
        t.press("2", " 2  POPF")
        for shown in "listing", "counters", "summary": # the last row says what Tab shows next, on all of its 80 columns
            keys = t.guest.lines()[24].rstrip()
            check(re.fullmatch(r" Esc menu   Enter again .* Tab %s" % shown, keys), "the last row: %r" % keys)
            t.press("tab", " 2  POPF")
        t.guest.do("system_reset")
        t.guest.wait_text(MENU + ".* 1 to 9")
        t.press("1", " 1  A loop")
        t.guest.quit()


def test_again():
    """Many times over: the same."""
    with Tour() as t:
        for _ in range(40):
            t.press("8", " 8  A storm")
            t.press("7", " 7  Code")
        check_smc(t)
        t.guest.quit()


def test_386():
    """Neither CPUID nor INVLPG nor SYSENTER."""
    with Tour("-cpu", "386") as t:
        said, _, _ = t.run(4, "A system call")
        t.find(said, "has no SYSENTER. The last returned 42")
        t.press("esc", MENU)
        check_pte(t)
        t.guest.quit()


def test_start():
    """No argument at all is the tour, with a word about -h; what cannot be is refused."""
    if options:
        return
    vm = Vm([ring3], tty=True)
    vm.expect("this is the tour.*ring3 -h lists the options")
    vm.expect("glass box")
    vm.send("\1x")
    vm.expect_exit(0)
    for arguments, why in ((["-tour", "-kernel", ring3], "-tour: a guest of its own"), (["-tour", "-m", "8"], "-tour: needs 16 MiB"),
                           (["-tour", "-vga", "none"], "-tour: shows itself on the screen"), (["-device", "glasbox"], "glassbox")):
        vm = Vm([ring3, "-display", "none"] + arguments)
        vm.expect(why)
        vm.expect_exit(1)
    vm = Vm([ring3, "-tour", "-display", "none", "-S"])
    check(vm.read(0.3) == "", "-tour itself says something: " + vm.output)
    vm.kill()


def test_without_box():
    """The tour's kernel on a machine without the box, and with it by -device."""
    with Guest(ring3, "-kernel", kernel, *options, serial=False) as g:
        g.wait_text("there is no glass box: start ring3 -tour")
        g.quit()
    with Guest(ring3, "-kernel", kernel, "-device", "glassbox", *options, serial=False) as g:
        g.wait_text(MENU)
        g.quit()


main(lambda: run_tests(globals()))

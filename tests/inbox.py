#!/usr/bin/env python3
"""inbox.py SOURCE - what changes the guest from outside is called by frontend/inbox.c, and by nobody else in frontend/ (inbox.h).

Sources are looked at without their comments. Each pattern has to be in inbox.c, or in the file that is said: one that has a new name would
else be looked for in vain. ALSO has who may do it, too, since it is not from outside there."""
import os
import re
import sys

source = sys.argv[1]
DOOR = "frontend/inbox.c"
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)

# What is not to be called; by whom it may be beside inbox.c.
PATTERNS = {
    r"\bmachine_key\(": (), r"\bmachine_mouse\(": (), r"\bmachine_pointer\(": (), r"\bmachine_prefer_movement\(": (), r"\bmachine_stick\(": (),
    r"\bserial_arrive\(": ("frontend/serial.c",), # has it
    r"->receive\(": (), r"\bnet_carrier\(": (),
    r"\bdrive_change\(": (), r"\beject_wanted = true": (), r"->tray_open = ": (),
    r"\bmachine_move_time\(": (), r"\bmachine_disk_flushed\(": (), r"\bmachine_nmi\(": (),
    r"\bpc_power_button\(": ("frontend/pc.c",), r"\bpc_reset\(": ("frontend/pc.c",), r"\bpc_quit\(": ("frontend/pc.c",),
    # a breakpoint; a machine that moves, or could not be loaded whole
    r"\bpc_pause\(": ("frontend/pc.c", "frontend/debug/debugger.c", "frontend/snapshot/snapshot_load.c", "frontend/snapshot/migrate.c"),
    r"\bpc_continue\(": ("frontend/pc.c", "frontend/debug/debugger.c", "frontend/snapshot/migrate.c"),
    r"\bpc_step\(": ("frontend/pc.c", "frontend/debug/debugger.c"),
    r"\bpc_set_speed\(": ("frontend/pc.c",), r"\bpc_jumped\(": ("frontend/pc.c",),
    # what a BIOS would do, before the first instruction
    r"\bbus_port_in\(": ("frontend/load/firmware.c",), r"\bbus_port_out\(": ("frontend/load/firmware.c",),
    # a hook's function is a part of the program
    r"\bguest_write\(": ("frontend/debug/guest_memory.c", "frontend/hook/hook_api.c"),
    r"\bgdb_register_write\(": ("frontend/debug/gdb_registers.c",),
}
# ... and in other files' places.
ELSEWHERE = {
    r"\bmachine_power_button\(": ("frontend/pc.c",), # the consumers of some
    r"\bATT_NMI\b": ("frontend/pc.c", "frontend/processor.c", "frontend/host/hostio.c"),
    r"\bATT_RESET\b": ("frontend/pc.c", "frontend/processor.c", "frontend/host/hostio.c"),
    r"\bchannel_read\([^,]*, SIDE_GUEST": ("frontend/serial.c",),
    r"\buart_receive\(": (),
    r"\bphys_(dma_)?write\(": ("frontend/debug/guest_memory.c", "frontend/load/firmware.c", "frontend/load/boot_linux.c",
                               "frontend/load/boot_multiboot.c"),
    r"->on_input\(|\.on_input\(": ("frontend/serial.c",),
}


def stripped(text):
    return COMMENT.sub(" ", text)


def strays(sources):
    """Lines about who does not go through the door. sources: {path: text}"""
    for pattern, also in list(PATTERNS.items()) + list(ELSEWHERE.items()):
        may = set(also) | ({DOOR} if pattern in PATTERNS else set())
        does = {path for path, text in sources.items() if re.search(pattern, text)}
        for path in sorted(does - may):
            yield "%s: %s is the inbox's (frontend/inbox.h)" % (path, pattern)
        for path in sorted(may - does):
            yield "%s: has no %s any more: tests/inbox.py looks for it in vain" % (path, pattern)


def kinds(text):
    return re.findall(r'T\((\w+), "([^"]+)", "', text[text.index("define INBOX_LIST"):text.index("enum InboxKind")])


def main():
    sources = {}
    for folder, _, names in os.walk(os.path.join(source, "frontend")):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), source)
            room = path.split("/")[1]
            if name.endswith(".c") and room not in ("window", "vnc", "inspect", "net", "midi"): # other processes
                with open(os.path.join(source, path), encoding="utf-8") as f:
                    sources[path] = stripped(f.read())
    wrong = list(strays(sources))
    # It sees what it is for.
    bad = dict(sources)
    bad["frontend/net.c"] += "machine_nmi(m);"
    bad["frontend/monitor/monitor_words.c"] += "x = p->receive(d, f, n);"
    bad[DOOR] = bad[DOOR].replace("net_carrier(", "net_up(")
    found = set(strays(bad)) - set(wrong)
    if len(found) != 3:
        wrong.append("three strays were hidden, and these found: %s" % sorted(found))
    with open(os.path.join(source, "frontend/inbox.h"), encoding="utf-8") as f:
        listed = kinds(f.read())
    with open(os.path.join(source, "docs/ARCHITECTURE.md"), encoding="utf-8") as f:
        doc = f.read()
    for _, word in listed:
        if "`%s`" % word not in doc:
            wrong.append("docs/ARCHITECTURE.md does not have the kind of event `%s`" % word)
    print("\n".join(wrong) if wrong else "%d kinds of events, all by one door" % len(listed))
    return bool(wrong)


sys.exit(main())

"""inspect_page.py RING3 GLASS GUEST-SCRIPT GUEST-DIR [PICTURES] - the live page in Debian's chromium: while Debian boots the hottest block's listing is
there, and agrees with `explain` and with memory as gdb reads it; slow motion goes through POPF; each view is drawn, and nothing is wrong in the page.
With PICTURES, a folder, screenshots go there, for docs/.
"""
import json
import re
import socket
import sys
import tempfile
import time

from browser import Browser, find
from vm import PATIENCE, Vm, check, deadline, made, main, monitor, skip

ring3, glass, script, folder, *pictures = sys.argv[1:]
find() # or skip
VIEWS = {"hot": "#hot", "block": "#listing", "slow": "#do-step", "exits": "svg.spark", "cache": ".regions b", "pages": ".map a", "devices": "td.number"}


class Machine:
    def __init__(self, *guest):
        self.folder = tempfile.TemporaryDirectory(prefix="ring3-inspect")
        self.monitor, self.gdb = self.folder.name + "/mon", self.folder.name + "/gdb"
        self.vm = Vm([ring3, "-display", "none", "-inspect", "127.0.0.1:0", "-monitor", "unix:%s,server=on,wait=off" % self.monitor,
                      "-gdb", "unix:%s,server=on,wait=off" % self.gdb, *guest], stdin=False)
        self.url = self.vm.expect(r"live page is at (http://[^\n]*/)\n").group(1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.vm.kill()
        self.folder.cleanup()

    def gdb_memory(self, address, count):
        """Bytes at a linear address, by gdb's protocol; a machine that is attached to stands."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.gdb)
            s.settimeout(10 * PATIENCE)

            def say(text):
                s.sendall(b"$%s#%02x" % (text, sum(text) & 255))
                got = b""
                while not re.search(rb"\$([^#]*)#..", got):
                    got += s.recv(4096)
                s.sendall(b"+")
                return re.search(rb"\$([^#]*)#..", got).group(1)
            say(b"?")
            return bytes.fromhex(say(b"m%x,%x" % (address, count)).decode())


def debian():
    made(script, folder)
    return "-kernel", folder + "/vmlinuz", "-initrd", folder + "/initramfs.gz", "-append", "console=tty0 nokaslr"


def keep(browser, name):
    if pictures:
        browser.picture("%s/%s.png" % (pictures[0], name))


# The listing as the page shows it: of each instruction the address, the bytes, the text, the class; and the host code.
LISTING = """[...document.querySelectorAll('#listing tr')].slice(1).map(r => ({
  eip: r.querySelector('.guest span').textContent.trim(), text: r.querySelector('.guest b').textContent,
  bytes: r.querySelector('.guest div + div').textContent.replace(/ /g, ''), class: r.querySelector('.class') ? r.querySelector('.class').textContent : '-',
  host: [...r.querySelectorAll('.host')].map(h => h.lastChild.textContent)}))"""


def explained(machine, identity):
    pa, mode = identity.split(".")
    answer = monitor(machine.monitor, "explain -j -p -m %s 0x%s" % (mode, pa))
    return json.loads(answer[answer.index("{"):answer.rindex("}") + 1])


def test_debian():
    with Machine(*debian()) as machine, Browser() as browser:
        browser.open(machine.url + "#hot")
        browser.wait("document.querySelectorAll('#hot tr.link').length > 2 && document.querySelectorAll('#listing tr').length > 1", "no listing of the hottest block")
        check(not browser.evaluate("now.paused"), "it has stopped")
        browser.wait("$('screen').naturalWidth > 300", "no picture of the screen")
        if pictures: # a kernel that has begun to talk is a better sight
            browser.wait("now.paging != 'off' && now.translator.blocks > 12000", "the kernel does not start")
            time.sleep(1)
        keep(browser, "inspect-hot")
        browser.evaluate("$('hold').click()")
        browser.wait("now.paused && $('state').textContent == 'paused'", "it does not pause")
        end = deadline(20)
        while True: # what is drawn is of the machine that stands, when it has been drawn once more
            time.sleep(1.5)
            identity, shown = browser.evaluate("chosen"), browser.evaluate(LISTING)
            theirs = explained(machine, identity) if shown else {"error": "nothing is shown"}
            if "error" not in theirs and [i["eip"] for i in theirs["insns"]] == [i["eip"] for i in shown]:
                break
            check(time.monotonic() < end, "the page shows %r, explain says %r" % (shown[:2] if shown else shown, theirs))
        for page, explain in zip(shown, theirs["insns"]):
            for what in "eip", "bytes", "text", "class":
                check(page[what] == explain[what], "%s: the page %r, explain %r" % (what, page, explain))
            check(page["host"] == [h["text"] for h in explain["host"]], "host code: %r %r" % (page["host"], explain["host"]))
        browser.evaluate("location.hash = '#pages'")
        browser.wait("document.querySelectorAll('.map a.fill-code, .map a.fill-w, .map a.fill-pt').length > 3", "no pages")
        at = int(theirs["eip"], 16)
        memory = machine.gdb_memory(at, theirs["bytes"])
        check(memory.hex() == "".join(i["bytes"] for i in shown), "gdb reads %s, the page shows %s" % (memory.hex(), "".join(i["bytes"] for i in shown)))
        check(not browser.wrong, "in the page: %r" % browser.wrong)


# What of classes, buttons and links to views is cut at its right, by the window or by a box that scrolls.
CUT = """[...document.querySelectorAll('.class, nav a, button')].filter(e => {
  let right = innerWidth;
  for (let p = e.parentElement; p; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== 'visible') right = Math.min(right, p.getBoundingClientRect().right);
  return e.getBoundingClientRect().right > right + 1; }).map(e => e.textContent)"""


def test_narrow():
    """On a laptop's screen the classes beside the code are seen whole, also where names are long."""
    with Machine("-kernel", glass, "-symbols", glass, "-m", "16") as machine, Browser() as browser:
        browser.open(machine.url + "#slow")
        browser.wait("now && document.querySelector('#do-step')", "no view of slow motion")
        browser.evaluate("document.querySelector('.tools button').click()")
        browser.wait("now.paused && document.querySelectorAll('.code .class').length > 2", "it does not pause")
        browser.evaluate("now.code[1].symbol = 'tick_do_update_jiffies64+0x123', now.code[1].bytes = '0123456789abcdef01234567', drawSlow($('view'))")
        check(browser.evaluate("document.querySelector('.code').textContent.includes('jiffies64+0x123')"), "the long name is not drawn")
        for width in 1500, 1280, 1024:
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
            cut = browser.evaluate(CUT)
            check(not cut, "cut at the right of %d pixels: %r" % (width, cut))
        check(not browser.wrong, "in the page: %r" % browser.wrong)


def test_slow_motion():
    with Machine("-kernel", glass, "-symbols", glass, "-m", "16") as machine, Browser() as browser:
        browser.open(machine.url + "#slow")
        browser.wait("now && now.ring == 3 && document.querySelector('#do-step')", "no view of slow motion")
        browser.evaluate("document.querySelector('.tools button').click()")
        browser.wait("now.paused && !$('do-step').disabled", "it does not pause")
        for _ in range(4):
            pc = browser.evaluate("now.pc")
            browser.evaluate("$('do-sensitive').click()")
            browser.wait("now.pc != %d && now.code[0].class == 'SENS'" % pc, "the next sensitive instruction does not come")
            if browser.evaluate("document.querySelector('tr.here').textContent.includes('popf')"):
                break
        browser.wait("document.querySelector('tr.here .SENS') && document.querySelector('tr.here').textContent.includes('popf')", "POPF is not at hand")
        flags, pc = browser.evaluate("now.registers.eflags"), browser.evaluate("now.pc")
        browser.evaluate("$('do-step').click()")
        browser.wait("now.pc == %d" % (pc + 1), "the step is not done")
        after = browser.evaluate("now.registers.eflags")
        check(after & 1 and after & 0x200 and not (flags ^ after) & 0x200, "flags were %x, are %x" % (flags, after))
        browser.wait("[...document.querySelectorAll('#trail tr')][0].textContent.includes('popf')", "the trail has no POPF")
        names = browser.evaluate("[$('where').textContent, document.querySelector('tr.here').textContent, document.querySelector('#trail tr').textContent]")
        check("<user_popf+0x1>" in names[0] and "<user_popf+0x1>" in names[1] and "<user_popf>" in names[2], "names of -symbols: %r" % names)
        browser.wait("$('r-esp').classList.contains('changed') && !$('r-ebx').classList.contains('changed')", "what changed is not marked")
        keep(browser, "inspect-slow")
        browser.evaluate("$('hold').click()")
        browser.wait("!now.paused && $('state').textContent == 'running'", "it does not go on")
        browser.evaluate("location.hash = '#hot'")
        browser.wait("/<user>/.test($('hot').textContent) && /Block [0-9a-f]{8} <user/.test($('block').textContent)", "no names among the hottest")
        browser.wait("[...document.querySelectorAll('#graph title')].some(t => /<user/.test(t.textContent))", "no names in the graph")
        keep(browser, "inspect-names")
        check(not browser.wrong, "in the page: %r" % browser.wrong)


def test_views():
    """Each by its link, in both engines; and a machine that ends."""
    for accel in "translate", "interp":
        with Machine("-kernel", glass, "-m", "16", "-accel", accel) as machine, Browser() as browser:
            browser.open(machine.url)
            browser.wait("now", "no state")
            for name, drawn in VIEWS.items():
                browser.evaluate("location.hash = '#%s'" % name)
                browser.wait("document.querySelector('nav .now').getAttribute('href') == '#%s'" % name, "the link to %s leads elsewhere" % name)
                if accel == "translate" or name in ("slow", "devices"):
                    browser.wait("document.querySelector('#view %s')" % drawn, "%s is not drawn" % name)
                else:
                    browser.wait("/interp/.test($('view').textContent)", "%s does not say why there is nothing" % name)
                keep(browser, "view-%s-%s" % (name, accel))
            browser.evaluate("location.hash = '#block=zz<b>'")
            browser.wait("/hexadecimal/.test($('view').textContent)", "a wrong link is not explained")
            check(not browser.wrong, "in the page: %r" % browser.wrong)
            machine.vm.signal(15)
            browser.wait("!$('trouble').hidden && $('state').textContent == 'gone'", "the page does not say that the machine is gone")


def run():
    for test in test_slow_motion, test_debian, test_views:
        print(test.__name__, flush=True)
        test()


main(run)

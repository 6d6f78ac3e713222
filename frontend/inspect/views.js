// views.js - what the tabs show. A view has begin(box, argument), which draws what stands, show(box, argument, isMine), which asks the machine and
// draws the rest, and perhaps acted(box, verb, answer), after a button of slow motion.
"use strict";

const card = (title, ...children) => el("section", {class: "card"}, title ? el("h2", null, title) : null, children);
const legend = pairs => el("div", {class: "legend"}, pairs.map(([fill, text]) => el("span", null, el("i", {class: fill}), text)));
const number = n => el("td", {class: "number"}, thousands(n));

// --- slow motion ---

const VERBS = [
  ["step", "Step", "s", "one instruction"],
  ["block", "Block", "b", "to the end of the block at hand"],
  ["branch", "Branch", "j", "until a jump, call or return has been taken"],
  ["exit", "Next exit", "e", "to the next instruction that translated code leaves to C, such as privileged ones, ports, and memory that kept trapping; or to an interrupt"],
  ["sensitive", "Next sensitive", "n", "to the next instruction that is allowed in ring 3, but would tell or do something else there: POPF, PUSHF, SGDT, STR ..."],
];
const trail = [];

/** What changed from one state to the next, as text. */
function changes(from, to) {
  const list = [];
  for (const name of ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "cr0", "cr2", "cr3", "cr4"])
    if (from.registers[name] !== to.registers[name]) list.push(`${name} ${hex(from.registers[name])} → ${hex(to.registers[name])}`);
  const flipped = from.registers.eflags ^ to.registers.eflags;
  for (const [name, bit] of FLAGS) if (flipped >>> bit & 1) list.push(`${name} ${to.registers.eflags >>> bit & 1}`);
  if ((flipped >>> 12 & 3) !== 0) list.push("IOPL " + (to.registers.eflags >>> 12 & 3));
  for (const name of Object.keys(to.segments))
    if (from.segments[name].sel !== to.segments[name].sel) list.push(`${name} ${hex(from.segments[name].sel, 4)} → ${hex(to.segments[name].sel, 4)}`);
  if (from.ring !== to.ring) list.push(`ring ${from.ring} → ${to.ring}`);
  if (from.interrupts !== to.interrupts) list.push(`${to.interrupts - from.interrupts} interrupt or exception`);
  return list;
}

function codeTable() {
  return el("div", {class: "scroll"}, el("table", {class: "code"}, el("tr", null, ["address", "bytes", "instruction", "class"].map(t => el("th", null, t))),
    now.code.map((line, n) => el("tr", {class: n === 0 ? "here" : null, title: n === 0 ? "the instruction at hand: it comes next" : null},
      el("td", {class: "mono"}, hex(line.va), named(line.symbol)), el("td", {class: "mono soft"}, line.bytes), el("td", {class: "mono"}, line.text),
      el("td", null, line.class ? el("span", {class: "class " + line.class}, line.class) : "")))));
}

function trailTable() {
  if (!trail.length) return el("p", {class: "soft"}, "Nothing yet on this page: press Step.");
  return el("div", {class: "trail"}, el("table", {id: "trail"}, trail.slice().reverse().map(t =>
    el("tr", null, el("td", {class: "soft"}, hex(t.va), named(t.symbol)), el("td", null, t.text, t.steps > 1 ? el("div", {class: "soft"}, `… ${thousands(t.steps)} instructions`) : null),
      el("td", null, t.changed.map(c => el("div", null, c)))))));
}

function drawSlow(box) {
  const wait = !now.paused;
  box.replaceChildren(
    el("div", {class: "tools"},
      el("button", {class: wait ? "first" : null, onclick: () => press(wait ? "pause" : "continue")}, wait ? "Pause" : "Continue", " ", el("kbd", null, "p")),
      VERBS.map(([verb, title, key, help]) => el("button", {id: "do-" + verb, title: help, disabled: wait, onclick: () => press(verb)}, title, " ", el("kbd", null, key))),
      el("span", {class: "soft", id: "steps"}, wait || !now.steps ? "" : now.arrived ? counted(now.steps, "instruction")
        : `stopped after ${thousands(now.steps)} instructions: it did not come`)),
    el("div", {class: "columns"},
      card("The code at hand", codeTable(), legend([["IDENT", "copied as it is"], ["MEM", "memory operand rewritten"], ["FLOW", "jump"],
        ["SENS", "sensitive: emulated inline"], ["PRIV", "done by C, outside of the block"]])),
      card("What the steps changed", trailTable())));
}

const slow = {
  name: "slow", title: "Slow motion", every: 1000,
  what: "Stop the machine and let it run in steps that you can follow. What an instruction changed is marked among the registers. Steps are done by the " +
    "interpreter, one instruction at a time; no interrupt comes in between.",
  begin(box) { if (now) drawSlow(box); },
  async show(box) { drawSlow(box); },
  acted(box, verb, answer) {
    if (verb !== "pause" && verb !== "continue" && before && answer.state === "paused" && before.paused) {
      const first = before.code[0];
      trail.push({va: first.va, symbol: first.symbol, text: first.text, steps: answer.steps, changed: changes(before, answer)});
      if (trail.length > 200) trail.shift();
    }
    drawSlow(box);
  },
};

// --- counters over time ---

/** A line of what a counter did each second. */
function spark(count) {
  const rates = [];
  for (let n = 1; n < history.length; n++) rates.push(rate(count, history[n - 1], history[n]));
  const most = Math.max(1, ...rates), step = 300 / (HISTORY - 1), from = HISTORY - rates.length;
  const points = rates.map((r, n) => `${((from + n) * step).toFixed(1)},${(28 - 26 * r / most).toFixed(1)}`);
  if (!points.length) return el("svg", {class: "spark", viewBox: "0 0 300 30"});
  return el("svg", {class: "spark", viewBox: "0 0 300 30", preserveAspectRatio: "none"},
    el("path", {class: "area", d: `M${(from * step).toFixed(1)},29 L${points.join(" L")} L300,29 Z`}), el("path", {d: "M" + points.join(" L")}));
}

function counterTable(rows, whose) {
  return el("table", null, el("tr", null, el("th", null, whose), el("th", {class: "number"}, "in all"), el("th", {class: "number"}, "a second"), el("th", null, "the last minute")),
    rows.map(([name, count]) => el("tr", null, el("td", null, name), number(count(now)), number(rate(count)), el("td", {style: {width: "34%"}}, spark(count)))));
}

const exits = {
  name: "exits", title: "Exits", every: 400,
  what: "Translated code runs until something takes it out: a jump whose target is not known yet, memory that is not mapped, a device, a privileged instruction. " +
    "Each exit costs hundreds to thousands of instructions, so a good translator has few.",
  async show(box) {
    const t = now.translator;
    if (!t) {
      box.replaceChildren(card("The interpreter runs the guest", el("p", null, "With -accel interp there is no translated code, and so no exits.")));
      return;
    }
    const nth = (list, n) => s => s.translator ? s.translator[list][n][1] : 0;
    const one = name => s => s.translator ? s.translator[name] : 0;
    box.replaceChildren(
      card("Exits by reason", counterTable(t.exits.map(([name], n) => [name, nth("exits", n)]).concat([["one instruction interpreted", one("one_insn")]]), "reason")),
      card("Polls: translated code looks on every loop whether somebody wants the processor", counterTable([["of the traps above: yes", one("polls")],
        ["looks whether the guest only waits, by the interpreter", s => s.wait_looks], ["it does: the host sleeps until something happens", s => s.wait_sleeps]], "what came of it")),
      card("Traps: accesses to memory that the window or the table did not allow", counterTable(t.traps.map(([name], n) => [name, nth("traps", n)]), "what was there")),
      card("The translator, and the shadow page tables", counterTable([["blocks translated", one("blocks")], ["instructions translated", one("insns")], ["blocks killed", one("killed")],
        ["translated again for a trap", one("retranslated")], ["exits linked", one("links")], ["interrupts and exceptions", s => s.interrupts], ["CR3 loads", one("cr3_loads")],
        ["windows filled", one("fills")], ["page-table writes seen", one("pt_writes")], ["mmap calls", one("mmaps")], ["mprotect calls", one("mprotects")]], "counter")));
  },
};

// --- the cache ---

const cache = {
  name: "cache", title: "Code cache", every: 1000,
  what: "Translated code lies in 16 regions, which are filled one after the other. When the last is full, the first is emptied and filled anew: what is still hot is translated again.",
  async show(box, _, isMine) {
    const c = await ask("/api/cache");
    if (!isMine() || !c) return;
    if (!c.regions) {
      box.replaceChildren(card("No cache", el("p", null, "With -accel interp nothing is translated.")));
      return;
    }
    const share = (a, b) => b ? Math.min(100, 100 * a / b) : 0;
    const used = c.regions.reduce((sum, r) => sum + r.used, 0), blocks = c.regions.reduce((sum, r) => sum + r.blocks, 0);
    box.replaceChildren(card(`${(used / 1048576).toFixed(1)} of ${(c.bytes / 1048576).toFixed(0)} MiB in use, ${thousands(blocks)} blocks`,
      el("div", {class: "regions"}, c.regions.map((r, n) => el("div", {class: n === c.now ? "now" : null, title: `region ${n + 1}: ${thousands(r.used)} bytes of code, ${thousands(r.blocks)} blocks`},
        el("b", {style: {height: share(r.used, c.region_bytes) + "%"}}), el("b", {style: {height: share(r.meta, c.meta_bytes) + "%"}}), el("span", null, n)))),
      legend([["fill-r", "host code"], ["fill-table", "what is known about it: blocks, links, places of instructions"]])));
  },
};

// --- pages ---

const IS = {mapped: 1, writable: 2, hidden: 4, tabled: 8, code: 64, pageTable: 128, user: 256};

/** The most telling of what a page, or 4 MiB of them, is. */
const fillOfPart = p => p.tables ? "fill-pt" : p.code > (p.mapped + p.tabled) / 2 ? "fill-code" : p.mapped ? (p.writable ? "fill-w" : "fill-r") : p.tabled ? "fill-table" : "fill-hidden";
const fillOfPage = is => is & IS.pageTable ? "fill-pt" : is & IS.code ? "fill-code" : is & IS.mapped ? (is & IS.writable ? "fill-w" : "fill-r") : is & IS.tabled ? "fill-table" : "fill-hidden";

/** 1024 squares, 32 a row; rows with nothing in them are left out. */
function grid(cells, label, row) {
  const children = [], full = new Set([...cells.keys()].map(n => n >> 5));
  for (let line = 0; line < 32; line++) {
    if (!full.has(line)) {
      if (full.has(line - 1)) children.push(el("hr"));
      continue;
    }
    children.push(el("span", null, row(line * 32)));
    for (let n = line * 32; n < line * 32 + 32; n++) {
      const c = cells.get(n);
      children.push(el("a", {class: c ? c.fill : null, title: label(n, c), href: c && c.href}));
    }
  }
  return el("div", {class: "map"}, children);
}

const PAGES_LEGEND = [["fill-w", "mapped, writable"], ["fill-r", "mapped, to read only"], ["fill-code", "holds translated code: watched"], ["fill-pt", "a page table of the guest's: watched"],
  ["fill-table", "in the table form only"], ["fill-hidden", "taken away"]];

async function showParts(box, isMine) {
  const p = await ask("/api/pages");
  if (!isMine() || !p) return;
  if (!p.parts) {
    box.replaceChildren(card("No windows", el("p", null, "With -accel interp memory is reached by walking the guest's tables each time.")));
    return;
  }
  const cells = new Map(p.parts.map(part => [part.at, {part, fill: fillOfPart(part), href: "#pages=" + hex(part.at * 0x400000)}]));
  box.replaceChildren(card(`The 4 GiB of linear addresses, 4 MiB a square: ring ${p.ring}, paging ${p.paging}, CR3 ${hex(p.cr3)}`,
    grid(cells, (n, c) => `${hex(n * 0x400000)}: ` + (c ? `${c.part.mapped} pages mapped, ${c.part.writable} of them writable, ${c.part.tabled} in the table form; ${c.part.code} hold code, ${c.part.tables} are page tables`
      : "nothing has come here"), n => hex(n * 0x400000)), legend(PAGES_LEGEND)));
}

async function showPart(box, at, isMine) {
  const p = await ask("/api/pages?at=" + at);
  if (!isMine() || !p || !p.pages) return;
  const cells = new Map(p.pages.map(([n, is, pfn]) => [n, {is, pfn, fill: fillOfPage(is)}]));
  const words = is => [is & IS.mapped ? (is & IS.writable ? "mapped, writable" : "mapped, to read only") : "not mapped", is & IS.tabled && "in the table form", is & IS.code && "holds translated code",
    is & IS.pageTable && "a page table", is & IS.user ? "user page" : "supervisor page"].filter(Boolean).join("; ");
  box.replaceChildren(el("div", {class: "tools"}, el("a", {href: "#pages"}, "← all 4 GiB")), card(`${hex(p.at)} to ${hex(p.at + 0x3fffff)}, a page of 4 KiB a square`,
    grid(cells, (n, c) => `${hex(p.at + n * 4096)}: ` + (c ? `physical ${hex(c.pfn * 4096)}; ${words(c.is)}` : "nothing has come here"), n => hex(p.at + n * 4096)), legend(PAGES_LEGEND)));
}

const pages = {
  name: "pages", title: "Pages", every: 1500,
  what: "The host's processor walks the shadow of the guest's page tables: a window of 4 GiB, in which pages are mapped when they are first used. Where a mapping " +
    "would not pay, a table holds the page instead. Pages with translated code, and the guest's page tables, are watched: a write to one is noticed.",
  show(box, at, isMine) { return /^[0-9a-f]{1,8}$/.test(at) ? showPart(box, "0x" + at, isMine) : showParts(box, isMine); },
};

// --- devices ---

const EXCEPTIONS = ["#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound", "#UD invalid opcode", "#NM no FPU", "#DF double fault", "", "#TS invalid TSS",
  "#NP segment not present", "#SS stack fault", "#GP general protection", "#PF page fault", "", "#MF x87 error", "#AC alignment", "#MC machine check", "#XM SIMD"];
const IRQS = ["timer (PIT)", "keyboard", "cascade", "COM2", "COM1", "", "floppy", "parallel", "clock (RTC)", "ACPI", "", "", "mouse", "FPU", "disk, primary", "disk, secondary"];
const BIOS = {0x08: "timer", 0x09: "keyboard", 0x10: "video", 0x11: "equipment", 0x12: "memory size", 0x13: "disks", 0x14: "serial", 0x15: "system", 0x16: "keyboard", 0x17: "printer", 0x1a: "time",
  0x1c: "user timer", 0x20: "DOS", 0x21: "DOS", 0x28: "DOS idle", 0x2f: "multiplex", 0x33: "mouse"};

function irqOfPic(v, bases) {
  const chip = bases.findIndex(base => v >= base && v < base + 8);
  return chip < 0 ? "" : `IRQ ${chip * 8 + v - bases[chip]} ${IRQS[chip * 8 + v - bases[chip]]}`;
}

const AT_PIC = [0x08, 0x70]; // as the BIOS programs it

function realVectorName(v, d) {
  return irqOfPic(v, d.protected ? AT_PIC : d.pic) || (BIOS[v] ? "BIOS or DOS: " + BIOS[v] : "");
}

function vectorName(v, d) {
  const pin = d.ioapic.find(([vector]) => vector === v);
  if (v === d.lapic_timer) return "local APIC's timer";
  if (pin) return `IRQ ${pin[1]} ${IRQS[pin[1]] || "PCI"}`;
  return v < 32 ? EXCEPTIONS[v] || "" : irqOfPic(v, d.pic) || (v === 0x80 ? "system call (Linux)" : v === 0x2e ? "system call (NT)" : "");
}

const seen = {};   // counts of the look before, by name: what happened since

function rateOf(key, count, ns) {
  const old = seen[key];
  seen[key] = {count, ns};
  return old && ns > old.ns ? Math.max(0, (count - old.count) * 1e9 / (ns - old.ns)) : 0;
}

const devices = {
  name: "devices", title: "Devices", every: 1000,
  what: "What the guest asks of its board: reads and writes of ports and of device memory since ring3 was started, and interrupts, exceptions and INT instructions by vector.",
  async show(box, _, isMine) {
    const d = await ask("/api/devices"), ns = now.host_ns;
    if (!isMine() || !d) return;
    const order = (a, b) => b[1] - a[1];
    const ranges = d.ranges.slice().sort((a, b) => b.count - a.count);
    const rows = (list, mode, name) => list.map(([v, count]) => [`${hex(v, 2)}${mode}`, count, name(v, d)]);
    const vectors = rows(d.vectors, "", vectorName).concat(rows(d.real_vectors, " real mode", realVectorName)).sort(order);
    box.replaceChildren(el("div", {class: "columns"},
      card("Ports and device memory", el("table", null, el("tr", null, el("th", null, "device"), el("th", null, "where"), el("th", {class: "number"}, "accesses"), el("th", {class: "number"}, "a second")),
        ranges.map(r => el("tr", null, el("td", null, r.name), el("td", {class: "mono soft"}, r.memory ? hex(r.base) : "port " + hex(r.base, 4)), number(r.count),
          number(rateOf(`${r.name} ${r.base}`, r.count, ns)))))),
      card("Interrupts", el("table", null, el("tr", null, el("th", null, "vector"), el("th", null, "what it is"), el("th", {class: "number"}, "times"), el("th", {class: "number"}, "a second")),
        vectors.map(([v, count, name]) => el("tr", null, el("td", {class: "mono"}, v), el("td", null, name), number(count), number(rateOf("vector " + v, count, ns))))))));
  },
};

views.push(slow, exits, cache, pages, devices);

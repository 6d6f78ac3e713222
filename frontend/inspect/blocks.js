// blocks.js - the hottest blocks, and one block: guest code beside its translation, and the graph around it. The JSON is frontend/glass/explain.h's.
"use strict";

const blockLink = b => `#block=${b.pa}.${b.mode}`;
const HOT_SHOWN = 8, NODES_A_ROW = 7;

// --- one block: its listing ---

function blockFacts(b) {
  const times = b.runs !== null && b.runs !== undefined ? `ran ${thousands(b.runs)} times` : `met in ${thousands(b.samples)} samples`;
  const traps = Object.entries(b.traps).filter(([, n]) => n).map(([what, n]) => `${thousands(n)} on ${what}`);
  return [`${counted(b.insns.length, "instruction")}, ${counted(b.bytes, "byte")} of guest code became ${b.host_bytes} of host code`, b.mode_text,
    b.form === "table" ? "memory by the table" : "memory through the window", times,
    traps.length ? "trapped: " + traps.join(", ") : "no traps since it was made", `region ${b.region + 1} of ${b.regions}`, `made at ${(b.made_ms / 1000).toFixed(1)} s`].join(" · ");
}

const hostLines = lines => lines.map(h => el("div", {class: "host", title: h.raw + "   " + h.bytes}, el("span", null, "+" + h.at.toString(16).padStart(2, "0")), h.text));

function insnRow(i) {
  const here = now && now.paused && parseInt(i.eip, 16) === now.registers.eip;
  return el("tr", {class: here ? "here" : null},
    el("td", {class: "mono guest"}, el("div", null, el("span", {class: "soft"}, i.eip + "  "), el("b", null, i.text)), el("div", {class: "soft"}, i.bytes.replace(/(..)/g, "$1 "))),
    el("td", {class: "why"}, i.class === "-" ? "" : el("span", {class: "class " + i.class}, i.class), " ", i.why, i.patched ? " (patched)" : "",
      i.history ? el("div", {class: "history"}, i.history) : null),
    el("td", {class: "mono"}, i.host.length ? hostLines(i.host) : el("span", {class: "soft"}, "nothing: it is done with its neighbour")));
}

function listing(b) {
  return el("div", {class: "scroll"}, el("table", {class: "listing", id: "listing"},
    el("tr", null, el("th", null, "guest"), el("th", null, "what is done with it, and why"), el("th", null, "host")), b.insns.map(insnRow)),
    b.out_of_line.length ? el("details", null, el("summary", null, `out of line: ${counted(b.out_of_line.length, "host instruction")}, for what is seldom`), el("div", {class: "mono"}, hostLines(b.out_of_line))) : null);
}

// --- the graph around it ---

/** What stands below an address in the graph, and in full when it is pointed at. */
const NAME_SHOWN = 18;
const short = symbol => symbol.length > NAME_SHOWN ? symbol.slice(0, NAME_SHOWN - 1) + "…" : symbol;

function node(x, y, width, label, below, href, kind, symbol) {
  const box = [el("title", null, symbol ? `${label} <${symbol}>, ${below}` : `${label}, ${below}`), el("rect", {x, y, width, height: 40, rx: 6, class: kind}), el("text", {x: x + width / 2, y: y + 17}, label), el("text", {x: x + width / 2, y: y + 32, class: "below"}, symbol ? short(symbol) : below)];
  return el("g", href ? {class: "node link", onclick: () => { location.hash = href; }} : {class: "node"}, box);
}

const edge = (x1, y1, x2, y2, made) => el("path", {class: made ? "edge" : "edge waits", "marker-end": "url(#arrow)", d: `M${x1},${y1} C${x1},${(y1 + y2) / 2} ${x2},${(y1 + y2) / 2} ${x2},${y2 - 6}`});

function graph(b) {
  const W = 980, width = 124, middle = W / 2;
  const itself = l => l.pa === b.pa && l.mode === b.mode;
  const into = b.links_in.filter(l => !itself(l)), out = b.links_out.filter(l => !itself(l));
  const shownIn = into.slice(0, NODES_A_ROW), shownOut = out.slice(0, NODES_A_ROW);
  const place = (n, count) => middle + (n - (count - 1) / 2) * (width + 14);
  const children = [el("defs", null, el("marker", {id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse"}, el("path", {d: "M0,0 L8,4 L0,8 Z"})))];
  shownIn.forEach((l, n) => children.push(edge(place(n, shownIn.length), 50, middle, 110, true)));
  shownOut.forEach((l, n) => children.push(edge(middle, 150, place(n, shownOut.length), 210, l.linked)));
  shownIn.forEach((l, n) => children.push(node(place(n, shownIn.length) - width / 2, 10, width, l.eip, "leads here", blockLink(l), null, l.symbol)));
  shownOut.forEach((l, n) => children.push(node(place(n, shownOut.length) - width / 2, 210, width, l.eip, l.linked ? (l.cross_page ? "link, checked" : "link") : "not linked yet", l.linked ? blockLink(l) : `#block=${l.eip}`, l.linked ? null : "waits", l.symbol)));
  if (b.links_out.some(itself)) children.push(el("path", {class: "edge", "marker-end": "url(#arrow)", d: `M${middle + 70},145 C${middle + 150},170 ${middle + 150},90 ${middle + 76},118`}), el("text", {x: middle + 140, y: 134, class: "below"}, "loops"));
  children.push(node(middle - 70, 110, 140, b.eip, counted(b.insns.length, "instruction"), null, "self", b.symbol));
  const more = (list, shown) => list.length > shown.length ? `, of which ${shown.length} are drawn` : "";
  const top = shownIn.length ? 0 : 90, bottom = shownOut.length ? 260 : 160;
  return [el("svg", {class: "graph", viewBox: `0 ${top} ${W} ${bottom - top}`, id: "graph"}, children),
    el("p", {class: "soft"}, `Links that lead here: ${into.length}${more(into, shownIn)}; that lead out: ${out.length}${more(out, shownOut)}. A link is a jump in the host code: going along it costs nothing more. ` +
      "Dashed: not taken yet, or through the jump cache; the dispatcher makes the link when it is.")];
}

// --- the card of a block, which is drawn anew only when it has become another ---

function drawBlock(box, b) {
  const same = JSON.stringify([b.pa, b.mode, b.made_ms, b.links_in, b.links_out, now && now.paused ? now.registers.eip : 0, b.insns.map(i => i.history)]);
  if (box.dataset.same === same) {
    box.querySelector(".facts").textContent = blockFacts(b);
    return;
  }
  box.dataset.same = same;
  const open = box.querySelector("details") && box.querySelector("details").open;
  box.replaceChildren(
    card(["Block ", el("a", {href: blockLink(b), class: "mono", title: "a link to this block"}, b.eip), named(b.symbol)], el("p", {class: "soft facts"}, blockFacts(b)), listing(b)),
    card("The blocks around it", graph(b)));
  if (open) box.querySelector("details").open = true;
}

function drawNoBlock(box, sentence) {
  box.dataset.same = "";
  box.replaceChildren(card("No block", el("p", null, sentence)));
}

async function fetchBlock(where) {
  const [pa, mode] = where.split(".", 2);
  if (!/^[0-9a-f]{1,8}$/.test(pa) || (mode !== undefined && !/^[0-9a-f]{1,16}$/.test(mode))) return {error: "an address is up to eight hexadecimal digits"};
  return ask(mode === undefined ? `/api/block?pc=0x${pa}` : `/api/block?pa=0x${pa}&mode=0x${mode}`);
}

// --- views ---

const samplesSeen = new Map();   // of the look before

function hotRow(b, chosen) {
  const key = b.pa + "." + b.mode, total = b.runs || b.samples, last = samplesSeen.get(key);
  samplesSeen.set(key, total);
  return el("tr", {class: "link" + (key === chosen ? " here" : ""), onclick: () => { location.hash = "#hot=" + key; }},
    el("td", {class: "number"}, b.rank), el("td", {class: "share"}, el("i", {style: {width: Math.max(1, b.permille / 10) + "%"}}), el("span", null, (b.permille / 10).toFixed(1) + " %")),
    el("td", {class: "mono"}, b.eip || "(" + b.pa + ")", named(b.symbol)), el("td", {class: "mono"}, b.first || ""), el("td", {class: "number"}, b.insns === null ? "" : b.insns), el("td", {class: "soft", title: b.mode_text}, b.mode_text.replace(", flat segments", "")),
    el("td", {class: "soft"}, b.live ? b.form : "gone from the cache"), number(total), el("td", {class: "number"}, last === undefined ? "" : "+" + thousands(Math.max(0, total - last))));
}

let chosen = "";   // the block below the table

const hot = {
  name: "hot", title: "Hot blocks", every: 1000,
  what: "A block is a piece of guest code that runs from its start to its end: the translator's unit. Here are those in which the guest spends its time, and below one of them, instruction by " +
    "instruction: what the guest says, what is done with it, and the host code that does it.",
  begin(box) { box.replaceChildren(el("div", {id: "hottest"}), el("div", {id: "block"})); },
  async show(box, wanted, isMine) {
    const h = await ask("/api/hot?most=" + HOT_SHOWN);
    if (!isMine() || !h) return;
    if (h.error) {
      drawNoBlock($("block"), h.error);
      return;
    }
    const live = h.blocks.filter(b => b.live), key = b => b.pa + "." + b.mode;
    if (wanted) chosen = wanted;
    else if (live.length && !live.slice(0, 3).some(b => key(b) === chosen)) chosen = key(live[0]);
    const unit = h.by === "runs" ? "runs" : "samples";
    $("hottest").replaceChildren(card(["The hottest", el("small", null, h.counting ? "by instructions run: every block counts" : "by samples, 50 a second while you look")],
      el("div", {class: "tools"}, el("button", {onclick: () => press(h.counting ? "uncount" : "count"), title: "the cache is emptied, and blocks are made anew with a counter at their start, or without"}, h.counting ? "Stop counting" : "Count each run")),
      h.blocks.length ? el("div", {class: "scroll"}, el("table", {id: "hot", class: "tight"}, el("tr", null, ["", "share", "address", "begins with"].map(t => el("th", null, t)), el("th", {class: "number"}, "instructions"),
        el("th", null, "mode"), el("th", null, "form"), el("th", {class: "number"}, unit), el("th", {class: "number"}, "now")), h.blocks.map(b => hotRow(b, chosen)))) : el("p", {class: "soft"}, "No samples yet: the guest sleeps, or has just begun.")));
    if (!chosen) return;
    const b = await fetchBlock(chosen);
    if (!isMine() || !b) return;
    if (b.error) drawNoBlock($("block"), b.error);
    else drawBlock($("block"), b);
    if (b.error && !wanted) chosen = "";
  },
};

const block = {
  name: "block", title: "Block here", every: 1000,
  what: "The block that holds the instruction at an address: guest code on the left, what the translator does with it and why, and the host code.",
  begin(box) { box.replaceChildren(el("form", {class: "tools", onsubmit: e => { e.preventDefault(); location.hash = "#block=" + $("at").value.trim().toLowerCase().replace(/^0x/, ""); }},
    el("input", {id: "at", class: "mono", placeholder: "linear address, hexadecimal", value: argument.includes(".") ? "" : argument, size: 28}), el("button", null, "Show"), el("a", {href: "#block"}, "where the machine is now")), el("div", {id: "block"})); },
  async show(box, where, isMine) {
    const b = await fetchBlock(where || hex(now.pc));
    if (!isMine() || !b) return;
    if (b.error) drawNoBlock($("block"), b.error);
    else drawBlock($("block"), b);
  },
};

views.unshift(hot, block);

// page.js - what is always there: the machine's state, its screen, its registers; and which view is shown.
// The views are in views.js and blocks.js. What the machine says is text and numbers, never markup: el() makes text nodes of it.
"use strict";

const NOW_MS = 400;      // between two looks at the machine
const HISTORY = 150;     // looks that are kept, for what changes over time

const $ = id => document.getElementById(id);
const hex = (n, digits = 8) => (n >>> 0).toString(16).padStart(digits, "0");
const thousands = n => Math.round(n).toLocaleString("en");
const counted = (n, what) => thousands(n) + " " + what + (n === 1 ? "" : "s");

/** An element: its properties (class, on..., data of SVG), and what is in it. */
function el(tag, properties, ...children) {
  const svg = ["svg", "path", "rect", "g", "text", "line", "marker", "title", "polyline", "defs"].includes(tag);
  const e = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(e.style, value);
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat(Infinity).filter(c => c !== null && c !== undefined));
  return e;
}

/** A name of -symbols beside an address; null: it has none. */
const named = symbol => symbol ? el("span", {class: "name"}, ` <${symbol}>`) : null;

// --- asking the machine ---

let now = null, before = null;   // what /api/now said last, and the time before
const history = [];

/** Its JSON; null: it has no such thing. Throws when there is no machine. */
async function ask(path) {
  const r = await fetch(path, {cache: "no-store"});
  if (r.status === 404) return null;
  if (!r.ok) throw new Error(`the machine does not answer (${r.status})`);
  showScreen(r.headers.get("X-Ring3-Screen"));
  return r.json();
}

async function act(verb) {
  const r = await fetch("/api/do?verb=" + verb, {method: "POST", headers: {"X-Ring3": "1"}, cache: "no-store"});
  if (!r.ok) throw new Error(`it was refused (${r.status})`);
  showScreen(r.headers.get("X-Ring3-Screen"));
  const answer = await r.json();
  if (answer.state) take(answer);
  return answer;
}

function take(answer) {
  before = now;
  now = answer;
  history.push(answer);
  if (history.length > HISTORY) history.shift();
  showState();
  showRegisters();
}

/** In a second of the host's, from one look to the next. */
function rate(count, from = history[history.length - 2], to = history[history.length - 1]) {
  if (!from || !to) return 0;
  const seconds = (to.host_ns - from.host_ns) / 1e9;
  return seconds > 0 ? Math.max(0, (count(to) - count(from)) / seconds) : 0;
}

// --- state, screen, registers ---

function showState() {
  $("state").textContent = now.state;
  $("state").className = "pill " + now.state;
  $("name").textContent = now.name || "";
  document.title = (now.name || "ring3") + " - " + now.state;
  $("mode").replaceChildren(`${now.mode}, ring ${now.ring}, paging ${now.paging}`);
  $("where").replaceChildren("EIP ", el("a", {href: "#block=" + hex(now.pc)}, hex(now.registers.eip)), named(now.code[0].symbol) || "", "  CR3 " + hex(now.registers.cr3));
  $("hold").textContent = now.paused ? "Continue" : "Pause";
}

let shownScreen = "";
function showScreen(number) {
  $("glass").hidden = number === "0";
  if (!number || number === "0" || number === shownScreen) return;
  shownScreen = number;
  $("screen").src = "/screen.png?n=" + number;
}

const REGISTERS = ["eax", "esi", "ebx", "edi", "ecx", "ebp", "edx", "esp", "eip", "cr0", "cr2", "cr3"];
const FLAGS = [["CF", 0], ["PF", 2], ["AF", 4], ["ZF", 6], ["SF", 7], ["TF", 8], ["IF", 9], ["DF", 10], ["OF", 11], ["NT", 14], ["RF", 16], ["VM", 17], ["AC", 18]];
const FLAG_NAMES = {CF: "carry", PF: "parity", AF: "auxiliary carry", ZF: "zero", SF: "sign", TF: "trap: a debugger's single step", IF: "interrupts may come",
  DF: "direction of string instructions", OF: "overflow", NT: "nested task", RF: "resume", VM: "virtual-8086 mode", AC: "alignment check"};

/** Marks what changed; only a machine that stands shows steps. */
function differs(value, old) { return now.paused && old !== undefined && value !== old; }

function showRegisters() {
  const r = now.registers, old = before ? before.registers : {};
  $("registers").replaceChildren(...REGISTERS.map(name =>
    el("div", {class: differs(r[name], old[name]) ? "changed" : null, id: "r-" + name}, el("span", null, name), hex(r[name]))));
  $("flags").replaceChildren(...FLAGS.map(([name, bit]) => {
    const set = r.eflags >>> bit & 1;
    const changed = old.eflags !== undefined && differs(set, old.eflags >>> bit & 1);
    return el("span", {class: (set ? "set" : "") + (changed ? " changed" : ""), title: FLAG_NAMES[name]}, name);
  }), el("span", {title: "I/O privilege level"}, "IOPL " + (r.eflags >>> 12 & 3)));
  $("segments").replaceChildren(el("tr", null, ["", "selector", "base", "limit"].map(t => el("th", null, t))),
    ...["cs", "ss", "ds", "es", "fs", "gs", "tr"].map(name => {
      const s = now.segments[name];
      return el("tr", null, el("td", {class: "soft"}, name), el("td", null, hex(s.sel, 4)), el("td", null, hex(s.base)), el("td", null, hex(s.limit)));
    }));
}

// --- which view: #NAME or #NAME=ARGUMENT ---

const views = [];   // {name, title, what, show(argument, box), every (ms), now(box)}
let view = null, argument = "", viewDue = 0, showing = false;

function route() {
  const [name, value] = decodeURIComponent(location.hash.slice(1)).split("=", 2);
  view = views.find(v => v.name === name) || views[0];
  argument = value || "";
  $("tabs").replaceChildren(...views.map(v => el("a", {href: "#" + v.name, class: v === view ? "now" : null}, v.title)));
  $("what").textContent = view.what;
  $("view").replaceChildren();
  if (view.begin) view.begin($("view"), argument);
  viewDue = 0;
  showView();
}

async function showView() {
  if (showing || !now) return;
  showing = true;
  const shown = view, at = argument;
  try {
    if (performance.now() >= viewDue) {
      viewDue = performance.now() + shown.every;
      await shown.show($("view"), at, () => shown === view && at === argument);
    }
  } catch (e) {
    trouble(e);
  } finally {
    showing = false;
    if (shown !== view || at !== argument) viewDue = 0;
  }
}

function trouble(e) {
  $("trouble").textContent = e instanceof TypeError ? "no connection: ring3 has ended, or its page has" : e.message;
  $("trouble").hidden = false;
  if (e instanceof TypeError) {
    $("state").textContent = "gone";
    $("state").className = "pill lost";
  }
}

async function press(verb) {
  try {
    const answer = await act(verb);
    $("trouble").hidden = true;
    if (view.acted) view.acted($("view"), verb, answer);
    viewDue = 0;
    showView();
  } catch (e) {
    trouble(e);
  }
}

async function tick() {
  if (!document.hidden) {
    try {
      const answer = await ask("/api/now");
      if (!now || !answer.paused || !now.paused || answer.pc !== now.pc) take(answer);
      $("trouble").hidden = true;
      await showView();
    } catch (e) {
      trouble(e);
    }
  }
  setTimeout(tick, NOW_MS);
}

document.addEventListener("keydown", e => {
  const verb = {p: now && now.paused ? "continue" : "pause", s: "step", j: "branch", b: "block", e: "exit", n: "sensitive"}[e.key];
  if (verb && !e.ctrlKey && !e.altKey && !e.metaKey && !/INPUT|SELECT/.test(e.target.tagName)) press(verb);
});
window.addEventListener("DOMContentLoaded", () => {
  $("hold").addEventListener("click", () => press(now && now.paused ? "continue" : "pause"));
  window.addEventListener("hashchange", route);
  route();
  tick();
});

// Elements from data, and nothing else: every text goes through text nodes, so it is never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. An attribute that is a function is a listener, false and null leave it out. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put other children into an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

// Control characters, and those that turn the direction of writing: they would show something else than is there.
// eslint-disable-next-line no-control-regex
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Make what cannot be seen visible. */
export function visible(text) {
  return text.replace(HIDDEN, (sign) => {
    const code = sign.codePointAt(0);
    return code < 32 ? String.fromCodePoint(0x2400 + code) : `⟨${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** At most so many characters, visible. */
export function short(text, most = 300) {
  return visible(text.length > most ? `${text.slice(0, most)}…` : text);
}

/** Arguments as a person reads them. */
export function shownArgs(args, most = 300) {
  let text = "";
  for (const arg of args) {
    if (text.length > most) break;
    text += `${text && " "}${/^[\w./:=@%+-]+$/.test(arg) ? arg : JSON.stringify(arg)}`;
  }
  return short(text, most);
}

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function number(value) {
  return NUMBER.format(value);
}

/** A cell's number; nothing is pale. */
export function count(value, bad = false) {
  return h("span", { class: value ? (bad ? "bad" : null) : "zero" }, number(value));
}

/** A span of time in one unit or two. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const whole = Math.floor(seconds);
  const units = [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]];
  for (const [unit, size, smaller, part] of units) {
    if (whole >= size) {
      const rest = Math.floor((whole % size) / part);
      return rest ? `${Math.floor(whole / size)} ${unit} ${rest} ${smaller}` : `${Math.floor(whole / size)} ${unit}`;
    }
  }
  return "";
}

// The server's clock counts, for ages and for what is due.
let ahead = 0;

export function serverIsAt(seconds) {
  ahead = seconds - Date.now() / 1000;
}

export function now() {
  return Date.now() / 1000 + ahead;
}

/** A moment in local time; the whole of it, with the zone, when one points at it. */
export function moment(seconds) {
  if (seconds === null || seconds === undefined) return h("span", { class: "zero" }, "–");
  const date = new Date(seconds * 1000);
  const near = Math.abs(now() - seconds) < 43200;
  return h("time", { datetime: date.toISOString(), title: WHOLE.format(date) }, (near ? CLOCK : DAY).format(date));
}

export function zone() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const minutes = -new Date().getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `${name} (UTC${sign}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""})`;
}

export function empty(text) {
  return h("div", { class: "empty" }, text);
}

/** Say something in the corner, for some seconds. */
export function note(text) {
  const line = h("p", null, visible(text));
  document.getElementById("notes").append(line);
  setTimeout(() => line.remove(), 6000);
}

/** A question with a button that does it; focus stays inside, Escape leaves. */
export function ask(question, doIt, { label = "Do it", danger = false } = {}) {
  const dialog = h("dialog", { close: () => dialog.remove() },
    h("h2", null, visible(question)),
    h("div", { class: "bar" },
      h("button", { click: () => dialog.close() }, "Leave it"),
      h("button", { class: danger ? "danger" : "main", click: () => { dialog.close(); doIt(); } }, label)));
  document.body.append(dialog);
  dialog.showModal();
}

/** A window with a title and any content. */
export function panel(title, content, { close } = {}) {
  const dialog = h("dialog", { close: () => { dialog.remove(); close?.(); } },
    h("h2", null, visible(title)), content,
    h("div", { class: "bar" }, h("button", { click: () => dialog.close() }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const SGR = /\u001b\[([\d;]*)m/g;
// Everything else that a terminal would obey: cursor movements, titles, hyperlinks.
// eslint-disable-next-line no-control-regex
const OTHER = /\u001b(?:\[[0-?]*[ -/]*[@-ln-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\^_])/g;

/** Text with a terminal's colours as spans. `state` carries the colours over to the next piece. */
export function coloured(text, state = { classes: [] }) {
  const plain = text.replace(OTHER, "").replace(/\r\n/g, "\n");
  const parts = [];
  let from = 0;
  const add = (piece) => {
    if (piece) parts.push(state.classes.length ? h("span", { class: state.classes.join(" ") }, visible(piece)) : visible(piece));
  };
  for (const found of plain.matchAll(SGR)) {
    add(plain.slice(from, found.index));
    from = found.index + found[0].length;
    for (const code of found[1].split(";").map(Number)) state.classes = after(state.classes, code);
  }
  add(plain.slice(from));
  return parts;
}

function after(classes, code) {
  if (code === 0) return [];
  if (code === 1) return [...classes, "bold"];
  if (code === 2) return [...classes, "dim"];
  if (code === 4) return [...classes, "underline"];
  const colour = code >= 90 && code <= 97 ? code - 60 : code;
  if (colour >= 30 && colour <= 37) return [...classes.filter((name) => !/^f3/.test(name)), `f${colour}`];
  return code === 39 ? classes.filter((name) => !/^f3/.test(name)) : classes;
}

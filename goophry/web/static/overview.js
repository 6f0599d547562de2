// The first page: what is stuck, since when and why; then every type.

import { api, part } from "./client.js";
import { count, empty, fill, h, moment, note, now, number, span, visible } from "./dom.js";
import * as live from "./live.js";
import { spark } from "./plot.js";

/** Seconds between looks at the plots. */
const PLOTS_S = 20;

/** Rows that are shown at first; the rest on demand, for a browser is slow with thousands. */
const FIRST_ROWS = 200;

const ORDERS = {
  trouble: ["Trouble first", (a, b) => weight(b) - weight(a) || a.Type.localeCompare(b.Type)],
  name: ["By name", (a, b) => a.Type.localeCompare(b.Type)],
  waiting: ["Most waiting", (a, b) => b.Waiting - a.Waiting || a.Type.localeCompare(b.Type)],
  failures: ["Most failures", (a, b) => b.FailedHour - a.FailedHour || b.Failed - a.Failed],
  oldest: ["Oldest run", (a, b) => (a.OldestRunning ?? Infinity) - (b.OldestRunning ?? Infinity)],
};

function weight(row) {
  const found = levels.get(row.Type);
  return (found === "trouble" ? 4 : found === "notice" ? 2 : 0) + (row.Waiting || row.Running ? 1 : 0);
}

let levels = new Map();
let order = "trouble";
let wanted = "";

export function typeLink(name) {
  return h("a", { href: `#/type/${part(name)}` }, visible(name));
}

/** What somebody should look at. */
export function findings(found) {
  if (!found.length) {
    return h("ul", { class: "findings" }, h("li", { class: "well" }, h("span", { class: "mark" }, "✓ well"), h("span", null, "Nothing is stuck")));
  }
  return h("ul", { class: "findings" }, found.map((each) => h("li", { class: each.Level },
    h("span", { class: "mark" }, each.Level === "trouble" ? "▲ trouble" : "● notice"),
    h("span", { class: "what" }, each.Type ? [typeLink(each.Type), ": "] : null, visible(each.Text)),
    h("span", { class: "since" }, each.Since ? ["since ", moment(each.Since), ` (${span(now() - each.Since)})`] : ""))));
}

export function overviewPage(main, { may }) {
  const top = h("div");
  const tiles = h("div", { class: "tiles" });
  const search = h("input", { type: "search", class: "grow", placeholder: "Find a type", "aria-label": "Find a type", value: wanted, input: () => { wanted = search.value; shown = FIRST_ROWS; draw(); } });
  const orders = h("select", { "aria-label": "Order", change: () => { order = orders.value; draw(); } },
    Object.entries(ORDERS).map(([key, [name]]) => h("option", { value: key, selected: key === order }, name)));
  const body = h("tbody");
  const more = h("div", { class: "more", hidden: true });
  let plots = {};
  let shown = FIRST_ROWS;
  let known = new Map();

  fill(main, h("h1", null, "Overview"), top, tiles, h("div", { class: "bar" }, search, orders),
    h("div", { class: "scroll" }, h("table", { class: "cards" },
      h("thead", null, h("tr", null,
        h("th", { class: "name", scope: "col" }, "Type"),
        ["Waiting", "Running", "Runs/min", "Failed, last hour", "Median / 95 % here", "Oldest run", "Failed list", "Last hour"].map((title) => h("th", { scope: "col" }, title)),
        h("th", { scope: "col" }, h("span", { class: "soft" }, "")))),
      body), more));

  const draw = () => {
    const overview = live.current();
    if (!overview) return;
    levels = new Map();
    for (const each of overview.Findings) if (each.Type && levels.get(each.Type) !== "trouble") levels.set(each.Type, each.Level);
    fill(top, findings(overview.Findings.slice(0, 12)), overview.Findings.length > 12 ? h("p", { class: "soft" }, `and ${overview.Findings.length - 12} more`) : null);
    drawTiles(tiles, overview);
    const rows = overview.Types.filter((row) => row.Type.toLowerCase().includes(wanted.toLowerCase())).sort(ORDERS[order][1]);
    const kept = new Map();
    const elements = rows.slice(0, shown).map((row) => {
      const old = known.get(row.Type);
      const level = levels.get(row.Type);
      // A row is made anew only when it says something else; ages are told anew each time.
      const fresh = old && old.row === row && old.level === level && old.plot === plots[row.Type] ? old : { row, level, plot: plots[row.Type], element: null };
      if (!fresh.element || row.OldestRunning !== null) fresh.element = rowOf(row, fresh.plot, level, may);
      kept.set(row.Type, fresh);
      return fresh.element;
    });
    known = kept;
    if (!focusInside(body)) fill(body, elements);
    more.hidden = rows.length <= shown;
    fill(more, h("button", { click: () => { shown += 500; draw(); } }, `Show more of ${number(rows.length)} types`));
    if (!rows.length) fill(body, h("tr", null, h("td", { colspan: 10 }, empty(wanted ? "No type has this in its name" : "There are no types"))));
  };

  const loadPlots = async () => {
    try {
      plots = await api("GET", "/plots");
      draw();
    } catch (error) {
      if (error.status !== 401) note(error.message);
    }
  };
  const stop = live.follow(draw);
  const timer = setInterval(loadPlots, PLOTS_S * 1000);
  loadPlots();
  return () => { stop(); clearInterval(timer); };
}

/** Whether a button in there has the focus: then rows stay, so that it keeps it. */
function focusInside(element) {
  return element.contains(document.activeElement) && document.activeElement.matches(":focus-visible");
}

function drawTiles(tiles, overview) {
  const total = (key) => overview.Types.reduce((all, row) => all + row[key], 0);
  const alive = overview.Instances.filter((each) => each.Alive).length;
  const tile = (value, text, bad = false) => h("div", { class: "tile" }, h("b", { class: bad ? "bad" : null }, value), h("span", null, text));
  fill(tiles,
    tile(number(total("Waiting")), "waiting"),
    tile(`${number(total("Running"))} / ${number(total("Workers"))}`, "running / workers"),
    tile(number(Math.round(total("PerMinute"))), "runs a minute"),
    tile(number(total("FailedHour")), "failed in the last hour", total("FailedHour") > 0),
    tile(number(total("Failed")), "in failed lists"),
    tile(number(total("Delayed")), "delayed"),
    tile(overview.Redis.Up ? number(alive) : "–", alive === 1 ? "instance" : "instances"));
}

function rowOf(row, plot, level, may) {
  const cell = (label, ...content) => h("td", { "data-label": label }, content);
  const change = async (verb) => {
    try {
      await api("POST", `/types/${part(row.Type)}/${verb}`);
      note(verb === "pause" ? `${row.Type} is paused on all instances` : `${row.Type} goes on`);
    } catch (error) {
      note(error.message);
    }
  };
  return h("tr", null,
    h("td", { class: "name" }, typeLink(row.Type),
      row.Paused ? h("span", null, " ", h("span", { class: "tag notice" }, "paused")) : null,
      level === "trouble" ? h("span", null, " ", h("span", { class: "tag trouble" }, "▲ trouble")) : null),
    cell("Waiting", count(row.Waiting), row.Delayed ? h("span", { class: "soft" }, ` +${number(row.Delayed)} delayed`) : null),
    cell("Running", count(row.Running), h("span", { class: "soft" }, ` / ${number(row.Workers)}`)),
    cell("Runs/min", count(row.PerMinute < 10 ? row.PerMinute : Math.round(row.PerMinute))),
    cell("Failed, last hour", count(row.FailedHour, true), h("span", { class: "soft" }, ` of ${number(row.FailedHour + row.DoneHour)}`)),
    cell("Median / 95 % here", row.P50 === null ? h("span", { class: "zero" }, "–") : `${span(row.P50)} / ${span(row.P95)}`),
    cell("Oldest run", row.OldestRunning === null ? h("span", { class: "zero" }, "–") : span(Math.max(0, now() - row.OldestRunning))),
    cell("Failed list", row.Failed ? h("a", { href: `#/failed/${part(row.Type)}` }, number(row.Failed)) : count(0)),
    h("td", { "data-label": "Last hour" }, plot ? spark(plot) : ""),
    h("td", { class: "actions" }, may("operator") ? h("button", { class: "small", click: () => change(row.Paused ? "resume" : "pause"), "aria-label": `${row.Paused ? "Resume" : "Pause"} ${row.Type}` }, row.Paused ? "Resume" : "Pause") : null));
}

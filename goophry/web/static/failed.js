// The failed lists: what went wrong, again or never again, one or many.

import { api, part } from "./client.js";
import { ask, coloured, empty, fill, h, note, number, panel, short, shownArgs, visible } from "./dom.js";
import * as live from "./live.js";
import { typeLink } from "./overview.js";

const LIMIT = 50;
const OUTCOMES = ["failed", "timeout", "signalled", "start_failed", "invalid", "lost", "cancelled", "other"];

export function failedPage(main, { rest, may }) {
  const [type] = rest;
  return type === undefined ? chooser(main) : list(main, type, may);
}

/** Which types have failed entries. */
function chooser(main) {
  const box = h("div");
  fill(main, h("h1", null, "Failed"), box);
  const stop = live.follow((overview) => {
    const rows = overview.Types.filter((row) => row.Failed).sort((a, b) => b.Failed - a.Failed);
    fill(box, h("div", { class: "scroll" }, rows.length
      ? h("table", { class: "cards" }, h("thead", null, h("tr", null, h("th", { class: "name", scope: "col" }, "Type"), h("th", { scope: "col" }, "Failed list"), h("th", { class: "text", scope: "col" }, "Last failure here"))),
        h("tbody", null, rows.map((row) => h("tr", null,
          h("td", { class: "name" }, h("a", { href: `#/failed/${part(row.Type)}` }, visible(row.Type))),
          h("td", { "data-label": "Failed list" }, number(row.Failed)),
          h("td", { class: "text error", "data-label": "Last failure" }, short(row.LastError, 200))))))
      : empty("No failed list has an entry")));
  });
  return stop;
}

function list(main, type, may) {
  const operator = may("operator");
  const path = `/failed/${part(type)}`;
  const text = h("input", { type: "search", class: "grow", placeholder: "Find in arguments, Id, message", "aria-label": "Find" });
  const outcome = h("select", { "aria-label": "How it ended", change: () => load(true) }, h("option", { value: "" }, "All ends"), OUTCOMES.map((each) => h("option", { value: each }, each)));
  const all = h("input", { type: "checkbox", "aria-label": "Choose all shown", change: () => { for (const box of body.querySelectorAll("input")) box.checked = all.checked; chosenChanged(); } });
  const body = h("tbody");
  const more = h("div", { class: "more" });
  const actions = h("div", { class: "bar" });
  let cursor = null;
  let loading = 0;
  fill(main,
    h("h1", null, "Failed: ", typeLink(type)),
    h("form", { class: "bar", submit: (event) => { event.preventDefault(); load(true); } }, text, outcome, h("button", null, "Find")),
    actions,
    h("div", { class: "scroll" }, h("table", { class: "cards" },
      h("thead", null, h("tr", null, operator ? h("th", { class: "pick", scope: "col" }, all) : null, h("th", { class: "text", scope: "col" }, "Arguments"), h("th", { class: "text", scope: "col" }, "Error"), h("th", { scope: "col" }))),
      body), more));

  const chosen = () => [...body.querySelectorAll("input:checked")].map((box) => box.value);
  const choice = () => ({ ...(text.value ? { Text: text.value } : {}), ...(outcome.value ? { Outcome: outcome.value } : {}) });

  const many = async (verb, what) => {
    try {
      const found = await api("POST", `${path}/${verb}`, what);
      note(`${number(found.Done)} ${verb === "retry" ? "put back" : "deleted"}${found.Left ? `, ${number(found.Left)} left` : ""}`);
    } catch (error) {
      note(error.message);
    }
    load(true);
  };

  const chosenChanged = () => {
    if (!operator) return;
    const keys = chosen();
    const narrowed = Object.keys(choice()).length > 0;
    const whole = narrowed ? "all found" : "all";
    fill(actions,
      h("button", { class: "main", disabled: !keys.length, click: () => many("retry", { Keys: keys }) }, `Retry chosen (${keys.length})`),
      h("button", { class: "danger", disabled: !keys.length, click: () => ask(`Delete ${keys.length} failed entries of ${type}?`, () => many("delete", { Keys: keys }), { label: "Delete", danger: true }) }, `Delete chosen (${keys.length})`),
      h("button", { click: () => ask(`Put ${whole} failed entries of ${type} back into its queue?`, () => many("retry", choice()), { label: "Retry" }) }, `Retry ${whole}`),
      h("button", { class: "danger", click: () => ask(`Delete ${whole} failed entries of ${type}?`, () => many("delete", choice()), { label: "Delete", danger: true }) }, `Delete ${whole}`));
  };

  const load = async (anew) => {
    const turn = ++loading;
    if (anew) cursor = null;
    const query = new URLSearchParams({ limit: LIMIT, ...(text.value ? { text: text.value } : {}), ...(outcome.value ? { outcome: outcome.value } : {}), ...(cursor ? { cursor } : {}) });
    try {
      const page = await api("GET", `${path}?${query}`);
      if (turn !== loading) return;
      if (anew) fill(body);
      body.append(...page.Entries.map((entry) => rowOf(entry, { type, path, operator, chosenChanged, again: () => load(true) })));
      cursor = page.Cursor;
      all.checked = false;
      fill(more, cursor ? h("button", { click: () => load(false) }, "Show more") : null);
      if (!body.childNodes.length) fill(body, h("tr", null, h("td", { colspan: 4 }, empty(cursor ? "Nothing found yet, there is more to look through" : Object.keys(choice()).length ? "Nothing found" : "Nothing has failed"))));
      chosenChanged();
    } catch (error) {
      fill(body, h("tr", null, h("td", { colspan: 4, class: "bad" }, error.message)));
    }
  };
  load(true);
}

function rowOf(entry, { type, path, operator, chosenChanged, again }) {
  const one = async (method, rest, done) => {
    try {
      await api(method, `${path}/entries/${entry.Key}${rest}`);
      note(done);
    } catch (error) {
      note(error.message);
    }
    again();
  };
  const retry = () => one("POST", "/retry", "Put back into its queue");
  const remove = () => one("DELETE", "", "Deleted");
  return h("tr", null,
    operator ? h("td", { class: "pick", "data-label": "Choose" }, h("input", { type: "checkbox", value: entry.Key, change: chosenChanged, "aria-label": `Choose ${short(shownArgs(entry.Args, 60))}` })) : null,
    h("td", { class: "text args", "data-label": "Arguments" }, entry.Problem ? short(entry.Entry) : shownArgs(entry.Args), entry.Id ? h("div", { class: "soft" }, short(entry.Id, 80)) : null),
    h("td", { class: "text error", "data-label": "Error" }, h("span", { class: "tag" }, entry.Outcome), " ", short(firstLines(entry.Error))),
    h("td", { class: "actions" },
      h("button", { class: "small", click: () => show(entry, { type, operator, retry, remove }) }, "Open"),
      operator && !entry.Problem ? h("button", { class: "small", click: retry }, "Retry") : null));
}

function firstLines(text) {
  return text.slice(0, 2000).split("\n").filter((line) => line.trim()).slice(0, 3).join("\n");
}

function show(entry, { type, operator, retry, remove }) {
  const act = (call) => () => { dialog.close(); call(); };
  const dialog = panel(`${type}: ${shownArgs(entry.Args, 80) || "failed entry"}`, h("div", null,
    entry.Problem ? h("p", { class: "bad" }, `It cannot be put back as it is: ${visible(entry.Problem)}`) : null,
    h("p", { class: "soft" }, `How it ended: ${entry.Outcome}. Key: ${entry.Key}.`),
    h("h2", null, "Error"), h("pre", { class: "output" }, coloured(cut(entry.Error))),
    h("h2", null, "Entry"), h("pre", { class: "output" }, visible(cut(entry.Entry))),
    operator ? h("div", { class: "bar" },
      entry.Problem ? null : h("button", { class: "main", click: act(retry) }, "Retry"),
      h("button", { class: "danger", click: act(remove) }, "Delete")) : null));
}

function cut(text) {
  return text.length > 200_000 ? `${text.slice(0, 100_000)}\n[… ${text.length - 200_000} characters …]\n${text.slice(-100_000)}` : text;
}

// What runs now, the oldest first, with its output as it comes.

import { api, part } from "./client.js";
import { ask, empty, fill, h, moment, note, now, number, short, span } from "./dom.js";
import { typeLink } from "./overview.js";
import { watchOutput } from "./output.js";

const EVERY_MS = 2000;

export function runningPage(main, { may }) {
  const list = h("div");
  const search = h("input", { type: "search", class: "grow", placeholder: "Find in type, Id, arguments", "aria-label": "Find", input: () => draw() });
  let runs = null;
  fill(main, h("h1", null, "Running"), h("div", { class: "bar" }, search), list);
  const draw = () => {
    if (!runs) return;
    const text = search.value.toLowerCase();
    const some = runs.filter((run) => `${run.Type} ${run.Id ?? ""} ${run.Args}`.toLowerCase().includes(text));
    fill(list, some.length ? runTable(some, may) : h("div", { class: "scroll" }, empty(runs.length ? "Nothing that runs has this in it" : "Nothing runs")),
      runs.length >= 100 ? h("p", { class: "soft" }, "Each instance tells of its 100 oldest runs.") : null);
  };
  const load = async () => {
    try {
      runs = await api("GET", "/running");
      draw();
    } catch (error) {
      if (error.status !== 401) fill(list, h("p", { class: "bad" }, error.message));
    }
  };
  load();
  const timer = setInterval(load, EVERY_MS);
  return () => clearInterval(timer);
}

export function runTable(runs, may) {
  return h("div", { class: "scroll" }, h("table", { class: "cards" },
    h("thead", null, h("tr", null,
      h("th", { class: "name", scope: "col" }, "Type"), h("th", { class: "text", scope: "col" }, "Arguments"),
      ["Since", "Age", "Timeout", "Try"].map((title) => h("th", { scope: "col" }, title)),
      h("th", { class: "text", scope: "col" }, "Instance"), h("th", { scope: "col" }))),
    h("tbody", null, runs.map((run) => runRow(run, may)))));
}

function runRow(run, may) {
  const age = run.Started === null ? null : Math.max(0, now() - run.Started);
  const cancel = () => ask(`Cancel this run of ${run.Type}?`, async () => {
    try {
      if (run.Id === null) await api("DELETE", `/runs/${part(run.Run)}`);
      else await api("DELETE", `/tasks/${part(run.Id)}`);
      note("Its instance was told to end it");
    } catch (error) {
      note(error.message);
    }
  }, { label: "Cancel it", danger: true });
  return h("tr", null,
    h("td", { class: "name" }, typeLink(run.Type), run.Id ? h("div", { class: "soft" }, short(run.Id, 80)) : null),
    h("td", { class: "text args", "data-label": "Arguments" }, short(run.Args)),
    h("td", { "data-label": "Since" }, moment(run.Started)),
    h("td", { "data-label": "Age" }, span(age)),
    h("td", { "data-label": "Timeout" }, run.Timeout ? meter(age, run.Timeout) : h("span", { class: "zero" }, "none")),
    h("td", { "data-label": "Try" }, number(run.Attempt)),
    h("td", { class: "text", "data-label": "Instance" }, short(run.Instance, 60)),
    h("td", { class: "actions" },
      h("button", { class: "small", click: () => watchOutput(run) }, "Output"),
      may("submitter") ? h("button", { class: "small danger", click: cancel }, "Cancel") : null));
}

/** How much of its time a run has used; striped when little is left. */
function meter(age, timeout) {
  const share = Math.min(1, (age ?? 0) / timeout);
  const bar = h("i");
  bar.style.width = `${(share * 100).toFixed(0)}%`;
  return h("span", { title: `${span(age)} of ${span(timeout)}` },
    h("span", { class: share > 0.8 ? "meter late" : "meter", role: "img", "aria-label": `${(share * 100).toFixed(0)} % of its time` }, bar), ` ${span(timeout)}`);
}

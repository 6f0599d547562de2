// What comes later: tasks that are put off, and schedules.

import { api, part } from "./client.js";
import { ask, empty, fill, h, moment, note, now, number, short, shownArgs, span, visible } from "./dom.js";
import { typeLink } from "./overview.js";

export function delayedPage(main, { rest, may }) {
  const [type] = rest;
  const body = h("tbody");
  const more = h("div", { class: "more" });
  let cursor = null;
  fill(main, h("h1", null, "Delayed", type ? [": ", typeLink(type)] : null),
    h("div", { class: "bar" }, h("button", { click: () => load(true) }, "Look again")),
    h("div", { class: "scroll" }, h("table", { class: "cards" },
      h("thead", null, h("tr", null, h("th", { class: "name", scope: "col" }, "Type"), h("th", { class: "text", scope: "col" }, "Arguments"), h("th", { scope: "col" }, "Due"), h("th", { scope: "col" }, "In"), h("th", { scope: "col" }, "Next try"), h("th", { scope: "col" }))),
      body), more));
  const load = async (anew) => {
    if (anew) cursor = null;
    const query = new URLSearchParams({ ...(type ? { type } : {}), ...(cursor ? { cursor } : {}) });
    try {
      const page = await api("GET", `/delayed?${query}`);
      if (anew) fill(body);
      body.append(...page.Entries.map((entry) => delayedRow(entry, may, () => load(true))));
      cursor = page.Cursor;
      fill(more, cursor ? h("button", { click: () => load(false) }, "Show more") : null);
      if (!body.childNodes.length) fill(body, h("tr", null, h("td", { colspan: 6 }, empty("Nothing is put off"))));
    } catch (error) {
      fill(body, h("tr", null, h("td", { colspan: 6, class: "bad" }, error.message)));
    }
  };
  load(true);
}

function delayedRow(entry, may, again) {
  const path = `/delayed/${part(entry.Type)}/entries/${entry.Key}`;
  const act = async (method, rest, done) => {
    try {
      await api(method, path + rest);
      note(done);
    } catch (error) {
      note(error.message);
    }
    again();
  };
  const left = entry.Due - now();
  return h("tr", null,
    h("td", { class: "name" }, typeLink(entry.Type), entry.Id ? h("div", { class: "soft" }, short(entry.Id, 80)) : null),
    h("td", { class: "text args", "data-label": "Arguments" }, shownArgs(entry.Args)),
    h("td", { "data-label": "Due" }, moment(entry.Due)),
    h("td", { "data-label": "In" }, left > 0 ? span(left) : "now"),
    h("td", { "data-label": "Next try" }, number(entry.Attempt)),
    h("td", { class: "actions" }, may("operator") ? [
      h("button", { class: "small", click: () => act("POST", "/run", "It runs now") }, "Run now"),
      h("button", { class: "small danger", click: () => ask(`Delete this task of ${entry.Type}?`, () => act("DELETE", "", "Deleted"), { label: "Delete", danger: true }) }, "Delete"),
    ] : null));
}

export function schedulesPage(main, { may }) {
  const box = h("div", { class: "scroll" });
  fill(main, h("h1", null, "Schedules"), box);
  const load = async () => {
    try {
      const schedules = await api("GET", "/schedules");
      fill(box, schedules.length ? scheduleTable(schedules, may) : empty("There are no schedules in the configuration"));
    } catch (error) {
      if (error.status !== 401) fill(box, h("p", { class: "bad" }, error.message));
    }
  };
  load();
  const timer = setInterval(load, 15000);
  return () => clearInterval(timer);
}

function scheduleTable(schedules, may) {
  const run = async (name) => {
    try {
      const found = await api("POST", `/schedules/${part(name)}/run`);
      note(`In the queue as ${found.Id}`);
    } catch (error) {
      note(error.message);
    }
  };
  return h("table", { class: "cards" },
    h("thead", null, h("tr", null, h("th", { class: "name", scope: "col" }, "Schedule"), h("th", { class: "text", scope: "col" }, "When"), h("th", { class: "text", scope: "col" }, "Runs"), h("th", { scope: "col" }, "Last"), h("th", { class: "text", scope: "col" }, "Next"), h("th", { scope: "col" }))),
    h("tbody", null, schedules.map((each) => h("tr", null,
      h("td", { class: "name" }, visible(each.Name)),
      h("td", { class: "text", "data-label": "When" }, h("code", null, visible(each.Cron)), h("div", { class: "soft" }, `${each.Timezone}${each.Overlap === "skip" ? ", skipped while the run before is there" : ""}`)),
      h("td", { class: "text", "data-label": "Runs" }, typeLink(each.Type), " ", h("span", { class: "args" }, shownArgs(each.Args, 120))),
      h("td", { "data-label": "Last" }, moment(each.Last)),
      h("td", { class: "text", "data-label": "Next" }, each.Next.length ? each.Next.slice(0, 3).map((when, place) => h("div", { class: place ? "soft once" : "once" }, moment(when), ` (in ${span(Math.max(0, when - now()))})`)) : "never"),
      h("td", { class: "actions" }, may("operator") ? h("button", { class: "small", click: () => run(each.Name), "aria-label": `Run ${each.Name} now` }, "Run now") : null)))));
}

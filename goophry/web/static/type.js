// One type: its numbers, its last hour, its runs, its configuration as goophry understood it.

import { api, part } from "./client.js";
import { fill, h, moment, note, number, short, span, visible } from "./dom.js";
import * as live from "./live.js";
import { findings } from "./overview.js";
import { large } from "./plot.js";
import { runTable } from "./running.js";

export function typePage(main, { rest, may }) {
  const [name] = rest;
  const [top, numbers, plots, running, config] = [h("div"), h("div", { class: "tiles" }), h("div", { class: "plots" }), h("div"), h("div")];
  const actions = h("div", { class: "bar" });
  fill(main, h("h1", null, visible(name)), actions, top, numbers, plots, running, config);

  const draw = (overview) => {
    const row = overview.Types.find((each) => each.Type === name);
    if (!row) return;
    const found = overview.Findings.filter((each) => each.Type === name);
    fill(top, found.length ? findings(found) : null);
    const tile = (value, text, bad = false) => h("div", { class: "tile" }, h("b", { class: bad ? "bad" : null }, value), h("span", null, text));
    fill(numbers,
      tile(number(row.Waiting), "waiting"), tile(`${number(row.Running)} / ${number(row.Workers)}`, "running / workers"),
      tile(number(row.PerMinute), "runs a minute"),
      tile(number(row.FailedHour), `failed in the last hour, of ${number(row.FailedHour + row.DoneHour)}`, row.FailedHour > 0),
      tile(span(row.P50), "median run on this instance"), tile(span(row.P95), "95 % here take at most"), tile(number(row.Delayed), "delayed"), tile(number(row.Failed), "in the failed list"));
    const verb = row.Paused ? "resume" : "pause";
    const change = () => api("POST", `/types/${part(name)}/${verb}`).then(() => note(verb === "pause" ? "Paused on all instances" : "It goes on"), (error) => note(error.message));
    if (!actions.contains(document.activeElement)) {
      fill(actions,
        may("operator") ? h("button", { class: row.Paused ? "main" : null, click: change }, row.Paused ? "Resume" : "Pause") : null,
        row.Paused ? h("span", { class: "tag notice" }, "paused") : null,
        h("a", { href: `#/failed/${part(name)}` }, `Failed list (${number(row.Failed)})`),
        h("a", { href: `#/delayed/${part(name)}` }, `Delayed (${number(row.Delayed)})`),
        row.LastError ? h("span", { class: "soft" }, "Last failure here: ", moment(row.LastErrorAt), ` ${short(row.LastError, 160)}`) : null);
    }
  };

  const load = async () => {
    try {
      const detail = await api("GET", `/types/${part(name)}`);
      fill(plots,
        large("Runs that ended", detail.Plot, [["done", "done", detail.Plot.Done], ["failed", "failed", detail.Plot.Failed]]),
        large("Entries", detail.Plot, [["waiting", "waiting", detail.Plot.Waiting], ["running", "running", detail.Plot.Running]]));
      fill(config, h("h2", null, "Configuration"), detail.Config
        ? h("dl", null, Object.entries(detail.Config).filter(([, value]) => !isNothing(value)).map(([key, value]) => [h("dt", null, key), h("dd", null, visible(written(value)))]))
        : h("p", { class: "soft" }, "The instance that answers does not have this type in its configuration."));
      const runs = (await api("GET", "/running")).filter((run) => run.Type === name);
      fill(running, runs.length ? [h("h2", null, "Running"), runTable(runs, may)] : null);
    } catch (error) {
      if (error.status !== 401) fill(plots, h("p", { class: "bad" }, error.message));
    }
  };
  const stop = live.follow(draw);
  load();
  const timer = setInterval(load, 5000);
  return () => { stop(); clearInterval(timer); };
}

function isNothing(value) {
  return value === null || value === "" || (typeof value === "object" && !Object.keys(value).length);
}

/** A value as JSON, on one line if that is short; text as it is. */
function written(value) {
  if (typeof value === "string") return value;
  const line = JSON.stringify(value);
  return line.length < 90 ? line : JSON.stringify(value, null, 2);
}

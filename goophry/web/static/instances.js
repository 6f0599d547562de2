// Every goophry process, also one that went away.

import { fill, h, moment, now, number, span, visible } from "./dom.js";
import * as live from "./live.js";

export function instancesPage(main) {
  const body = h("tbody");
  const versions = h("div");
  fill(main, h("h1", null, "Instances"), versions, h("div", { class: "scroll" }, h("table", { class: "cards" },
    h("thead", null, h("tr", null, h("th", { class: "name", scope: "col" }, "Instance"), ["State", "Version", "Busy / workers", "Types", "Started", "Last heard of"].map((title) => h("th", { scope: "col" }, title)))),
    body)));
  return live.follow((overview) => {
    const known = new Set(overview.Instances.filter((each) => each.Alive && each.Version).map((each) => each.Version));
    fill(versions, known.size > 1 ? h("ul", { class: "findings" }, h("li", { class: "notice" }, h("span", { class: "mark" }, "● notice"), h("span", null, `They do not run the same version: ${[...known].sort().join(", ")}`))) : null);
    fill(body, overview.Instances.map((each) => h("tr", null,
      h("td", { class: "name" }, visible(each.Host || each.Id), each.Id === overview.Instance ? h("span", { class: "soft" }, " (this one)") : null, h("div", { class: "soft" }, visible(each.Id))),
      h("td", { "data-label": "State" }, each.Alive ? h("span", { class: "tag" }, "✓ alive") : h("span", { class: "tag trouble" }, "▲ went away"),
        each.Holds ? h("div", { class: "bad" }, `held ${number(each.Holds)} entries`) : null),
      h("td", { "data-label": "Version" }, visible(each.Version || "–")),
      h("td", { "data-label": "Busy / workers" }, each.Alive ? `${number(each.Busy)} / ${number(each.Workers)}` : "–"),
      h("td", { "data-label": "Types" }, each.Alive ? number(each.Types) : "–"),
      h("td", { "data-label": "Started" }, moment(each.Started)),
      h("td", { "data-label": "Last heard of" }, each.Alive ? "now" : [moment(each.Seen), ` (${span(now() - each.Seen)} ago)`]))));
  });
}

// Small plots of the last hour. Each kind of number has a shape of its own beside its colour:
// a line for what was done, a dashed line for what waits, dots for what runs, triangles for failures.

import { h, number, s } from "./dom.js";

/** The points of a line; a gap where nobody looked. */
function path(values, x, y) {
  let text = "";
  let open = false;
  values.forEach((value, place) => {
    if (value === null) {
      open = false;
      return;
    }
    text += `${open ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
    open = true;
  });
  return text;
}

function most(...columns) {
  return Math.max(1, ...columns.flat().map((value) => value ?? 0));
}

/** Join neighbours, for plots that have fewer pixels than numbers. */
function joined(values, by, join) {
  const found = [];
  for (let place = 0; place < values.length; place += by) {
    const some = values.slice(place, place + by).filter((value) => value !== null);
    found.push(some.length ? join(some) : null);
  }
  return found;
}

/** Without the step that is not over yet: a line would always fall at its end. */
const over = (values) => [...values.slice(0, -1), null];

const sum = (values) => values.reduce((all, value) => all + value, 0);
const peak = (values) => Math.max(...values);

/** The plot in a row of the overview. */
export function spark(plot) {
  const done = joined(over(plot.Done), 3, sum);
  const failed = joined(plot.Failed, 3, sum);
  const waiting = joined(plot.Waiting, 3, peak);
  const [width, height] = [144, 30];
  const x = (place) => 2 + (place * (width - 4)) / (done.length - 1);
  const scaled = (top) => (value) => height - 3 - (value * (height - 8)) / top;
  const text = `Last hour: ${number(sum(plot.Done.map(Number)))} done, ${number(sum(failed.map(Number)))} failed, at most ${number(Math.max(...waiting.map(Number)))} waiting`;
  return s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text, preserveAspectRatio: "none" },
    s("title", null, text),
    s("line", { class: "plot-axis", x1: 0, x2: width, y1: height - 2.5, y2: height - 2.5 }),
    s("path", { class: "plot-waiting", d: path(waiting, x, scaled(most(waiting))) }),
    s("path", { class: "plot-done", d: path(done, x, scaled(most(done))) }),
    failed.map((value, place) => (value ? triangle(x(place), height - 3, 4) : null)));
}

function triangle(x, bottom, size) {
  return s("path", { class: "plot-failed", d: `M${x - size} ${bottom}L${x + size} ${bottom}L${x} ${bottom - 1.9 * size}Z` });
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** A plot with axes. `lines` are [kind, text, values]; a kind `failed` is drawn as triangles at its height. */
export function large(title, plot, lines) {
  const [width, height, left, bottom] = [420, 170, 38, 22];
  const steps = lines[0][2].length;
  const top = most(...lines.map(([, , values]) => values));
  const x = (place) => left + (place * (width - left - 8)) / (steps - 1);
  const y = (value) => height - bottom - (value * (height - bottom - 12)) / top;
  const ticks = [0, Math.round(top / 2), top].filter((value, place, all) => all.indexOf(value) === place);
  const times = [0, (steps - 1) / 2, steps - 1];
  const text = lines.map(([, name, values]) => `${name}: at most ${number(Math.max(0, ...values.map(Number)))}`).join(", ");
  return h("figure", null,
    h("figcaption", null, h("b", null, title), lines.map(([kind, name]) => key(kind, name))),
    s("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}. ${text}` },
      ticks.map((value) => [
        s("line", { class: "plot-axis", x1: left, x2: width - 6, y1: y(value), y2: y(value) }),
        s("text", { class: "plot-label", x: left - 5, y: y(value) + 4, "text-anchor": "end" }, number(value)),
      ]),
      times.map((place, which) => s("text", { class: "plot-label", x: x(place), y: height - 5, "text-anchor": ["start", "middle", "end"][which] },
        CLOCK.format(new Date((plot.End - (steps - 1 - place) * plot.Step) * 1000)))),
      lines.map(([kind, , values]) => (kind === "failed"
        ? values.map((value, place) => (value ? triangle(x(place), y(value) + 4, 4) : null))
        : s("path", { class: `plot-${kind}`, d: path(kind === "done" ? over(values) : values, x, y) })))));
}

function key(kind, name) {
  const sign = kind === "failed" ? triangle(12, 10, 4.5) : s("path", { class: `plot-${kind}`, d: "M1 6L23 6" });
  return h("span", { class: "key" }, s("svg", { viewBox: "0 0 24 12", "aria-hidden": "true" }, sign), name);
}

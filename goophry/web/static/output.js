// What a task writes, as it comes; and what it wrote, once it has ended.

import { part, stream } from "./client.js";
import { coloured, h, panel, short } from "./dom.js";

/** Characters that are kept on the page. */
const MOST = 400_000;

export function watchOutput(run) {
  const text = h("pre", { class: "output", tabindex: "0", "aria-label": "Output", role: "log" });
  const state = h("p", { class: "soft" }, "connecting…");
  const colours = { stdout: { classes: [] }, stderr: { classes: [] } };
  let size = 0;
  const add = (stream_, piece) => {
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 40;
    const parts = coloured(piece, colours[stream_]);
    text.append(stream_ === "stderr" ? h("span", { class: "err", title: "stderr" }, parts) : h("span", null, parts));
    size += piece.length;
    while (size > MOST && text.childNodes.length > 1) {
      size -= text.firstChild.textContent.length;
      text.firstChild.remove();
    }
    if (atEnd) text.scrollTop = text.scrollHeight;
  };
  const path = run.Id === null || run.Id === undefined ? `/runs/${part(run.Run)}/output` : `/tasks/${part(run.Id)}/output`;
  const close = stream(path, {
    open: () => { state.textContent = "live"; },
    output: (value) => {
      if (value.Dropped) add(value.Stream, `\n[… ${value.Dropped} bytes dropped …]\n`);
      add(value.Stream, value.Text);
    },
    waiting: () => { state.textContent = "it does not run yet"; },
    end: (value, source) => {
      state.textContent = value.Outcome ? `ended: ${value.Outcome}` : "ended";
      source.close();
      if (!size) text.append(h("span", { class: "soft" }, "it wrote nothing"));
    },
    error: (_, source) => { if (source.readyState === EventSource.CLOSED) state.textContent = "not connected"; },
  });
  panel(`Output of ${run.Type}${run.Args ? ` ${short(run.Args, 80)}` : ""}`, h("div", null, state, text), { close });
}

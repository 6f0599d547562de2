// The live picture: everything at a glance, kept up to date by server-sent events.

import { stream } from "./client.js";
import { serverIsAt } from "./dom.js";

let overview = null;
let close = null;
let connected = false;
const listeners = new Set();

export function current() {
  return overview;
}

export function isConnected() {
  return connected;
}

/** Call `tell(overview)` now, if there is one, and with every change; returns what ends that. */
export function follow(tell) {
  listeners.add(tell);
  if (overview) tell(overview);
  return () => listeners.delete(tell);
}

function changed() {
  for (const tell of [...listeners]) tell(overview);
}

export function connect(onState) {
  disconnect();
  const state = (value) => {
    connected = value;
    onState(value);
  };
  close = stream("/events", {
    open: () => state(true),
    error: () => state(false),
    overview: (value) => {
      serverIsAt(value.Now);
      overview = value;
      changed();
    },
    change: (value) => {
      if (!overview) return;
      serverIsAt(value.Now);
      const rows = new Map(overview.Types.map((row) => [row.Type, row]));
      for (const row of value.Types) rows.set(row.Type, row);
      for (const name of value.Gone) rows.delete(name);
      overview = { ...value, Types: [...rows.values()] };
      changed();
    },
  });
}

export function disconnect() {
  close?.();
  close = null;
  overview = null;
}

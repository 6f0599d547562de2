// Speaks to the API. The header tells it that this page asks, and not another site's.

const PREFIX = "/api/v1";

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

let onLogout = () => {};

export function whenLoggedOut(call) {
  onLogout = call;
}

/** Ask the API; returns what it answers. Throws `Refused`. */
export async function api(method, path, body) {
  let reply;
  try {
    reply = await fetch(PREFIX + path, {
      method,
      headers: { "X-Goophry": "1", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new Refused(0, "goophry cannot be reached");
  }
  if (reply.status === 204) return null;
  const told = await reply.json().catch(() => ({}));
  if (reply.ok) return told;
  if (reply.status === 401 && path !== "/session") onLogout();
  throw new Refused(reply.status, told.detail ?? `HTTP ${reply.status}`);
}

/** A part of a path. */
export const part = encodeURIComponent;

/** Open a stream of events; returns what closes it. */
export function stream(path, listeners) {
  const source = new EventSource(PREFIX + path);
  for (const [name, hear] of Object.entries(listeners)) {
    source.addEventListener(name, (event) => hear(event.data === undefined ? null : JSON.parse(event.data), source));
  }
  return () => source.close();
}

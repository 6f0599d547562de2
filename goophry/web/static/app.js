// The frame around all pages: who is logged in, where one is, whether the picture is live.

import { api, whenLoggedOut } from "./client.js";
import { fill, h, note, zone } from "./dom.js";
import * as live from "./live.js";
import { delayedPage, schedulesPage } from "./later.js";
import { failedPage } from "./failed.js";
import { instancesPage } from "./instances.js";
import { overviewPage } from "./overview.js";
import { runningPage } from "./running.js";
import { typePage } from "./type.js";

const main = document.getElementById("main");
const header = document.getElementById("header");
const footer = document.getElementById("footer");

const PAGES = [
  ["", "Overview", overviewPage],
  ["running", "Running", runningPage],
  ["failed", "Failed", failedPage],
  ["delayed", "Delayed", delayedPage],
  ["schedules", "Schedules", schedulesPage],
  ["instances", "Instances", instancesPage],
];

let leave = () => {};
let session = null;

/** Where one is: the page and what follows it. */
function place() {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return [name, rest.map(decodeURIComponent)];
}

function frame() {
  const [name] = place();
  fill(header, h("div", null,
    h("a", { class: "name", href: "#/" }, "goophry"),
    h("nav", { "aria-label": "Pages" }, PAGES.map(([path, title]) =>
      h("a", { href: `#/${path}`, "aria-current": path === name ? "page" : null }, title))),
    h("div", { class: "right" },
      h("span", { class: live.isConnected() ? "live" : "live off", id: "live" }, live.isConnected() ? "live" : "connecting"),
      session.Open ? null : h("span", null, `${session.Name} (${session.Role})`),
      session.Open ? null : h("button", { class: "small", click: logout }, "Log out"))));
  fill(footer, `Times are local: ${zone()}. `, h("a", { href: "/api/v1/openapi.json" }, "API"));
}

function show() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  leave();
  leave = () => {};
  const [name, rest] = place();
  frame();
  const found = PAGES.find(([path]) => path === name);
  const page = name === "type" ? typePage : found?.[2];
  document.title = `${name === "type" ? rest[0] : found?.[1] ?? "Not found"} · goophry`;
  fill(main);
  if (!page) fill(main, h("p", null, "There is no such page. ", h("a", { href: "#/" }, "To the overview")));
  else leave = page(main, { rest, may }) ?? (() => {});
  scrollTo(0, 0);
}

/** Whether who is logged in may do what a role may. */
function may(role) {
  const roles = ["viewer", "submitter", "operator"];
  return roles.indexOf(session.Role) >= roles.indexOf(role);
}

async function logout() {
  await api("DELETE", "/session").catch((error) => note(error.message));
  login();
}

function login() {
  leave();
  leave = () => {};
  live.disconnect();
  session = null;
  fill(header);
  fill(footer);
  const token = h("input", { type: "password", id: "token", name: "token", autocomplete: "current-password", required: true });
  const wrong = h("p", { class: "bad", role: "alert", hidden: true });
  const enter = async (event) => {
    event.preventDefault();
    try {
      await api("POST", "/session", { Token: token.value });
      await begin();
    } catch (error) {
      wrong.textContent = error.message;
      wrong.hidden = false;
      token.select();
    }
  };
  fill(main, h("form", { class: "login", submit: enter },
    h("h1", null, "goophry"),
    h("label", { for: "token" }, "Your token"),
    token, wrong,
    h("button", { class: "main" }, "Log in")));
  document.title = "Log in · goophry";
  token.focus();
}

async function begin() {
  session = await api("GET", "/session");
  live.connect((connected) => {
    const sign = document.getElementById("live");
    if (!sign) return;
    sign.className = connected ? "live" : "live off";
    sign.textContent = connected ? "live" : "not connected";
  });
  show();
}

whenLoggedOut(login);
addEventListener("hashchange", () => session && show());
begin().catch((error) => (error.status === 401 ? login() : fill(main, h("p", { class: "bad" }, error.message))));

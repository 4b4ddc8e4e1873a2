// The places of the console, and who is signed in.

import * as api from "./api.js";
import { bansPlace } from "./bans.js";
import { clientPlace } from "./client.js";
import { clientsPlace, pendingPlace } from "./clients.js";
import { element, field, heading, tell } from "./elements.js";
import { findingsPlace } from "./findings.js";
import { registrationsPlace } from "./registrations.js";
import { tokensPlace } from "./tokens.js";

const PLACES = [
  ["pending", "Pending"],
  ["clients", "Clients"],
  ["registrations", "Registrations"],
  ["findings", "Findings"],
  ["bans", "Bans"],
  ["tokens", "Tokens"],
];

const main = document.getElementById("main");
const nav = document.getElementById("places");
const corner = document.getElementById("operator");
let standing = { operator: null };
let leave = new AbortController();

/** What the fragment names: a place, what in it, and what is asked there. */
function where() {
  const [path, asked] = location.hash.replace(/^#\/?/, "").split("?");
  const [place, id] = path.split("/");
  const isKnown = PLACES.some(([name]) => name === place);
  return { place: isKnown ? place : "pending", id: id && decodeURIComponent(id), asked: new URLSearchParams(asked) };
}

async function content({ place, id, asked }, signal) {
  const { operator } = standing;
  if (place === "clients" && id) return clientPlace(id, operator);
  if (place === "clients") return clientsPlace(asked);
  if (place === "registrations") return registrationsPlace(operator, signal);
  if (place === "findings") return findingsPlace(asked);
  if (place === "bans") return bansPlace(operator);
  if (place === "tokens") return tokensPlace(operator);
  return pendingPlace(operator);
}

async function enter() {
  if (standing.operator === null) return signInPlace();
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const here = where();
  for (const link of nav.querySelectorAll("a")) {
    const isHere = link.dataset.place === here.place;
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  let parts;
  try {
    parts = await content(here, signal);
  } catch (error) {
    parts = [heading("This cannot be shown"), element("p", { class: "bad", role: "alert" }, error.message)];
  }
  if (signal.aborted) return;
  main.removeAttribute("aria-busy");
  main.replaceChildren(...parts.filter((part) => part instanceof Node));
  document.title = `${main.querySelector("h1")?.textContent ?? ""} · dcr-gateway console`;
  main.querySelector("h1")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function frame() {
  const { operator } = standing;
  nav.hidden = operator === null;
  corner.hidden = operator === null;
  if (operator === null) return;
  nav.replaceChildren(...PLACES.map(([place, label]) => element("a", { href: `#/${place}`, "data-place": place }, label)));
  const out = async () => {
    await api.signOut().catch(() => {});
    standing = { ...standing, operator: null };
    frame();
    await enter();
  };
  corner.replaceChildren(
    element("span", {}, operator.name, " ", element("span", { class: "role" }, operator.role)),
    element("button", { type: "button", class: "plain", onclick: out }, "Sign out"),
  );
}

const REFUSED = {
  begin: "This sign-in was begun too long ago, or in another browser. Begin again.",
  provider: "The account could not be used to sign in. The gateway's log has the reason.",
  role: "Your account has no role here. Ask whoever runs the gateway.",
};

/** Why the provider's answer was of no use; told once. */
function refusedAtTheProvider() {
  const why = REFUSED[new URLSearchParams(location.search).get("refused")];
  if (location.search !== "") history.replaceState(null, "", `${location.pathname}${location.hash}`);
  return why;
}

function signInPlace(told) {
  leave.abort();
  const token = field("Admin token", "input", { type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  // For managers of passwords, which keep a text under a name.
  const name = element("input", { type: "text", autocomplete: "username", value: "admin token", hidden: true, readonly: true });
  const problem = element("p", { class: "bad", role: "alert" }, told ?? refusedAtTheProvider() ?? "");
  const onsubmit = async (event) => {
    event.preventDefault();
    const text = token.input.value.trim();
    token.input.value = "";
    try {
      const { operator } = await api.signIn(text);
      standing = { ...standing, operator };
      frame();
      await enter();
    } catch (error) {
      problem.textContent = error.message;
      token.input.focus();
    }
  };
  const openid = standing.openid && element("p", {}, element("a", { class: "button", href: "/console/sign-in" }, "Sign in with your account"));
  const form = element("form", { class: "sign-in", onsubmit }, name, token.whole, element("button", { type: "submit", class: "good" }, "Sign in"));
  main.removeAttribute("aria-busy");
  main.replaceChildren(element("div", { class: "card narrow" }, heading("Sign in"), problem, openid, openid && element("p", { class: "note" }, "or with a token of your own:"), form));
  document.title = "Sign in · dcr-gateway console";
  token.input.focus();
}

api.whenSessionEnds((why) => {
  if (standing.operator === null) return;
  standing = { ...standing, operator: null };
  frame();
  signInPlace(why);
});
addEventListener("hashchange", enter);
try {
  standing = await api.session();
} catch (error) {
  tell("bad", error.message);
}
frame();
await enter();

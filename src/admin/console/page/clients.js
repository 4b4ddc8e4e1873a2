// The clients that wait for somebody, and all clients, searched.

import * as api from "./api.js";
import { card, linkTo } from "./client.js";
import { badge, element, field, foreign, heading, moment, table } from "./elements.js";

const STATES = ["pending", "active", "suspended", "rejected", "expired", "deleted"];
/** How many clients one search looks through before it asks whether to go on. */
const LOOKED_THROUGH = 2_000;
const SHOWN = 100;

/** Those that are pending, oldest last, each with all that matters. */
export async function pendingPlace(operator) {
  const { clients, next } = await api.clients({ state: "pending", limit: 20 });
  const cards = element("div", { class: "cards" });
  const title = heading("Pending");
  if (clients.length === 0) {
    cards.append(element("p", { class: "empty" }, "Nothing waits for you."));
  }
  for (const client of clients) {
    const place = element("div", {});
    const show = async (now) => {
      place.replaceChildren(await card(now, operator, show));
      place.querySelector("a")?.focus();
    };
    place.append(await card(client, operator, show));
    cards.append(place);
  }
  const more = next && element("p", { class: "note" }, "These are the newest 20; the others come up as these are decided, or under ", element("a", { href: "#/clients?state=pending" }, "Clients"), ".");
  return [title, more, cards];
}

const text = (client) =>
  [client.client_id, client.client_name, client.profile, ...client.redirect_uris, ...Object.values(client.registrant)].join("\n").normalize("NFKC").toLowerCase();

function rows(clients) {
  return clients.map((client) => [
    linkTo(client.client_id, foreign(client.client_name ?? client.client_id)),
    badge(client.state),
    client.profile,
    foreign(client.registrant.certificate_subject ?? client.registrant.token_label ?? client.registrant.address),
    moment(client.created_at),
  ]);
}

/** All of them. The API filters by state and profile; words are looked for here, page by page. */
export async function clientsPlace(asked) {
  const words = field("Words", "input", { type: "search", name: "words", value: asked.get("words") ?? "" });
  const options = ["", ...STATES].map((state) => element("option", { value: state, selected: state === (asked.get("state") ?? "") }, state === "" ? "any" : state));
  const state = field("State", "select", { name: "state" }, options);
  const profile = field("Profile", "input", { name: "profile", value: asked.get("profile") ?? "" });
  const onsubmit = (event) => {
    event.preventDefault();
    const members = Object.entries({ words: words.input.value, state: state.input.value, profile: profile.input.value });
    location.hash = `#/clients?${new URLSearchParams(members.filter(([, value]) => value !== ""))}`;
  };
  const form = element("form", { class: "search", role: "search", onsubmit }, words.whole, state.whole, profile.whole, element("button", { type: "submit" }, "Search"));
  return [heading("Clients"), form, await found(asked)];
}

async function found(asked) {
  const wanted = (asked.get("words") ?? "").normalize("NFKC").toLowerCase().split(/\s+/u).filter((word) => word !== "");
  const members = { state: asked.get("state") ?? undefined, profile: asked.get("profile") ?? undefined };
  const fits = (client) => wanted.every((word) => text(client).includes(word));
  const most = Number(asked.get("most") ?? LOOKED_THROUGH);
  const isEnough = (entries) => entries.length >= most || (wanted.length === 0 && entries.length >= SHOWN) || entries.filter(fits).length >= SHOWN;
  const { entries, isAll } = await api.pages(api.clients, members, isEnough);
  const fitting = entries.filter(fits);
  const shown = fitting.slice(0, SHOWN);
  const further = new URLSearchParams(asked);
  further.set("most", String(most * 2));
  const isCut = !isAll || fitting.length > shown.length;
  return element(
    "section",
    { "aria-label": "What was found" },
    element("p", { class: "note", role: "status" }, `${shown.length} shown, newest first${isCut ? `; looked through the newest ${entries.length}` : ""}.`),
    shown.length > 0 ? table("Clients", ["Name", "State", "Profile", "Who asked", "Registered"], rows(shown)) : element("p", { class: "empty" }, "No client fits."),
    !isAll && shown.length < SHOWN && element("p", {}, element("a", { href: `#/clients?${further}` }, "Look further back")),
  );
}

// What is done about somebody, by a finding or by order: listed, ordered, lifted; and registration closed as a whole.

import * as api from "./api.js";
import { may } from "./decide.js";
import { badge, element, field, foreign, heading, moment, table, tell } from "./elements.js";

const words = (name) => name.replaceAll("_", " ");
/** The API takes no control characters, and no empty comment. */
const comment = ({ input }) => input.value.replace(/\s+/gu, " ").trim() || undefined;

/** Does it, says what came of it, and shows the place as it is then. */
async function carryOut(work, done, again) {
  try {
    await work();
    tell("good", done);
  } catch (error) {
    tell("bad", error.message);
  }
  await again();
}

function lifting(response, again) {
  const name = `${words(response.action)} ${response.subject}`.trim();
  const onclick = () => carryOut(() => api.liftBan(response.id), `${name}: lifted.`, again);
  return element("button", { type: "button", class: "bad", onclick, "aria-label": `Lift ${name}` }, "Lift");
}

function row(response, operator, again) {
  const mayLift = response.state === "in_force" && may(operator, "approver");
  return [
    element("span", {}, words(response.action), response.factor && ` by ${response.factor}`),
    response.subject === "" ? "everybody" : foreign(response.subject),
    element("span", {}, badge(response.state), response.dry_run && [" ", badge("dry_run")]),
    moment(response.expires_at),
    element("span", {}, foreign(response.author), response.reason && [": ", foreign(response.reason)]),
    mayLift ? lifting(response, again) : "",
  ];
}

function banForm(again) {
  const kinds = [["address", "an address or network"], ["certificate", "a client certificate"], ["token", "an initial access token"]];
  const kind = field("Ban", "select", {}, kinds.map(([value, label]) => element("option", { value }, label)));
  const whom = field("Which", "input", { required: true, maxlength: 200, spellcheck: "false" });
  const lasts = field("For", "input", { required: true, value: "1d", pattern: "[0-9]+(ms|s|m|h|d)", title: "30m, 1h, 7d" });
  const why = field("Comment", "input", { maxlength: 500 });
  const onsubmit = (event) => {
    event.preventDefault();
    const body = { [kind.input.value]: whom.input.value.trim(), for: lasts.input.value, comment: comment(why) };
    return carryOut(() => api.addBan(body), `${body[kind.input.value]}: banned.`, again);
  };
  const fields = [kind, whom, lasts, why].map(({ whole }) => whole);
  return element(
    "details",
    { class: "card" },
    element("summary", {}, "Ban somebody"),
    element("form", { class: "search", onsubmit }, fields, element("button", { type: "submit", class: "bad" }, "Ban")),
  );
}

function lockdownCard({ locked_down: isLocked, response }, operator, again) {
  const state = isLocked
    ? element("p", { class: "warning" }, "Registration is locked down until ", moment(response.expires_at), ", by ", foreign(response.author), response.reason && [": ", foreign(response.reason)], ".")
    : element("p", {}, "Clients can register.");
  if (!may(operator, "approver")) return element("section", { class: "card", "aria-label": "Lockdown" }, state);
  const lasts = field("For", "input", { required: true, value: "1h", pattern: "[0-9]+(ms|s|m|h|d)", title: "30m, 1h, 7d" });
  const why = field("Comment", "input", { maxlength: 500 });
  const onsubmit = (event) => {
    event.preventDefault();
    if (isLocked) return carryOut(() => api.openAgain(comment(why)), "Clients can register again.", again);
    return carryOut(() => api.lockDown({ for: lasts.input.value, comment: comment(why) }), "Registration is locked down.", again);
  };
  const button = element("button", { type: "submit", class: isLocked ? "good" : "bad" }, isLocked ? "Open registration" : "Lock registration down");
  const form = element("form", { class: "search", onsubmit }, !isLocked && lasts.whole, why.whole, button);
  return element("section", { class: "card", "aria-label": "Lockdown" }, state, form);
}

export async function bansPlace(operator) {
  const lockdown = element("div", {});
  const listing = element("div", {});
  const again = async () => {
    const [standing, { bans, next }] = await Promise.all([api.lockdown(), api.bans({ which: "all", limit: 100 })]);
    lockdown.replaceChildren(lockdownCard(standing, operator, again));
    const columns = ["What", "To whom", "State", "Until", "By", "Lift"];
    listing.replaceChildren(
      bans.length > 0
        ? table("What is done about somebody", columns, bans.map((response) => row(response, operator, again)))
        : element("p", { class: "empty" }, "Nothing is done about anybody."),
    );
    if (next) listing.append(element("p", { class: "note" }, "These are the newest 100."));
  };
  await again();
  return [heading("Bans"), lockdown, may(operator, "approver") && banForm(again), listing];
}

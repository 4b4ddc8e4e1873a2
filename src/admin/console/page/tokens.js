// Initial access tokens: listed, made, revoked. The text of a new one is shown once, and not kept by the page.

import * as api from "./api.js";
import { may } from "./decide.js";
import { badge, element, field, foreign, heading, moment, table, tell } from "./elements.js";

/** Asks once more: a revoked token stays revoked. */
function sure(token, then) {
  const close = () => dialog.close();
  const go = () => {
    close();
    then();
  };
  const inside = element(
    "div",
    {},
    element("h2", { id: "question" }, "Revoke ", foreign(token.label ?? token.id), "?"),
    element("p", {}, "From now on it is refused. This cannot be taken back."),
    element("div", { class: "actions" }, element("button", { type: "button", class: "bad", onclick: go }, "Revoke"), element("button", { type: "button", class: "plain", onclick: close }, "Cancel")),
  );
  const dialog = element("dialog", { "aria-labelledby": "question", onclose: () => dialog.remove() }, inside);
  document.body.append(dialog);
  dialog.showModal();
}

function row(token, operator, again) {
  const revoke = async () => {
    try {
      await api.revokeToken(token.id);
      tell("good", "Token ", foreign(token.label ?? token.id), ": revoked.");
      await again();
    } catch (error) {
      tell("bad", error.message);
    }
  };
  const mayRevoke = token.state === "usable" && may(operator, "administrator");
  const label = `Revoke ${token.label ?? token.id}`;
  return [
    element("span", {}, token.label && foreign(token.label), element("code", { class: "small" }, token.id)),
    token.profile,
    badge(token.state),
    `${token.used} of ${token.max_uses}`,
    moment(token.expires_at),
    mayRevoke ? element("button", { type: "button", class: "bad", onclick: () => sure(token, revoke), "aria-label": label }, "Revoke") : "",
  ];
}

function form(again) {
  const profile = field("Profile", "input", { required: true, maxlength: 64 });
  const lifetime = field("Valid for", "input", { required: true, value: "1h", pattern: "[0-9]+(ms|s|m|h|d)", title: "30m, 1h, 7d" });
  const uses = field("Uses", "input", { type: "number", min: 1, value: 1, required: true });
  const label = field("Label", "input", { maxlength: 500 });
  const onsubmit = async (event) => {
    event.preventDefault();
    const body = { profile: profile.input.value, lifetime: lifetime.input.value, max_uses: Number(uses.input.value) };
    if (label.input.value.trim() !== "") body.label = label.input.value.trim();
    try {
      show(await api.createToken(body));
      await again();
    } catch (error) {
      tell("bad", error.message);
    }
  };
  return element(
    "details",
    { class: "card" },
    element("summary", {}, "Make a token"),
    element("form", { class: "search", onsubmit }, profile.whole, lifetime.whole, uses.whole, label.whole, element("button", { type: "submit", class: "good" }, "Make it")),
  );
}

function show(created) {
  const text = field("The token; it is not shown again", "input", { readonly: true, value: created.text, class: "code" });
  const close = element("button", { type: "button", onclick: () => dialog.close() }, "Done");
  const inside = element("div", {}, element("h2", { id: "made" }, "A new token"), text.whole, element("div", { class: "actions" }, close));
  const dialog = element("dialog", { "aria-labelledby": "made", onclose: () => dialog.remove() }, inside);
  document.body.append(dialog);
  dialog.showModal();
  text.input.select();
}

export async function tokensPlace(operator) {
  const listing = element("div", {});
  const again = async () => {
    const { tokens, next } = await api.tokens({ limit: 100 });
    const columns = ["Token", "Profile", "State", "Used", "Valid until", "Revoke"];
    listing.replaceChildren(
      tokens.length > 0 ? table("Initial access tokens", columns, tokens.map((token) => row(token, operator, again))) : element("p", { class: "empty" }, "There are no tokens."),
    );
    if (next) listing.append(element("p", { class: "note" }, "These are the newest 100."));
  };
  await again();
  return [heading("Initial access tokens"), may(operator, "administrator") && form(again), listing];
}

// One client, with all that whoever decides should look at.

import * as api from "./api.js";
import { buttons, wasPending } from "./decide.js";
import { told } from "./findings.js";
import { badge, element, foreign, heading, markedName, markedNote, moment, table, terms } from "./elements.js";

export const linkTo = (id, ...children) => element("a", { href: `#/clients/${encodeURIComponent(id)}` }, ...children);

const list = (scopes) => (scopes ?? "").split(" ").filter((scope) => scope !== "");

function scopes({ requested, granted, withheld, approved }) {
  const chips = (text, kind) => list(text).map((scope) => element("span", { class: `chip ${kind}` }, foreign(scope)));
  const row = (term, text, kind) => [term, list(text).length > 0 ? element("span", { class: "chips" }, chips(text, kind)) : undefined];
  return terms([
    ["Asked for", list(requested).length > 0 ? element("span", { class: "chips" }, chips(requested, "asked")) : "nothing in particular"],
    row("Has", granted, "granted"),
    row("Withheld", withheld, "withheld"),
    row("By approval", approved, "granted"),
  ]);
}

function registrant({ address, certificate_subject: subject, certificate_thumbprint: thumbprint, token_label: label, statement_issuer: issuer, software_id: software }) {
  return terms([
    ["Certificate", subject && element("span", {}, foreign(subject), thumbprint && element("code", { class: "small", title: thumbprint }, `${thumbprint.slice(0, 16)}…`))],
    ["Token", label && foreign(label)],
    ["Statement", issuer && element("span", {}, foreign(issuer), software && [" for ", foreign(software)])],
    ["Address", foreign(address)],
  ]);
}

function host(uri) {
  try {
    const url = new URL(uri);
    return url.host === "" ? `${url.protocol} (an application)` : url.host;
  } catch {
    return "(unreadable)";
  }
}

function redirects(uris) {
  const hosts = [...new Set(uris.map(host))];
  const named = hosts.map((name) => {
    const isIdn = name.split(".").some((part) => part.startsWith("xn--"));
    return element("li", {}, element("strong", {}, foreign(name)), isIdn && element("span", { class: "warning" }, " international name"));
  });
  const all = element("ul", { class: "uris" }, uris.map((uri) => element("li", {}, element("code", {}, foreign(uri)))));
  return element("div", {}, element("ul", { class: "hosts" }, named), all);
}

function similar({ similar, compared, compared_with_all: isAll }) {
  const others = compared === 1 ? "one other" : `${compared} others`;
  const compares = isAll ? `compared with ${others}` : `compared with the newest ${compared}`;
  if (similar.length === 0) return element("p", { class: "note" }, `None; ${compares}.`);
  const why = (other) =>
    [other.reads_alike && "name reads alike", other.shared_hosts.length > 0 && `redirects to ${other.shared_hosts.join(", ")}, too`].filter(Boolean).join("; ");
  const items = similar.map((other) =>
    element("li", {}, linkTo(other.client_id, foreign(other.client_name ?? other.client_id)), " ", badge(other.state), element("span", { class: "note" }, ` ${why(other)}`)),
  );
  return element("div", {}, element("ul", { class: "similar" }, items), element("p", { class: "note" }, `${compares}.`));
}

/** So many seconds, as people say it. */
function span(seconds) {
  const [size, unit] = [[86_400, "days"], [3_600, "hours"], [60, "minutes"]].find(([least]) => seconds >= 2 * least) ?? [1, "seconds"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

const part = (title, ...children) => element("section", { class: "part" }, element("h3", {}, title), ...children);

function history(client) {
  const { changed_by: by, changed_at: at, comment, unsettled, approved, first_approval: first } = client;
  const acted = (what, { actor, at: when, comment: why, scopes: which }) =>
    element("p", { class: "note" }, what, foreign(actor), " ", moment(when), which && [" for ", foreign(which)], why && [": ", foreign(why)]);
  return [
    approved && acted("approved by ", approved),
    first && acted("approved by one person, and waits for another: ", first),
    by && element("p", { class: "note" }, `${client.state} by `, foreign(by), " ", moment(at), comment && [": ", foreign(comment)]),
    unsettled && element("p", { class: "warning" }, "The authorization server does not have this decision yet; it is tried again ", moment(unsettled.next_at), unsettled.last_error && [": ", foreign(unsettled.last_error)]),
    client.unmanageable && element("p", { class: "warning" }, "The authorization server's token for it is lost."),
  ];
}

/** A text of several lines, each with what cannot be seen in it. */
const lines = (text) => text.split("\n").map((line) => [foreign(line), "\n"]);

/** All that matters in one card; `then` gets the client when somebody changed it. */
export async function card(client, operator, then) {
  const review = await api.review(client.client_id).catch(() => undefined);
  const name = review && review.client_name.length > 0 ? markedName(review.client_name) : foreign(client.client_name ?? "without a name");
  return element(
    "article",
    { class: "card", "aria-label": `Client ${client.client_name ?? client.client_id}` },
    element("header", {}, element("h2", {}, linkTo(client.client_id, name)), badge(client.state)),
    element("p", { class: "note" }, element("code", {}, client.client_id), " · profile ", client.profile, " · ", moment(client.created_at)),
    review && markedNote(review.client_name),
    client.pending_until && element("p", { class: "note" }, "Removed unless approved by ", moment(client.pending_until)),
    wasPending(client) && element("p", { class: "note" }, `Waits for an approval, but not while it is suspended: once it is resumed it is removed unless approved within ${span(client.pending_seconds_left)}.`),
    history(client),
    element(
      "div",
      { class: "parts" },
      part("Who asks", registrant(client.registrant)),
      part("Redirects to", redirects(client.redirect_uris)),
      part("Scopes", scopes(client.scopes)),
      client.asked && part("Asks to change", element("ul", { class: "uris" }, (client.asks_for ?? []).map((one) => element("li", {}, foreign(one)))), element("pre", { tabindex: "0", "aria-label": "The change it asks for" }, lines(JSON.stringify(client.asked, null, 2)))),
      part("Findings", review ? told(review.findings) : element("p", { class: "note" }, "This could not be found out.")),
      part("Similar clients", review ? similar(review) : element("p", { class: "note" }, "This could not be found out.")),
    ),
    await buttons(client, operator, then),
  );
}

/** The place of one client. */
export async function clientPlace(id, operator) {
  const client = await api.client(id);
  const { registrations } = await api.registrations({ client_id: id, limit: 20 });
  const whole = element("div", {});
  const show = async (now) => whole.replaceChildren(await card(now, operator, show), more(now));
  const more = (now) =>
    element(
      "div",
      {},
      element("section", {}, element("h2", {}, "In the record"), terms([
        ["Changed", moment(now.updated_at)],
        ["Seen at the server", now.confirmed_at ? moment(now.confirmed_at) : "never"],
        ["Last used", now.last_used_at ? moment(now.last_used_at) : "not known"],
        ["Manages itself", now.has_access_token ? "yes" : "no"],
        ["Version", String(now.version)],
      ])),
      element("section", {}, element("h2", {}, "Registrations that led to it"), table("Registrations that led to it", ["When", "From", "Outcome"], registrations.map((r) => [moment(r.at), foreign(r.registrant.address), badge(r.outcome ?? "under way")]))),
      now.metadata && element("section", {}, element("details", {}, element("summary", {}, "All that was registered"), element("pre", { tabindex: "0", "aria-label": "Metadata" }, lines(JSON.stringify(now.metadata, null, 2))))),
    );
  await show(client);
  return [heading("Client"), whole];
}

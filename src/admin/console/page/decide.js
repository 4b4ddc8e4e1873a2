// What an operator does to a client: who may, the question with its comment, and what became of it. A change is for the version that was
// looked at; when somebody else was faster, that is said and the client is shown as it is now.

import * as api from "./api.js";
import { element, field, foreign, tell } from "./elements.js";

const RANKS = ["viewer", "approver", "administrator"];
export const may = (operator, role) => RANKS.indexOf(operator.role) >= RANKS.indexOf(role);

const LIVE = ["pending", "active"];
/** Its owner asked for a change that waits for an approval. */
const asksForMore = (client) => client.state === "active" && client.asked !== undefined && client.asked !== null;
/** It is suspended, and waited for an approval before. */
export const wasPending = (client) => client.state === "suspended" && Number.isInteger(client.pending_seconds_left);
const ACTIONS = [
  {
    name: "approve",
    label: "Approve",
    role: "approver",
    states: ["pending"],
    also: asksForMore,
    kind: "good",
    done: "approved",
    says: "It gets what it asked for at the authorization server: these scopes, or the change.",
  },
  {
    name: "reject",
    label: "Reject",
    role: "approver",
    states: ["pending"],
    also: (client) => asksForMore(client) || wasPending(client),
    kind: "bad",
    done: "rejected",
    says: "A pending client is removed at the authorization server, and whoever registers the same is refused. A change that an active one asked for is refused, and it stays.",
  },
  {
    name: "elevate",
    label: "Elevate",
    role: "approver",
    states: ["active"],
    kind: "good",
    done: "elevated",
    needsWithheld: true,
    says: "It gets the scopes below, besides those it has.",
  },
  {
    name: "suspend",
    label: "Suspend",
    role: "approver",
    states: LIVE,
    kind: "bad",
    done: "suspended",
    says: "It cannot be used, managed or handed out again until it is resumed. Where the server cannot disable a client, it can go on with what it has.",
  },
  {
    name: "resume",
    label: "Resume",
    role: "approver",
    states: ["suspended"],
    kind: "good",
    done: "resumed",
    says: "It gets back what the suspension took.",
  },
  {
    name: "delete",
    label: "Delete",
    role: "administrator",
    states: [...LIVE, "suspended"],
    kind: "bad",
    done: "deleted",
    says: "It is deleted at the authorization server. The record stays. This cannot be taken back.",
  },
];

const list = (scopes) => (scopes ?? "").split(" ").filter((scope) => scope !== "");

async function bodyOf(action) {
  if (action.name === "delete") return ["comment"];
  return api.offers(`/v1/clients/{client_id}/${action.name}`, "post");
}

/** The buttons that this operator has for this client; `then` gets the client as it is afterwards. */
export async function buttons(client, operator, then) {
  const made = [];
  for (const action of ACTIONS) {
    const isPossible = action.states.includes(client.state) || action.also?.(client) === true;
    if (!isPossible || !may(operator, action.role) || (action.needsWithheld && list(client.scopes.withheld).length === 0)) continue;
    const members = await bodyOf(action);
    if (members === undefined) continue;
    const onclick = () => ask(action, client, members, then);
    const label = `${action.label} ${client.client_name ?? client.client_id}`;
    made.push(element("button", { type: "button", class: action.kind, onclick, "aria-label": label }, action.label));
  }
  return made.length > 0 ? element("div", { class: "actions" }, made) : undefined;
}

function scopeChoice(client, members) {
  const had = list(client.scopes.granted);
  const asked = list(client.asked?.scope).filter((scope) => !had.includes(scope));
  const withheld = [...new Set([...list(client.scopes.withheld), ...asked])];
  if (!members.includes("scopes") || withheld.length === 0) return undefined;
  const boxes = withheld.map((scope) => field(scope, "input", { type: "checkbox", value: scope, checked: true }));
  const whole = element(
    "fieldset",
    {},
    element("legend", {}, "Scopes to grant"),
    boxes.map((box) => element("div", { class: "check" }, box.input, box.whole.firstChild)),
  );
  return { whole, chosen: () => boxes.filter((box) => box.input.checked).map((box) => box.input.value) };
}

function ask(action, client, members, then) {
  const comment = field("Comment (others will read it)", "textarea", { rows: 3, maxlength: 500 });
  const scopes = scopeChoice(client, members);
  const problem = element("p", { class: "bad", role: "alert" });
  const go = element("button", { type: "submit", class: action.kind }, action.label);
  const cancel = element("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Cancel");
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", { id: "question" }, `${action.label} `, foreign(client.client_name ?? client.client_id), "?"),
    element("p", {}, action.says),
    scopes?.whole,
    comment.whole,
    problem,
    element("div", { class: "actions" }, go, cancel),
  );
  const dialog = element("dialog", { "aria-labelledby": "question", onclose: () => dialog.remove() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    // The API takes no control characters; a new line in the field is a space in the record.
    const text = comment.input.value.replace(/\s+/gu, " ").trim();
    const body = { comment: text === "" ? undefined : text };
    if (scopes) body.scopes = scopes.chosen().join(" ");
    try {
      const now = await api.change(action.name, client, body);
      dialog.close();
      tell("good", foreign(client.client_name ?? client.client_id), `: ${action.done}.`);
      then(now);
    } catch (error) {
      if (error.kind === "version-is-another") return overtaken(client, dialog, then);
      problem.textContent = error.message;
      go.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  comment.input.focus();
}

/** Somebody else decided, or the client changed itself: nothing was done, and the reader looks again. */
async function overtaken(client, dialog, then) {
  dialog.close();
  try {
    const now = await api.client(client.client_id);
    const who = now.changed_by ? `, last by ${now.changed_by}` : "";
    tell("bad", `Nothing was done: somebody else was faster. The client is ${now.state} now${who}. Look again and decide again.`);
    then(now);
  } catch (error) {
    tell("bad", `Nothing was done: somebody else was faster. ${error.message}`);
  }
}

// Asks the gateway: the API that everybody asks, with the session's cookie in place of a token.

/** What was not done, and why. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the gateway answered ${status}`);
    this.status = status;
    this.kind = String(problem.type ?? "").split(":").pop();
  }
}

let ended = () => {};
/** Calls `then` when an answer says that the session is over. */
export const whenSessionEnds = (then) => {
  ended = then;
};

async function ask(method, path, { body, version } = {}) {
  const headers = { "dcr-console": "1" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (version !== undefined) headers["if-match"] = `"${version}"`;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      redirect: "error",
    });
  } catch {
    throw new Refused(0, { detail: "the gateway cannot be reached" });
  }
  const text = await response.text();
  let answer = {};
  try {
    answer = text === "" ? undefined : JSON.parse(text);
  } catch {
    throw new Refused(response.status, {});
  }
  if (response.ok) return answer;
  const refused = new Refused(response.status, answer ?? {});
  if (response.status === 401 && path.startsWith("/v1/")) ended(refused.message);
  throw refused;
}

const query = (members) => {
  const search = new URLSearchParams(Object.entries(members).filter(([, value]) => value !== undefined && value !== ""));
  return search.size > 0 ? `?${search}` : "";
};

const segment = encodeURIComponent;

export const session = () => ask("GET", "/console/session");
export const signIn = (token) => ask("POST", "/console/session", { body: { token } });
export const signOut = () => ask("DELETE", "/console/session");

export const clients = (members) => ask("GET", `/v1/clients${query(members)}`);
export const client = (id) => ask("GET", `/v1/clients/${segment(id)}`);
export const review = (id) => ask("GET", `/v1/clients/${segment(id)}/review`);
export const registrations = (members) => ask("GET", `/v1/registrations${query(members)}`);
export const findings = (members) => ask("GET", `/v1/findings${query(members)}`);
export const bans = (members) => ask("GET", `/v1/bans${query(members)}`);
export const addBan = (body) => ask("POST", "/v1/bans", { body });
export const liftBan = (id, comment) => ask("DELETE", `/v1/bans/${segment(id)}${query({ comment })}`);
export const lockdown = () => ask("GET", "/v1/lockdown");
export const lockDown = (body) => ask("PUT", "/v1/lockdown", { body });
export const openAgain = (comment) => ask("DELETE", `/v1/lockdown${query({ comment })}`);
export const tokens = (members) => ask("GET", `/v1/tokens${query(members)}`);
export const createToken = (body) => ask("POST", "/v1/tokens", { body });
export const revokeToken = (id) => ask("POST", `/v1/tokens/${segment(id)}/revoke`);

/** Does something to a client as it was looked at: when it is another by now, nothing is done (412). */
export function change(action, { client_id: id, version }, body) {
  const path = `/v1/clients/${segment(id)}`;
  if (action === "delete") return ask("DELETE", `${path}${query({ comment: body.comment })}`, { version });
  return ask("POST", `${path}/${action}`, { body, version });
}

let offered;
/** What this gateway offers, by its own description: for each path and method the members that a body may have. */
export async function offers(path, method) {
  offered ??= ask("GET", "/v1/openapi.json").catch((error) => {
    offered = undefined;
    throw error;
  });
  const document = await offered;
  const operation = document.paths?.[path]?.[method];
  if (operation === undefined) return undefined;
  const schema = operation.requestBody?.content?.["application/json"]?.schema ?? {};
  const name = String(schema.$ref ?? "").split("/").pop();
  const meant = document.components?.schemas?.[name] ?? schema;
  return Object.keys(meant.properties ?? {});
}

/** Every page of a list, until `enough` says so; what was read, and whether that was all. */
export async function pages(list, members, enough) {
  const entries = [];
  let cursor;
  do {
    const page = await list({ ...members, limit: 200, cursor });
    const [found] = Object.values(page).filter(Array.isArray);
    entries.push(...found);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && !enough(entries));
  return { entries, isAll: cursor === undefined };
}

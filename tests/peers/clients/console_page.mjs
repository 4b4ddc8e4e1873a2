// The console in Debian's Chromium, as a person uses it. Takes what to do as JSON, leaves pictures, prints what it saw as one line of JSON.
import fs from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { url, tokens, client, approve, reject, pictures, account } = JSON.parse(process.argv[2]);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const options = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: options });
const seen = { violations: [], errors: [], elsewhere: [], wide: [] };

async function person({ width = 1280, scheme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("request", (request) => {
    const { origin } = new URL(request.url());
    if (origin !== new URL(url).origin) seen.elsewhere.push(origin);
  });
  await page.goto(`${url}/console/`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  return page;
}

/** With the keyboard alone: the field has the focus. */
async function signIn(page, token) {
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Pending" }).waitFor();
}

async function look(page, name) {
  await page.evaluate(`${axe};0`);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, nodes } of violations) seen.violations.push(`${name}: ${id}: ${nodes[0].target.join(" ")}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) seen.wide.push(`${name}: ${over}`);
  await page.screenshot({ path: `${pictures}/console-${name}.png`, fullPage: true });
}

async function open(page, place, ready) {
  await page.goto(`${url}/console/#/${place}`);
  await ready(page).waitFor();
}

/** The card of one client; the place before may still show others. */
const card = (page, id = client) => page.getByRole("article").filter({ hasText: id });
const places = [
  ["clients", "clients", (page) => page.getByRole("table")],
  ["client", `clients/${client}`, (page) => card(page)],
  ["registrations", "registrations", (page) => page.getByRole("img")],
  ["findings", "findings", (page) => page.getByRole("heading", { name: "Findings" })],
  ["bans", "bans", (page) => page.getByRole("region", { name: "Lockdown" })],
  ["tokens", "tokens", (page) => page.getByRole("heading", { name: "Initial access tokens" })],
];

// Every place, as different people see it.
for (const [kind, how] of Object.entries({ light: {}, dark: { scheme: "dark" }, phone: { width: 360 }, "phone-dark": { width: 360, scheme: "dark" } })) {
  const page = await person(how);
  await look(page, `${kind}-sign-in`);
  await signIn(page, tokens.administrator);
  await look(page, `${kind}-pending`);
  for (const [name, place, ready] of places) {
    await open(page, place, ready);
    await look(page, `${kind}-${name}`);
  }
  await open(page, `clients/${client}`, card);
  await page.getByRole("button", { name: /^Suspend/ }).click();
  await page.getByRole("dialog").waitFor();
  await look(page, `${kind}-dialog`);
  await page.keyboard.press("Escape");
  await page.context().close();
}

// One decides with the keyboard; another, who looked at the same, is told.
const [ada, root] = [await person(), await person()];
await signIn(ada, tokens.approver);
await signIn(root, tokens.administrator);
await open(ada, `clients/${client}`, card);
await open(root, `clients/${client}`, card);
seen.name = await card(ada).getByRole("heading", { level: 2 }).textContent();
seen.marks = await card(ada).locator("mark").allTextContents();
seen.buttons = await card(ada).getByRole("button").allTextContents();
const isOnSuspend = () => ada.evaluate(() => document.activeElement?.textContent === "Suspend");
for (let steps = 0; steps < 40 && !(await isOnSuspend()); steps += 1) await ada.keyboard.press("Tab");
await ada.keyboard.press("Enter");
await ada.keyboard.type("seen by the fraud team");
await ada.keyboard.press("Tab");
await ada.keyboard.press("Enter");
await card(ada).getByText("suspended by").waitFor();
seen.decided = await card(ada).getByText("suspended by").textContent();
await root.getByRole("button", { name: /^Suspend/ }).click();
await root.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
await root.getByText("Nothing was done").waitFor();
seen.overtaken = await root.locator("#told").textContent();
await look(root, "overtaken");
await root.getByRole("button", { name: /^Resume/ }).waitFor();
// The browser's own word on a 412 is no error of the page's.
seen.errors = seen.errors.filter((text) => !text.includes("412"));

// What waits for somebody is approved with fewer scopes than were asked for, and rejected.
async function decide(id, button, comment, untick) {
  await open(ada, `clients/${id}`, (page) => card(page, id));
  await card(ada, id).getByRole("button", { name: button }).click();
  const question = ada.getByRole("dialog");
  await question.waitFor();
  if (untick) await question.getByRole("checkbox", { name: untick }).uncheck();
  await question.getByLabel("Comment").fill(comment);
  await look(ada, `question-${button.toLowerCase()}`);
  await question.getByRole("button", { name: button }).click();
  await card(ada, id).getByRole("button", { name: button }).waitFor({ state: "detached" });
  return card(ada, id).locator(".badge").first().textContent();
}
seen.approved = await decide(approve, "Approve", "as agreed on the phone", "email");
seen.rejected = await decide(reject, "Reject", "nobody knows them");

// Somebody is banned and the ban lifted; registration is locked down and opened again.
await open(ada, "bans", (page) => page.getByRole("region", { name: "Lockdown" }));
await ada.getByText("Ban somebody").click();
await ada.getByLabel("Which").fill("192.0.2.7");
await ada.getByRole("button", { name: "Ban", exact: true }).click();
await ada.getByRole("cell", { name: "192.0.2.7/32", exact: true }).waitFor();
await look(ada, "banned");
await ada.getByRole("button", { name: "Lift ban address 192.0.2.7/32" }).click();
await ada.getByText("lifted", { exact: true }).waitFor();
await ada.getByRole("button", { name: "Lock registration down" }).click();
await ada.getByText("Registration is locked down until").waitFor();
await look(ada, "locked-down");
await ada.getByRole("button", { name: "Open registration" }).click();
await ada.getByText("Clients can register.").waitFor();
seen.bans = await ada.getByRole("table").locator(".badge").allTextContents();

// What the page has and may.
seen.kept = await ada.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
seen.markup = await ada.evaluate(() => {
  try {
    document.createElement("p").innerHTML = "<b>";
    return "made";
  } catch (error) {
    return error.name;
  }
});
seen.errors = seen.errors.filter((text) => !/TrustedHTML|Trusted Type/i.test(text));
await ada.getByRole("button", { name: "Sign out" }).click();
await ada.getByRole("heading", { name: "Sign in" }).waitFor();
seen.afterwards = await ada.evaluate(async () => (await fetch("/v1/clients", { headers: { "dcr-console": "1" } })).status);
seen.errors = seen.errors.filter((text) => !text.includes("401"));

const vera = await person();
await signIn(vera, tokens.viewer);
await open(vera, `clients/${client}`, card);
seen.viewer = await card(vera).getByRole("button").allTextContents();
await vera.context().close();

if (account) {
  const before = seen.elsewhere.length;
  const demo = await person();
  await look(demo, "account-sign-in");
  await demo.getByRole("link", { name: "Sign in with your account" }).click();
  await demo.locator("#username").fill(account.name);
  await demo.locator("#password").fill(account.password);
  await demo.locator("#kc-login").click();
  await demo.getByRole("heading", { name: "Pending" }).waitFor();
  seen.account = await demo.locator("#operator span").first().textContent();
  const places = new Set(seen.elsewhere.splice(before));
  seen.provider = [...places];
}
await browser.close();
console.log(JSON.stringify(seen));

// Makes elements. Texts become text nodes and nothing else: whatever a client called itself, it is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(made, members, children) {
  for (const [name, value] of Object.entries(members ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else made.setAttribute(name, String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** An element; members whose names begin with "on" are listeners. */
export const element = (tag, members, ...children) => fill(document.createElement(tag), members, children);

/** The same in a drawing. */
export const drawn = (tag, members, ...children) => fill(document.createElementNS(SVG, tag), members, children);

/** A text of somebody else's: set apart, so that it cannot turn the direction of what stands around it. */
export const foreign = (text, members) => element("bdi", members, shown(String(text)));

const UNSEEN = /([\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}])/u;

/** Characters that cannot be seen are written as their numbers. */
function shown(text) {
  return text.split(UNSEEN).filter((part) => part !== "").map((part) => (UNSEEN.test(part) ? code(part) : part));
}

function code(characters) {
  const numbers = [...characters].map((c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
  return element("span", { class: "unseen" }, numbers.join(" "));
}

const MARKS = {
  foreign: "outside ASCII",
  confusable: "looks like an ASCII character, and is another one",
  bidirectional: "turns the direction of the text",
  invisible: "cannot be seen",
};

/** A name in runs as /review gives them, with every character marked that is not what it seems. */
export function markedName(runs) {
  const parts = runs.map(({ text, appearance }) => {
    if (appearance === "plain") return text;
    const isUnseen = appearance === "bidirectional" || appearance === "invisible";
    const inside = isUnseen ? code(text) : text;
    return element("mark", { class: appearance, title: MARKS[appearance] ?? appearance }, inside);
  });
  return element("bdi", {}, parts);
}

/** What the marks in a name mean, in words; undefined: there is nothing to say. */
export function markedNote(runs) {
  const kinds = ["bidirectional", "invisible", "confusable", "foreign"];
  const found = kinds.filter((kind) => runs.some((run) => run.appearance === kind));
  if (found.length === 0) return undefined;
  const told = found.map((kind) => {
    const characters = runs.filter((run) => run.appearance === kind).map((run) => [...run.text]).flat();
    const numbers = [...new Set(characters)].slice(0, 8);
    const listed = numbers.map((c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`).join(", ");
    return `${MARKS[kind]}: ${listed}`;
  });
  const isAlarming = found.some((kind) => kind !== "foreign");
  return element("p", { class: isAlarming ? "warning" : "note" }, `In the name: ${told.join("; ")}`);
}

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A moment in the reader's own time. */
export const moment = (text) =>
  text ? element("time", { datetime: text, title: text }, MOMENT.format(new Date(text))) : "—";

/** A list of terms; those without a description are left out. */
export const terms = (pairs) =>
  element(
    "dl",
    {},
    pairs
      .filter(([, description]) => description !== undefined && description !== null && description !== "")
      .map(([term, description]) => element("div", {}, element("dt", {}, term), element("dd", {}, description))),
  );

/** A table that becomes a list of cards where there is little room: each cell knows what its column is called. */
export function table(caption, columns, rows) {
  const cells = (row) => row.map((cell, place) => element("td", { "data-column": columns[place] }, cell));
  return element(
    "table",
    {},
    element("caption", { class: "unheard" }, caption),
    element("thead", {}, element("tr", {}, columns.map((column) => element("th", { scope: "col" }, column)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, cells(row)))),
  );
}

/** A labelled field. */
let fields = 0;
export function field(label, tag, members, ...children) {
  const id = `field-${(fields += 1)}`;
  const input = element(tag, { id, ...members }, ...children);
  return { input, whole: element("div", { class: "field" }, element("label", { for: id }, label), input) };
}

/** The heading of a place; it takes the focus when the place is entered. */
export const heading = (...children) => element("h1", { tabindex: "-1" }, ...children);

/** Tells what happened, also to those who do not see it. */
export function tell(kind, ...sentence) {
  const told = document.getElementById("told");
  const close = element("button", { class: "plain", "aria-label": "Close", onclick: () => told.replaceChildren() }, "×");
  told.replaceChildren(element("p", { class: kind }, element("span", {}, ...sentence), close));
}

/** The state of a client, or of a token, or an outcome. */
export const badge = (state) => element("span", { class: `badge ${String(state).replace(/[^a-z_]/g, "")}` }, String(state).replaceAll("_", " "));

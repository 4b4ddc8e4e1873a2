// The registrations as they come: counted per hour, and listed.

import * as api from "./api.js";
import { chart, perHour } from "./chart.js";
import { linkTo } from "./client.js";
import { badge, element, field, foreign, heading, moment, table } from "./elements.js";

const DAY = 24 * 3_600_000;
const EVERY = 5_000;
/** Beyond this many in a day the counts say that they are not all. */
const COUNTED = 4_000;
const LISTED = 50;

const row = (registration) => [
  moment(registration.at),
  registration.client_id ? linkTo(registration.client_id, foreign(registration.client_name ?? registration.client_id)) : foreign(registration.client_name ?? "without a name"),
  registration.profile,
  foreign(registration.registrant.address),
  element("span", {}, badge(registration.outcome ?? "under_way"), registration.reason && [" ", foreign(registration.reason, { class: "note" })]),
];

export async function registrationsPlace(_operator, signal) {
  const drawing = element("div", {});
  const listing = element("div", {});
  const note = element("p", { class: "note" });
  const live = field("Live", "input", { type: "checkbox", checked: true });
  const known = new Map();
  let isAll = true;

  const show = () => {
    const newest = [...known.values()].sort((a, b) => (a.at < b.at ? 1 : -1));
    const before = drawing.firstChild?.scrollLeft;
    const drawn = chart(perHour(newest, Date.now()));
    drawing.replaceChildren(drawn);
    // Where there is little room, the newest hour is what is seen first.
    requestAnimationFrame(() => (drawn.scrollLeft = before ?? drawn.scrollWidth));
    listing.replaceChildren(
      newest.length > 0
        ? table("The newest registrations", ["When", "Client", "Profile", "From", "Outcome"], newest.slice(0, LISTED).map(row))
        : element("p", { class: "empty" }, "Nobody registered in the last day."),
    );
    note.textContent = isAll ? "" : `More than ${known.size} in the last day: the earliest hours are not counted.`;
  };
  // What was under way may have ended, so the newest page is read again as a whole.
  const read = async (enough) => {
    const since = Date.now() - DAY;
    const page = await api.pages(api.registrations, {}, (entries) => enough(entries) || Date.parse(entries.at(-1).at) < since);
    for (const entry of page.entries) known.set(entry.id, entry);
    for (const [id, entry] of known) if (Date.parse(entry.at) < since) known.delete(id);
    return page;
  };
  const first = await read((entries) => entries.length >= COUNTED);
  isAll = first.isAll || Date.parse(first.entries.at(-1)?.at) < Date.now() - DAY;
  show();

  const again = async () => {
    if (live.input.checked && document.visibilityState === "visible") {
      try {
        const seen = new Set(known.keys());
        await read((entries) => seen.has(entries.at(-1)?.id) || entries.length >= COUNTED);
        show();
      } catch {
        note.textContent = "The gateway did not answer; it is asked again.";
      }
    }
    if (!signal.aborted) timer = setTimeout(again, EVERY);
  };
  let timer = setTimeout(again, EVERY);
  signal.addEventListener("abort", () => clearTimeout(timer));
  const control = element("div", { class: "check" }, live.input, live.whole.firstChild);
  return [element("div", { class: "row" }, heading("Registrations"), control), note, drawing, element("h2", {}, "The newest"), listing];
}

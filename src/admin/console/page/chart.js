// How many registrations there were in each hour of the last day, drawn; and the same in a table for those who do not see it.

import { drawn, element, table } from "./elements.js";

const HOUR = 3_600_000;
const HOURS = 24;
const WIDTH = 720;
const HEIGHT = 170;
const FOOT = 22;
const HEAD = 16;

/** The counts, oldest hour first. */
export function perHour(registrations, now) {
  const last = Math.floor(now / HOUR) * HOUR;
  const hours = Array.from({ length: HOURS }, (_, index) => ({
    from: last - (HOURS - 1 - index) * HOUR,
    registered: 0,
    others: 0,
  }));
  for (const { at, outcome } of registrations) {
    const place = Math.floor((Date.parse(at) - hours[0].from) / HOUR);
    if (place < 0 || place >= HOURS) continue;
    hours[place][outcome === "registered" ? "registered" : "others"] += 1;
  }
  return hours;
}

const name = (hour) => new Date(hour.from).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

export function chart(hours) {
  const most = Math.max(1, ...hours.map((hour) => hour.registered + hour.others));
  const room = HEIGHT - FOOT - HEAD;
  const step = WIDTH / HOURS;
  const bars = hours.flatMap((hour, index) => {
    const x = index * step + 3;
    const width = step - 6;
    const registered = (hour.registered / most) * room;
    const others = (hour.others / most) * room;
    const foot = HEIGHT - FOOT;
    const all = hour.registered + hour.others;
    return [
      hour.registered > 0 && drawn("rect", { class: "registered", x, width, y: foot - registered, height: registered, rx: 2 }),
      hour.others > 0 && drawn("rect", { class: "others", x, width, y: foot - registered - others, height: others, rx: 2 }),
      all > 0 && drawn("text", { class: "count", x: x + width / 2, y: foot - registered - others - 4 }, String(all)),
      index % 4 === 1 && drawn("text", { class: "hour", x: x + width / 2, y: HEIGHT - 6 }, name(hour)),
    ];
  });
  const total = hours.reduce((sum, hour) => sum + hour.registered + hour.others, 0);
  const label = `${total} registrations in the last ${HOURS} hours, at most ${most} in one hour`;
  const line = drawn("line", { class: "ground", x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT });
  const picture = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, bars, line);
  const rows = hours.map((hour) => [name(hour), String(hour.registered), String(hour.others)]);
  return element(
    "figure",
    { class: "chart", tabindex: "0", "aria-label": "Registrations per hour" },
    element(
      "figcaption",
      {},
      `Per hour, the last ${HOURS} hours: `,
      element("span", { class: "key registered" }, "registered"),
      " ",
      element("span", { class: "key others" }, "with another outcome, or under way"),
    ),
    picture,
    element("details", {}, element("summary", {}, "The counts as a table"), table("Registrations per hour", ["Hour", "Registered", "Others"], rows)),
  );
}

// What detectors of anomalies found: listed, and beside the client it concerns.

import * as api from "./api.js";
import { badge, element, field, foreign, heading, moment, table } from "./elements.js";

/** How far over its threshold something is: a half is just at it. */
const percent = (score) => `${Math.round(score * 100)} %`;
const words = (name) => name.replaceAll("_", " ");
const about = ({ kind, name }) => element("span", {}, words(kind), name !== "" && [" ", foreign(name)]);

/** Findings in a few lines. */
export function told(findings) {
  if (findings.length === 0) return element("p", { class: "note" }, "None.");
  const items = findings.map(({ at, sentence, score }) => element("li", {}, foreign(sentence), element("span", { class: "note" }, " ", percent(score), ", ", moment(at))));
  return element("ul", {}, items);
}

const row = (finding) => [moment(finding.at), words(finding.detector), about(finding.subject), percent(finding.score), badge(finding.mode), foreign(finding.sentence)];

/** The place of all of them. */
export async function findingsPlace(asked) {
  const detector = asked.get("detector") ?? "";
  const { findings, next } = await api.findings({ detector, cursor: asked.get("cursor") ?? undefined, limit: 50 });
  const input = field("Detector", "input", { type: "search", name: "detector", value: detector });
  const onsubmit = (event) => {
    event.preventDefault();
    const wanted = input.input.value.trim().toLowerCase().replace(/\s+/gu, "_");
    location.hash = wanted === "" ? "#/findings" : `#/findings?${new URLSearchParams({ detector: wanted })}`;
  };
  const form = element("form", { class: "search", role: "search", onsubmit }, input.whole, element("button", { type: "submit" }, "Search"));
  const further = new URLSearchParams(asked);
  further.set("cursor", next ?? "");
  return [
    heading("Findings"),
    form,
    findings.length > 0 ? table("What detectors found", ["When", "Detector", "About", "Score", "Mode", "What"], findings.map(row)) : element("p", { class: "empty" }, "Nothing was found."),
    next && element("p", {}, element("a", { href: `#/findings?${further}` }, "Further back")),
  ];
}

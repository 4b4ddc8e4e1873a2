// Reads JSON as JavaScript does. Each line: a body, a tab, and what it means (`other_languages.rs` says how that is written).
import { readFileSync } from "node:fs";

const hex = (text) => Buffer.from(text, "utf8").toString("hex");

function meaning(value) {
  if (value === null) return "n";
  if (typeof value === "boolean") return value ? "t" : "f";
  if (typeof value === "number") return "d" + value;
  if (typeof value === "string") return "s" + hex(value);
  if (Array.isArray(value)) return "[" + value.map(meaning).join(",") + "]";
  const members = Object.keys(value).map((name) => hex(name) + ":" + meaning(value[name]));
  return "{" + members.sort().join(",") + "}";
}

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const [body, meant] = line.split("\t");
  const read = meaning(JSON.parse(body));
  if (read !== meant) {
    console.error(`JavaScript reads ${read} from ${body}`);
    process.exit(1);
  }
}

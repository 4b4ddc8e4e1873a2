"""Reads JSON as Python does. Each line: a body, a tab, and what it means (`other_languages.rs` says how that is written)."""
import json
import sys


def meaning(value):
    if value is None:
        return "n"
    if value is True:
        return "t"
    if value is False:
        return "f"
    if isinstance(value, (int, float)):
        return "d" + repr(value)
    if isinstance(value, str):
        return "s" + value.encode().hex()
    if isinstance(value, list):
        return "[" + ",".join(map(meaning, value)) + "]"
    members = sorted(name.encode().hex() + ":" + meaning(member) for name, member in value.items())
    return "{" + ",".join(members) + "}"


lines = sys.stdin.buffer.read().split(b"\n")
for line in filter(None, lines):
    body, meant = line.split(b"\t")
    read = meaning(json.loads(body))
    if read.encode() != meant:
        sys.exit(f"Python reads {read} from {body!r}")

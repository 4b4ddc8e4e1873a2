"""The results as Markdown. Pure."""

from .contestants import ALL
from .results import FLOOR, WAITED, aims


def number(value, digits=2, sign=False):
    return "-" if value is None else f"{value:{'+' if sign else ''},.{digits}f}"


def significant(value):
    """Three digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(ratios):
    return f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""


def _rows(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def accepted(results):
    """The registration that is let through: rate, processor time, latency at a fixed rate, memory."""
    head = ["", "per s", "beside bare", "core busy", "CPU, µs", "beside bare", "p50, ms", "p99", "p99.9", "p99 added", "memory, MiB", "beside bare"]
    rows = []
    for proxy in results.proxies():
        one, floor = (proxy, "accepted"), (FLOOR, "accepted")
        rates, cpu = (results.ratios(what, one, floor) for what in ("rate", "cpu_micros"))
        busy = results.value(*one, "busy")
        waited = "at least " if busy is not None and busy < WAITED else ""
        held, floor_held = results.held(proxy, "after"), results.held(FLOOR, "after")
        rows.append(
            [
                ALL[proxy],
                waited + significant(results.value(*one, "rate")),
                number(results.ratio("rate", one, floor)) + spread(rates),
                "-" if busy is None else f"{busy:.0%}",
                significant(results.value(*one, "cpu_micros")),
                number(results.ratio("cpu_micros", one, floor)) + spread(cpu),
                *(number(results.value(proxy, "paced", what), 3) for what in ("p50", "p99", "p999")),
                number(results.added("p99", (proxy, "paced"), (FLOOR, "paced")), 3, sign=True),
                number(held, 1),
                number(held / floor_held if held and floor_held else None),
            ]
        )
    return _rows(head, rows)


def others(results):
    """Everything else: rate and processor time of each scenario."""
    names = [name for name in results.scenarios() if name not in ("accepted", "paced")]
    head = [""] + [f"{name.replace('_', ' ')}: {what}" for name in names for what in ("per s", "CPU, µs")]
    rows = []
    for proxy in results.proxies():
        cells = (significant(results.value(proxy, name, what)) for name in names for what in ("rate", "cpu_micros"))
        rows.append([ALL[proxy], *cells])
    return _rows(head, rows)


def met(results):
    """The aims."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [[sentence, aim, number(measured), words[is_met]] for sentence, aim, measured, is_met in aims(results)]
    return _rows(["", "aim", "measured", "met"], rows)


def whole(results, facts):
    """What goes into the document."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts = [
        f"{facts['date']}, {facts['commit']}, {facts['machine']}. {versions}.\n"
        f"Medians of {facts['rounds']} rounds of {facts['seconds']} s each; ratios are taken round by round, in parentheses the smallest and the largest.\n"
        f"Others had {results.others():.2f} of a core meanwhile.",
        "An accepted registration; latencies with the load held to "
        f"{facts['pace']:,} a second, from when a request was due. \"At least\": the proxy's core was not busy, the load was.",
        accepted(results),
        "![The same as bars](compare.svg)",
        "Everything else:",
        others(results),
        "What was aimed at (the gateway with its record in memory):",
        met(results),
    ]
    if without := facts.get("without"):
        parts.append("Left out: " + "; ".join(without) + ".")
    return "\n\n".join(parts)

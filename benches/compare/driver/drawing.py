"""The results as a picture: bars beside the bare Pingora's, readable on light and dark pages. Plain SVG. Pure."""

from xml.sax.saxutils import escape

from .contestants import ALL
from .results import FLOOR

WIDTH, LABELS, ROW, TITLE = 760, 190, 22, 34
STYLE = """
  svg { color-scheme: light dark; font: 13px system-ui, sans-serif; }
  text { fill: #1f2328; } .quiet { fill: #59636e; } .line { stroke: #59636e; stroke-dasharray: 3 3; } .whisker { stroke: #1f2328; }
  .gateway { fill: #0969da; } .other { fill: #8c959f; } .floor { fill: #57606a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .quiet { fill: #9198a1; } .line { stroke: #9198a1; } .whisker { stroke: #f0f6fc; }
    .gateway { fill: #4493f8; } .other { fill: #656c76; } .floor { fill: #9198a1; }
  }
"""


def panels(results):
    """Title, and for each proxy the ratio with its smallest and largest."""

    def of(title, what, scenario):
        bars = []
        for proxy in results.proxies():
            ratios = results.ratios(what, (proxy, scenario), (FLOOR, scenario))
            bars.append((proxy, results.ratio(what, (proxy, scenario), (FLOOR, scenario)), ratios))
        return title, bars

    floor = results.held(FLOOR, "after")
    memory = [(proxy, results.held(proxy, "after") / floor if floor and results.held(proxy, "after") else None, []) for proxy in results.proxies()]
    return [
        of("Accepted registrations per second (more is better)", "rate", "accepted"),
        of("Processor time of one (less is better)", "cpu_micros", "accepted"),
        of("p50 at a fixed rate (less is better)", "p50", "paced"),
        of("p99 at a fixed rate (less is better)", "p99", "paced"),
        of("p99.9 at a fixed rate (less is better)", "p999", "paced"),
        ("Memory afterwards (less is better)", memory),
        of("Forwarded GET per second (more is better)", "rate", "get"),
        of("Forwarded POST of 64 KiB per second (more is better)", "rate", "post"),
    ]


def _style_of(proxy):
    return "floor" if proxy == FLOOR else "gateway" if ALL[proxy].startswith("gateway") else "other"


def _panel(title, bars, top):
    known = [value for _, value, ratios in bars if value is not None for value in (value, *ratios)]
    # What is far beyond the others is cut, and says so.
    most = min(max([*known, 1.0]), 6.0)
    scale = (WIDTH - LABELS - 90) / most
    lines = [f'<text x="0" y="{top + 14}" font-weight="600">{escape(title)}</text>']
    for index, (proxy, value, ratios) in enumerate(bars):
        y = top + TITLE - 10 + index * ROW
        lines.append(f'<text x="{LABELS - 8}" y="{y + 14}" text-anchor="end">{escape(ALL[proxy])}</text>')
        if value is None:
            lines.append(f'<text class="quiet" x="{LABELS + 4}" y="{y + 14}">not measured</text>')
            continue
        length = min(value, most) * scale
        lines.append(f'<rect class="{_style_of(proxy)}" x="{LABELS}" y="{y + 3}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>')
        end = length
        if len(ratios) > 1:
            low, high = (min(one, most) * scale for one in (min(ratios), max(ratios)))
            lines.append(f'<path class="whisker" d="M{LABELS + low:.1f} {y + 10}H{LABELS + high:.1f}"/>')
            end = max(length, high)
        told = f"{value:.2f}" if value <= most else f"{value:.1f} (cut)"
        lines.append(f'<text x="{LABELS + end + 6:.1f}" y="{y + 14}">{told}</text>')
    x = LABELS + scale
    bottom = top + TITLE - 10 + len(bars) * ROW
    lines.append(f'<path class="line" d="M{x:.1f} {top + TITLE - 10}V{bottom}"/>')
    return lines, bottom + 14


def svg(results, caption):
    """The whole picture."""
    lines, top = [], 30
    for title, bars in panels(results):
        if all(value is None for _, value, _ in bars):
            continue
        drawn, top = _panel(title, bars, top)
        lines += drawn
    lines.insert(0, f'<text class="quiet" x="0" y="14">{escape(caption)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img">'
    about = f"<title>{escape('Proxies beside a bare Pingora, which is 1 in every panel')}</title>"
    return "\n".join([head, about, f"<style>{STYLE}</style>", *lines, "</svg>"]) + "\n"

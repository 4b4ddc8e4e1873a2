//! The curves as a picture: cost beside that of the smallest size, sizes by tenfolds; readable on light and dark pages.

use std::fmt::Write as _;

use super::report::{Curve, grouped};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 40.0;
/// Up to a million.
const TENFOLDS: f64 = 6.0;
/// Names at the ends of curves keep this far apart.
const LINE: f64 = 16.0;

const STYLE: &str = "
  svg { color-scheme: light dark; font: 12px system-ui, sans-serif; }
  text { fill: #1f2328; } .grid { stroke: #d1d9e0; } .curve { fill: none; stroke-width: 2; }
  .c0 { stroke: #0969da; } .c1 { stroke: #1a7f37; } .c2 { stroke: #9a6700; } .c3 { stroke: #cf222e; }
  .c4 { stroke: #8250df; } .c5 { stroke: #bc4c00; } .c6 { stroke: #59636e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .grid { stroke: #3d444d; }
    .c0 { stroke: #4493f8; } .c1 { stroke: #3fb950; } .c2 { stroke: #d29922; } .c3 { stroke: #f85149; }
    .c4 { stroke: #ab7df8; } .c5 { stroke: #db6d28; } .c6 { stroke: #9198a1; }
  }
";

/// The whole picture.
pub fn svg(curves: &[Curve]) -> String {
    let highest = curves.iter().flat_map(|curve| beside_first(curve).map(|(_, cost)| cost)).fold(2.0, f64::max).ceil();
    let x = |size: u64| LEFT + (size.max(1) as f64).log10() / TENFOLDS * (WIDTH - LEFT - RIGHT);
    let y = |cost: f64| HEIGHT - BOTTOM - cost / highest * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
         <title>What a registration costs as things grow</title>\n<style>{STYLE}</style>\n\
         <text x=\"0\" y=\"16\">Processor time of one registration, beside that with the fewest</text>\n"
    );
    grid(&mut svg, highest, (&x, &y));
    let mut labels = Vec::new();
    for (colour, curve) in curves.iter().enumerate() {
        let points: Vec<_> = beside_first(curve).map(|(size, cost)| format!("{:.1},{:.1}", x(size), y(cost))).collect();
        put(&mut svg, format_args!("<polyline class=\"curve c{colour}\" points=\"{}\"/>", points.join(" ")));
        if let Some((size, cost)) = beside_first(curve).last() {
            labels.push((y(cost), x(size), colour, format!("{} ×{cost:.2}", curve.name)));
        }
    }
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    // From the lowest upwards: nearly all curves end near the bottom.
    let mut lowest = HEIGHT - BOTTOM + LINE;
    for (wanted, end, colour, text) in labels.into_iter().rev() {
        let at = wanted.min(lowest - LINE);
        lowest = at;
        let from = WIDTH - RIGHT + 8.0;
        put(
            &mut svg,
            format_args!(
                "<path class=\"curve c{colour}\" stroke-opacity=\"0.4\" d=\"M{end:.1} {wanted:.1}L{from:.1} {at:.1}\"/>"
            ),
        );
        put(&mut svg, format_args!("<text x=\"{:.1}\" y=\"{:.1}\">{text}</text>", from + 4.0, at + 4.0));
    }
    svg.push_str("</svg>\n");
    svg
}

fn grid(svg: &mut String, highest: f64, (x, y): (&impl Fn(u64) -> f64, &impl Fn(f64) -> f64)) {
    for tenfold in 0..=6 {
        let size = 10_u64.pow(tenfold);
        let at = x(size);
        put(svg, format_args!("<path class=\"grid\" d=\"M{at:.1} {:.1}V{:.1}\"/>", y(0.0), y(highest)));
        let below = HEIGHT - BOTTOM + 18.0;
        put(svg, format_args!("<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", grouped(size)));
    }
    let step = (highest / 6.0).ceil();
    let mut cost = 0.0;
    while cost <= highest {
        let at = y(cost);
        put(svg, format_args!("<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/>", WIDTH - RIGHT));
        put(
            svg,
            format_args!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">×{cost}</text>", LEFT - 6.0, at + 4.0),
        );
        cost += step;
    }
}

fn beside_first(curve: &Curve) -> impl Iterator<Item = (u64, f64)> {
    curve.points.iter().map(|(size, cost)| (*size, cost / curve.points[0].1))
}

fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(svg, "{line}").expect("a text");
}

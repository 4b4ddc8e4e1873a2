//! The table, and what a curve is called.

use std::path::Path;

const BEGIN: &str = "<!-- begin growth -->";
const END: &str = "<!-- end growth -->";

/// Costs of less than this much more, over all sizes, are not told from noise.
const NOISE: f64 = 0.15;

/// What one registration costs, in microseconds, by how many there are.
pub struct Curve {
    pub name: &'static str,
    pub points: Vec<(u64, f64)>,
}

impl Curve {
    fn first(&self) -> (u64, f64) {
        self.points[0]
    }

    fn last(&self) -> (u64, f64) {
        self.points[self.points.len() - 1]
    }

    /// How many times the cost of the smallest the largest has.
    pub fn growth(&self) -> f64 {
        self.last().1 / self.first().1
    }

    /// Flat, logarithmic (each further tenfold costs about the same), or what each further one costs.
    pub fn shape(&self) -> String {
        if self.growth() < 1.0 + NOISE {
            return "flat".to_owned();
        }
        let ((from, least), (to, most)) = (self.first(), self.last());
        let tenfolds = (to.max(1) as f64 / from.max(1) as f64).log10();
        if (most / least - 1.0) / tenfolds < NOISE {
            return format!("logarithmic: {:.1} µs for each tenfold", (most - least) / tenfolds);
        }
        format!("{:.2} µs for each further one", (most - least) / (to - from) as f64)
    }
}

/// One line of it.
pub fn row(curve: &Curve) -> String {
    let points: Vec<_> = curve.points.iter().map(|(size, cost)| format!("{}: {cost:.0}", grouped(*size))).collect();
    format!("| {} | {} | {:.2} | {} |", curve.name, points.join(", "), curve.growth(), curve.shape())
}

/// All of it.
pub fn table(curves: &[Curve]) -> String {
    let head = "| number of | CPU of one registration, µs | largest beside smallest | |\n|---|---|---|---|\n";
    head.to_owned() + &curves.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Puts the table and the picture between the marks of the document; nothing else is changed.
pub fn put_into(document: &Path, table: &str) {
    let text = std::fs::read_to_string(document).expect("a document");
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{} has no {BEGIN}", document.display()));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{} has no {END}", document.display()));
    let picture = "![What a registration costs as things grow](growth.svg)";
    std::fs::write(document, format!("{before}{BEGIN}\n{table}\n\n{picture}\n{END}{after}")).expect("a document");
}

/// With commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

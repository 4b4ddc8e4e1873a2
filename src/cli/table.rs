//! Tables for people: columns as wide as their widest cell, two spaces between them. What a terminal would obey, or show otherwise than it is, is never
//! written.

use std::io::{self, Write};

use super::printable;

/// No column is made wider than this.
const WIDEST: usize = 100;

/// Writes `rows` under `head`; the last column is never padded.
pub(super) fn write<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> io::Result<()> {
    lines(head, rows).try_for_each(|line| writeln!(out, "{line}"))
}

/// Goes on with a table whose head was written before.
pub(super) fn write_more<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> io::Result<()> {
    lines(head, rows).skip(1).try_for_each(|line| writeln!(out, "{line}"))
}

/// The head and the rows.
fn lines<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> impl Iterator<Item = String> {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.into_iter().map(|row| row.map(|cell| printable(&cell))));
    // A cell that is wider, as one from elsewhere can be, moves its own line alone.
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).min(WIDEST);
    let widths: [usize; N] = std::array::from_fn(width);
    lines.into_iter().map(move |line| {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["a".to_owned(), "1".to_owned()], ["long\u{1b}[31m".to_owned(), String::new()]];
        super::write(&mut out, ["NAME", "N"], rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME       N\na          1\nlong\u{fffd}[31m\n");
    }

    #[test]
    fn a_table_that_goes_on_has_one_head() {
        let mut out = Vec::new();
        super::write(&mut out, ["NAME", "N"], [["a".to_owned(), "1".to_owned()]]).unwrap();
        super::write_more(&mut out, ["NAME", "N"], [["b".to_owned(), "2".to_owned()]]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME  N\na     1\nb     2\n");
    }

    #[test]
    fn a_cell_of_any_length_is_written_whole() {
        let (mut out, long) = (Vec::new(), "x".repeat(70_000));
        super::write(&mut out, ["NAME", "N"], [[long.clone(), "1".to_owned()]]).unwrap();
        assert!(String::from_utf8(out).unwrap().contains(&format!("{long}  1\n")));
    }

    #[test]
    fn a_name_does_not_turn_the_line_round() {
        let mut out = Vec::new();
        super::write(&mut out, ["NAME"], [["\u{202e}knab".to_owned()]]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME\n\u{fffd}knab\n");
    }
}

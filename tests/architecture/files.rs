//! How a file looks from outside: its name, its length, its first line.

use crate::source::Source;

/// The most lines of code before the tests; from 250 on one looks for the second idea.
const MOST_LINES: usize = 400;

/// Names that say nothing about what stands in a module.
const NAMES_FOR_NOTHING: [&str; 8] = ["utils", "util", "helpers", "helper", "common", "manager", "misc", "shared"];

/// More lines than anybody reads top-down.
pub fn too_long(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count() - source.lines_of_tests;
    let long = lines > MOST_LINES;
    long.then(|| format!("src/{}: {lines} lines, {MOST_LINES} are the most", source.path)).into_iter().collect()
}

/// The most lines that say what a file is.
const MOST_LINES_OF_DOCS: usize = 4;

/// No `//!` at the top, or more than a few lines of it.
pub fn without_module_docs(source: &Source) -> Vec<String> {
    let says = source.text.starts_with("//! ");
    let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
    match (says, lines <= MOST_LINES_OF_DOCS) {
        (true, true) => Vec::new(),
        (false, _) => vec![format!("src/{}: does not begin with `//!`", source.path)],
        (true, false) => vec![format!("src/{}: says in {lines} lines what it is", source.path)],
    }
}

/// A file, a folder or an inline module with a name for anything.
pub fn named_for_nothing(source: &Source) -> Vec<String> {
    let of_file = source.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let modules = (0..source.tokens.len()).filter(|index| source.word(*index) == "mod");
    let all = of_file.chain(modules.map(|index| source.word(index + 1)));
    let empty = all.filter(|name| NAMES_FOR_NOTHING.contains(name));
    empty.map(|name| format!("src/{}: what is in `{name}`?", source.path)).collect()
}

/// `#[cfg(test)]` on something that is no module: code that only tests see stands among code that runs.
pub fn tests_among_code(source: &Source) -> Vec<String> {
    source.tests_among_code.iter().map(|line| format!("{}: tests stand in a module", source.at(*line))).collect()
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let long = "//! Long.\n".to_owned() + &"const _: u8 = 0;\n".repeat(MOST_LINES);
    assert_eq!(too_long(&Source::parse("a.rs", &long)).len(), 1);
    let tested = format!("//! Short.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "const _: u8 = 0;\n".repeat(MOST_LINES));
    assert_eq!(too_long(&Source::parse("a.rs", &tested)), [""; 0]);
    let tested_first = format!("//! Long.\n#[cfg(test)]\nmod tests;\n{}", "const _: u8 = 0;\n".repeat(MOST_LINES));
    assert_eq!(too_long(&Source::parse("a.rs", &tested_first)).len(), 1);
}

#[test]
fn a_file_that_does_not_say_what_it_is_is_found() {
    assert_eq!(without_module_docs(&Source::parse("a.rs", "// What it is.\nconst A: u8 = 1;")).len(), 1);
    assert_eq!(without_module_docs(&Source::parse("a.rs", "//! What it is.\nconst A: u8 = 1;")), [""; 0]);
    let long = "//! What it is.\n".repeat(5);
    assert_eq!(without_module_docs(&Source::parse("a.rs", &long)).len(), 1);
}

#[test]
fn a_name_for_anything_is_found() {
    for (path, text) in [("policy/utils.rs", ""), ("common/mod.rs", ""), ("policy/mod.rs", "mod helpers {}")] {
        assert_eq!(named_for_nothing(&Source::parse(path, text)).len(), 1, "{path} {text}");
    }
    assert_eq!(named_for_nothing(&Source::parse("policy/mod.rs", "mod judge; fn helpers() {}")), [""; 0]);
}

#[test]
fn a_test_among_code_is_found() {
    assert_eq!(tests_among_code(&Source::parse("a.rs", "#[cfg(test)] fn only_for_tests() {}")).len(), 1);
    assert_eq!(tests_among_code(&Source::parse("a.rs", "#[cfg(test)] use std::fmt;")).len(), 1);
    assert_eq!(tests_among_code(&Source::parse("a.rs", "#[cfg(test)] pub(crate) mod tests {}")), [""; 0]);
}

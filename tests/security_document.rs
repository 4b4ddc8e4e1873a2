//! `SECURITY.md` names a test for every threat, and every test that it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// What stands between backticks and looks like `tests/….rs::name`.
fn tests_named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_source = |path: &str| (path.starts_with("tests/") || path.starts_with("src/")) && path.ends_with(".rs");
    quoted.filter_map(|quoted| quoted.split_once("::")).filter(|(path, _)| is_source(path)).collect()
}

/// Rows of the tables of threats: those that begin with a letter of STRIDE.
fn threats(document: &str) -> Vec<&str> {
    let letters = ["| S |", "| T |", "| R |", "| I |", "| D |", "| E |"];
    document.lines().filter(|line| letters.iter().any(|letter| line.starts_with(letter))).collect()
}

/// Whether the source has a test of that name, written out or in `proptest!`.
fn has_test(source: &str, name: &str) -> bool {
    source.match_indices(&format!("fn {name}(")).any(|(at, _)| {
        let before = &source[..at];
        let attributes = &before[before.rfind(['}', ';']).map_or(0, |end| end + 1)..];
        attributes.contains("#[test]") || attributes.contains("#[tokio::test")
    })
}

#[test]
fn every_test_that_is_named_exists() {
    let document = read("SECURITY.md").unwrap();
    let named: BTreeSet<_> = tests_named(&document).into_iter().collect();
    assert!(named.len() >= 100, "only {} tests are named", named.len());
    let missing: Vec<_> =
        named.iter().filter(|(path, name)| !read(path).is_some_and(|source| has_test(&source, name))).collect();
    assert!(missing.is_empty(), "named in SECURITY.md, and nowhere else: {missing:#?}");
}

#[test]
fn every_threat_names_its_tests() {
    let document = read("SECURITY.md").unwrap();
    let threats = threats(&document);
    assert!(threats.len() >= 45, "only {} threats", threats.len());
    for threat in threats {
        assert!(!tests_named(threat).is_empty(), "nothing covers: {threat}");
    }
}

#[test]
fn every_kind_of_threat_is_thought_of() {
    let document = read("SECURITY.md").unwrap();
    let kinds: BTreeSet<char> = threats(&document).iter().filter_map(|threat| threat.chars().nth(2)).collect();
    assert_eq!(kinds, BTreeSet::from(['S', 'T', 'R', 'I', 'D', 'E']));
}

#[test]
fn a_test_is_known_by_its_attribute() {
    assert!(has_test("#[test]\nfn it_holds() {}", "it_holds"));
    assert!(has_test("#[tokio::test(flavor = \"current_thread\")]\nasync fn it_holds() {}", "it_holds"));
    assert!(has_test("proptest! {\n #[test]\n fn it_holds(x in 0..1) {}\n}", "it_holds"));
    for source in ["fn it_holds() {}", "#[test]\nfn another() {}\nfn it_holds() {}", "#[test]\nfn it_holds_too() {}"] {
        assert!(!has_test(source, "it_holds"), "{source}");
    }
    assert_eq!(tests_named("`a` b `tests/a.rs::b` `c::d`"), [("tests/a.rs", "b")]);
}

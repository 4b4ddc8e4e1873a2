//! The order of the checks of a registration: cheap before dear, and nothing is sent before it is judged and written down.

use crate::source::{Source, Sources};

/// A function, and what it calls, in this order.
type Steps = (&'static str, &'static str, &'static [&'static str]);

const REGISTRATION: [Steps; 3] = [
    (
        "intake/register.rs",
        "take_through",
        &[
            "form::check",
            "response::check_address",
            "response::check_lockdown",
            "throttle_address",
            "self.admit",
            "form::read",
            "issuers.hear",
            "self.throttle_software",
            "self.judge",
            "self.carry_out",
            "form::created",
        ],
    ),
    ("intake/register.rs", "admit", &["self.identify", "self.choose_profile", "self.throttle_registrant"]),
    ("intake/carry_out.rs", "carry_out", &["begin", "registrar.register", "store.finish"]),
];

/// Steps that are missing, or come before those that they follow.
pub fn out_of_order(sources: &Sources) -> Vec<String> {
    let of = |path| sources.code().find(|source| source.path == path).unwrap_or_else(|| panic!("no src/{path}"));
    REGISTRATION.iter().flat_map(|(path, function, steps)| of_function(of(*path), function, steps)).collect()
}

fn of_function(source: &Source, function: &str, steps: &[&str]) -> Vec<String> {
    let declared = format!("fn {function}");
    let begins = (0..source.tokens.len()).find(|index| source.stands_at(*index, &declared)).unwrap_or_default();
    let mut from = begins + 1;
    let mut found = Vec::new();
    for step in steps {
        let call = format!("{} (", step.replace("::", " : : ").replace('.', " . "));
        let end = (from..source.tokens.len()).find(|index| source.word(*index) == "fn").unwrap_or(source.tokens.len());
        match (from..end).find(|index| source.stands_at(*index, &call)) {
            Some(index) => from = index + 1,
            None => found.push(format!("src/{}: `{function}` does not call `{step}` in its place", source.path)),
        }
    }
    found
}

#[test]
fn a_step_that_is_missing_or_too_early_is_found() {
    let source =
        Source::parse("a.rs", "fn other() { c(); } async fn taken() { a(); self.b(1)?; x::c().await } fn c() {}");
    let found = |steps: &[&str]| of_function(&source, "taken", steps).len();
    assert_eq!(found(&["a", "self.b", "x::c"]), 0);
    assert_eq!(found(&["self.b", "a", "x::c"]), 1);
    assert_eq!(found(&["a", "self.d"]), 1);
}

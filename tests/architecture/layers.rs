//! Which top-level module may import which. The table is written from the bottom up, so that nothing can point upward.

use crate::source::Source;

/// A module, and what it may import: only modules that stand above it in this table.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("text_form", &[]),
    ("duration", &["text_form"]),
    ("secret", &[]),
    ("handed_over", &[]),
    ("hexadecimal", &[]),
    ("percent", &["hexadecimal"]),
    ("key_file", &[]),
    ("parameter_name", &[]),
    ("pem", &[]),
    ("subscriber", &[]),
    ("randomness", &["hexadecimal"]),
    ("setting_problem", &[]),
    ("registration", &["percent"]),
    (
        "policy",
        &["duration", "hexadecimal", "parameter_name", "percent", "registration", "setting_problem", "text_form"],
    ),
    ("lifecycle", &["clock"]),
    ("jose", &["clock", "registration"]),
    ("fetch", &["clock", "duration", "pem", "secret"]),
    (
        "store",
        &["clock", "duration", "hexadecimal", "key_file", "lifecycle", "policy", "registration", "secret", "text_form"],
    ),
    ("sealing", &["hexadecimal", "key_file", "secret", "store"]),
    ("throttle", &["clock", "duration", "policy", "secret", "setting_problem", "subscriber", "text_form"]),
    ("telemetry", &["clock", "duration", "policy", "secret", "setting_problem"]),
    (
        "registrant",
        &[
            "clock",
            "duration",
            "fetch",
            "hexadecimal",
            "jose",
            "percent",
            "policy",
            "randomness",
            "registration",
            "secret",
            "setting_problem",
            "store",
        ],
    ),
    (
        "authorization_server",
        &[
            "clock",
            "duration",
            "fetch",
            "lifecycle",
            "percent",
            "policy",
            "registration",
            "secret",
            "setting_problem",
            "telemetry",
        ],
    ),
    (
        "audit",
        &[
            "clock",
            "duration",
            "key_file",
            "policy",
            "registration",
            "secret",
            "setting_problem",
            "store",
            "subscriber",
            "telemetry",
            "text_form",
        ],
    ),
    (
        "anomaly",
        &[
            "audit",
            "clock",
            "duration",
            "fetch",
            "policy",
            "registration",
            "secret",
            "setting_problem",
            "store",
            "telemetry",
        ],
    ),
    (
        "alert",
        &[
            "anomaly",
            "audit",
            "clock",
            "duration",
            "fetch",
            "percent",
            "randomness",
            "registration",
            "secret",
            "setting_problem",
            "store",
            "telemetry",
        ],
    ),
    ("intake", BELOW_INTAKE),
    ("proxy", PROXY),
    ("admin", ADMIN),
    // Its settings stand with the modules that use them.
    ("config", BELOW_CONFIG),
    ("server", BELOW_SERVER),
    ("demo", &["audit", "clock", "config", "randomness", "registrant", "registration", "secret", "server", "store"]),
    ("cli", CLI),
    ("main", &["cli"]),
    ("lib", &[]),
];

const BELOW_INTAKE: &[&str] = &[
    "anomaly",
    "audit",
    "authorization_server",
    "clock",
    "duration",
    "hexadecimal",
    "jose",
    "lifecycle",
    "percent",
    "policy",
    "randomness",
    "registrant",
    "registration",
    "sealing",
    "secret",
    "setting_problem",
    "store",
    "telemetry",
    "throttle",
];

const PROXY: &[&str] = &[
    "authorization_server",
    "clock",
    "duration",
    "handed_over",
    "intake",
    "parameter_name",
    "pem",
    "percent",
    "policy",
    "randomness",
    "registrant",
    "secret",
    "subscriber",
    "telemetry",
];

const ADMIN: &[&str] = &[
    "anomaly",
    "audit",
    "clock",
    "duration",
    "fetch",
    "handed_over",
    "hexadecimal",
    "intake",
    "jose",
    "key_file",
    "lifecycle",
    "pem",
    "percent",
    "policy",
    "randomness",
    "registrant",
    "registration",
    "sealing",
    "secret",
    "setting_problem",
    "store",
    "telemetry",
    "throttle",
];

const BELOW_CONFIG: &[&str] = &[
    "admin",
    "alert",
    "anomaly",
    "audit",
    "authorization_server",
    "clock",
    "duration",
    "fetch",
    "intake",
    "jose",
    "key_file",
    "lifecycle",
    "pem",
    "policy",
    "proxy",
    "registrant",
    "registration",
    "sealing",
    "secret",
    "setting_problem",
    "store",
    "telemetry",
    "throttle",
];

const BELOW_SERVER: &[&str] = &[
    "admin",
    "alert",
    "anomaly",
    "audit",
    "authorization_server",
    "clock",
    "config",
    "duration",
    "fetch",
    "handed_over",
    "intake",
    "key_file",
    "jose",
    "lifecycle",
    "policy",
    "proxy",
    "randomness",
    "registrant",
    "registration",
    "sealing",
    "secret",
    "setting_problem",
    "store",
    "telemetry",
    "throttle",
];

/// What answers without a running gateway, or asks one.
const CLI: &[&str] = &[
    "admin",
    "alert",
    "anomaly",
    "audit",
    "authorization_server",
    "clock",
    "config",
    "demo",
    "duration",
    "intake",
    "lifecycle",
    "policy",
    "randomness",
    "registrant",
    "registration",
    "sealing",
    "secret",
    "server",
    "store",
    "telemetry",
];

/// Imports of another module that the table does not allow.
pub fn imports_not_allowed(source: &Source) -> Vec<String> {
    let own = module(source);
    let allowed = allowed(own).unwrap_or_default();
    let of_ours = ["crate", "dcr_gateway"].into_iter().flat_map(|root| source.names_below(root));
    let wrong = of_ours.filter(|name| name.text != own && !allowed.contains(&name.text.as_str()));
    wrong.map(|name| format!("{}: `{own}` may not import `{}`", source.at(name.line), name.text)).collect()
}

/// A module that the table does not have.
pub fn without_layer(source: &Source) -> Vec<String> {
    let missing = allowed(module(source)).is_none();
    missing
        .then(|| format!("src/{}: `{}` has no place in the table", source.path, module(source)))
        .into_iter()
        .collect()
}

/// `super` as often as it takes to leave the top-level module: the import is written with `crate`, where the table sees it.
pub fn supers_too_far(source: &Source) -> Vec<String> {
    let file = source.path.strip_suffix(".rs").unwrap_or(&source.path);
    let depth = file.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).count();
    let too_far = vec!["super : :"; depth].join(" ");
    let leaves = |index: usize| depth > 0 && source.stands_at(index, &too_far);
    let places = (0..source.tokens.len()).filter(|index| leaves(*index));
    places.map(|index| format!("{}: write `crate`", source.at(source.tokens[index].line))).collect()
}

/// The top-level module that a file belongs to.
fn module(source: &Source) -> &str {
    let first = source.path.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

#[test]
fn the_table_itself_points_downward() {
    for (index, (module, allowed)) in LAYERS.iter().enumerate() {
        for import in *allowed {
            let stands_below = LAYERS[..index].iter().any(|(below, _)| below == import);
            assert!(stands_below, "`{module}` is allowed `{import}`, which does not stand above it in the table");
        }
    }
}

#[test]
fn only_the_composition_and_the_command_line_know_the_configuration() {
    let with_config = LAYERS.iter().filter(|(_, allowed)| allowed.contains(&"config")).map(|(module, _)| *module);
    assert_eq!(with_config.collect::<Vec<_>>(), ["server", "demo", "cli"]);
}

#[test]
fn an_import_upward_is_found_however_it_is_written() {
    for text in [
        "use crate::intake::Intake;",
        "use crate::{registration::Host, intake::Intake};",
        "fn f() { crate::intake::register(); }",
        "fn f(x: &crate::intake::Intake) {}",
        "fn f() { assert!(crate::intake::IS_FINE); }",
    ] {
        let found = imports_not_allowed(&Source::parse("policy/judge.rs", text));
        assert_eq!(found, ["src/policy/judge.rs:1: `policy` may not import `intake`"], "{text}");
    }
}

#[test]
fn imports_downward_and_of_tests_are_fine() {
    for text in [
        "use crate::registration::{Host, scope::ScopeSet};",
        "use crate::policy::Rule;",
        "pub(crate) fn f() {}",
        "#[cfg(test)] mod tests { use crate::intake::Intake; }",
        "//! See [`crate::intake`].\nuse std::fmt;",
    ] {
        assert_eq!(imports_not_allowed(&Source::parse("policy/judge.rs", text)), [""; 0], "{text}");
    }
}

#[test]
fn a_module_outside_the_table_is_found() {
    assert_eq!(without_layer(&Source::parse("telepathy/mod.rs", "")).len(), 1);
    assert_eq!(without_layer(&Source::parse("clock.rs", "")), [""; 0]);
}

#[test]
fn a_super_that_leaves_the_module_is_found() {
    let found = |path, text| supers_too_far(&Source::parse(path, text)).len();
    assert_eq!(found("policy/mod.rs", "use super::intake::Intake;"), 1);
    assert_eq!(found("policy/judge.rs", "use super::super::intake::Intake;"), 1);
    assert_eq!(found("policy/judge.rs", "use super::rule::Rule;"), 0);
    assert_eq!(found("policy/rules/jwks.rs", "use super::super::rule::Rule;"), 0);
    assert_eq!(found("clock.rs", "use super::secret::Secret;"), 1);
}

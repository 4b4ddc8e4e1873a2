//! The house's rules, held over `src/`: what may import what, what is pure, how long and how documented a file is, and that
//! `ARCHITECTURE.md` names what is there. Each check is a function from a source to what it found, and beside it stand the snippets
//! that it must find fault with.

#[path = "architecture/crates.rs"]
mod crates;
#[path = "architecture/document.rs"]
mod document;
#[path = "architecture/files.rs"]
mod files;
#[path = "architecture/functions.rs"]
mod functions;
#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/steps.rs"]
mod steps;
#[path = "architecture/words.rs"]
mod words;

use source::{Source, Sources};

/// Holds one rule over every file of the library and the executable, tests left out.
fn holds_everywhere(rule: impl Fn(&Source) -> Vec<String>) {
    let found: Vec<_> = Sources::of_this_package().code().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn nothing_imports_upward() {
    holds_everywhere(layers::imports_not_allowed);
}

#[test]
fn every_module_has_its_layer() {
    holds_everywhere(layers::without_layer);
}

#[test]
fn nobody_reaches_another_module_through_super() {
    holds_everywhere(layers::supers_too_far);
}

#[test]
fn only_the_proxy_and_the_server_name_pingora() {
    holds_everywhere(words::pingora_elsewhere);
}

#[test]
fn what_is_pure_does_no_io_and_asks_for_neither_time_nor_randomness() {
    holds_everywhere(words::impurities);
}

#[test]
fn nothing_panics_outside_tests() {
    holds_everywhere(words::panics);
}

#[test]
fn test_code_stands_in_modules_of_its_own() {
    holds_everywhere(files::tests_among_code);
}

#[test]
fn files_are_short() {
    holds_everywhere(files::too_long);
}

#[test]
fn every_file_says_what_it_is() {
    holds_everywhere(files::without_module_docs);
}

#[test]
fn no_module_is_named_for_nothing() {
    holds_everywhere(files::named_for_nothing);
}

#[test]
fn the_tour_names_what_is_there() {
    let found = document::of_this_package();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_registration_is_taken_through_in_its_order() {
    let found = steps::out_of_order(Sources::of_this_package());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn functions_take_four_arguments_at_most() {
    holds_everywhere(functions::too_many_arguments);
}

#[test]
fn no_function_takes_several_arguments_as_one() {
    holds_everywhere(functions::several_arguments_as_one);
}

#[test]
fn nobody_passes_a_literal_bool_to_our_own_functions() {
    let sources = Sources::of_this_package();
    let own = functions::BoolParameters::of(sources.code());
    holds_everywhere(|source| own.literals_passed(source));
}

#[test]
fn there_is_one_crypto_library_and_one_rustls() {
    let found = crates::crypto_twice(include_str!("../Cargo.lock"));
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

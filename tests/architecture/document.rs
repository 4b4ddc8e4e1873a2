//! The names that `ARCHITECTURE.md` walks through: whoever reads it looks for them, so each has to be there.

use crate::source::{Source, Sources};

/// Names like `intake::carry_out` or `RegisterError::surely_nothing_registered` that nothing in the code has. A part of a name is a module, or a
/// word in what the parts before it have left.
pub fn names_of_nothing<'s>(document: &str, code: impl Iterator<Item = &'s Source>) -> Vec<String> {
    let code: Vec<&Source> = code.collect();
    let names = document.split('`').skip(1).step_by(2).filter(|name| is_path(name));
    names.filter(|name| !is_there(name, &code)).map(|name| format!("ARCHITECTURE.md: there is no `{name}`")).collect()
}

fn is_path(text: &str) -> bool {
    text.contains("::") && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

fn is_there(name: &str, code: &[&Source]) -> bool {
    let mut left = code.to_vec();
    for part in name.split("::") {
        let is_module = |source: &&Source| source.path.split('/').any(|step| step.trim_end_matches(".rs") == part);
        let modules: Vec<&Source> = left.iter().copied().filter(|source| is_module(source)).collect();
        if modules.is_empty() {
            left.retain(|source| source.tokens.iter().any(|token| token.text == part));
        } else {
            left = modules;
        }
    }
    !left.is_empty()
}

/// Of the document, by the code of this package.
pub fn of_this_package() -> Vec<String> {
    names_of_nothing(include_str!("../../ARCHITECTURE.md"), Sources::of_this_package().code())
}

#[test]
fn a_name_of_nothing_is_found() {
    let code = [Source::parse("intake/turn.rs", "struct Held; impl Held { fn record(self) {} }")];
    let found = |name: &str| names_of_nothing(&format!("See `{name}`, `x` and `a/b.rs`."), code.iter()).len();
    for name in ["intake::turn", "intake::turn::Held::record", "Held::record"] {
        assert_eq!(found(name), 0, "{name}");
    }
    for name in ["intake::turns", "intake::turn::Taken", "Held::end", "turn::intake::Held::records"] {
        assert_eq!(found(name), 1, "{name}");
    }
}

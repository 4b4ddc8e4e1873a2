//! `docs/errors.md` is made from the closed list of reasons.

use std::path::Path;

use dcr_gateway::intake::reason::Reason;

fn made() -> String {
    let mut document = String::from(
        "# Errors\n\n\
         Every refusal is JSON, but for the page that a browser gets at the authorization endpoint: `error`, `error_description` (which says it more\n\
         exactly where more is known), `violations` where rules were broken, and `request_id`. Made from `src/intake/reason.rs`: `UPDATE_DOCS=1 cargo test --test errors_document`.\n\n\
         | reason | status | `error` | what was wrong | what to do |\n|---|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let explained = reason.explained();
        let (name, status, code) = (explained.name, explained.status.as_u16(), explained.code.as_str());
        document += &format!("| `{name}` | {status} | `{code}` | {} | {} |\n", explained.sentence, explained.remedy);
    }
    document
}

#[test]
fn the_document_says_what_the_reasons_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, made()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made(),
        "docs/errors.md is not what the reasons say: UPDATE_DOCS=1 cargo test --test errors_document"
    );
}

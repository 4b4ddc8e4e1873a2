//! What a verified software statement says about the request: its redirect URIs are all that the software may use (RFC 7591 §2.3), and
//! what it changed is noted, so that every other rule's sentence can be understood.

use crate::policy::report::Report;
use crate::registration::excerpt::Excerpt;
use crate::registration::{ClientMetadata, ErrorCode};

pub(in crate::policy) fn check(requested: &ClientMetadata, report: &mut Report<'_>) {
    let Some(statement) = &requested.software_statement else { return };
    for change in &statement.changes {
        report.note(&change.place, &change.text);
    }
    for (index, uri) in requested.redirect_uris.iter().flatten().enumerate() {
        // What is no URI at all is another rule's to tell.
        if uri.parsed.as_ref().is_ok_and(|uri| !statement.names(uri)) {
            let problem = format!("{} is not among those of the software statement", Excerpt(&uri.text));
            report.refuse_as(ErrorCode::InvalidRedirectUri, &format!("redirect_uris[{index}]"), problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::policy::report::RuleOutcome;
    use crate::policy::rule::RuleName;
    use crate::registration::SoftwareStatement;

    fn outcome(stated: Value, requested: Value) -> RuleOutcome {
        let object = |value: Value| serde_json::from_value::<Map<String, Value>>(value).unwrap();
        let statement = SoftwareStatement {
            text: "a.b.c".to_owned(),
            issuer: "https://directory.example".to_owned(),
            software_id: None,
            members: object(stated),
        };
        let mut report = Report::new(RuleName::SoftwareStatement, "partners");
        check(&statement.apply(object(requested)), &mut report);
        report.into_outcome()
    }

    #[test]
    fn refuses_a_redirect_uri_that_the_statement_does_not_name() {
        let found = outcome(
            json!({"redirect_uris": ["https://app.example.com/cb"]}),
            json!({"redirect_uris": ["https://app.example.com/cb", "https://evil.example/cb", "nonsense"]}),
        );
        assert_eq!(found.violations.len(), 1);
        assert_eq!(
            found.violations[0].message,
            r#"redirect_uris[1]: "https://evil.example/cb" is not among those of the software statement"#
        );
        assert_eq!(found.violations[0].code, ErrorCode::InvalidRedirectUri);
    }

    #[test]
    fn notes_what_the_statement_changed() {
        let found = outcome(json!({"client_name": "App"}), json!({"redirect_uris": ["https://app.example.com/cb"]}));
        assert_eq!(found.violations, []);
        assert_eq!(found.notes, ["client_name: is taken from the software statement"]);
    }
}

//! The file as a tree, with `${VARIABLE}` replaced by what the environment holds. A text remembers how it was written, so that
//! no message ever shows what came out of a variable.

use serde_yaml::{Number, Value};

use super::place::Place;

/// A part of the file.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A text of the file.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// With variables replaced.
    pub value: String,
    /// As it stands in the file; none when that is the same.
    pub written: Option<String>,
}

/// Where `${VARIABLE}` looks.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What is wrong with one text or key of the tree.
pub(super) struct NodeProblem {
    pub place: Place,
    pub reason: String,
    pub hint: &'static str,
}

impl Node {
    /// The tree of `value`; what cannot be in one is set down in `problems`.
    pub fn of(value: Value, place: &Place, environment: Environment<'_>, problems: &mut Vec<NodeProblem>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(value) => Self::Number(value),
            Value::String(written) => Self::Text(expanded(written, place, environment, problems)),
            Value::Sequence(entries) => Self::List(
                entries
                    .into_iter()
                    .enumerate()
                    .map(|(index, entry)| Self::of(entry, &place.index(index), environment, problems))
                    .collect(),
            ),
            Value::Mapping(members) => Self::Map(
                members
                    .into_iter()
                    .map(|(key, value)| {
                        let key = key_text(key);
                        let node = Self::of(value, &place.key(key.as_str()), environment, problems);
                        (key, node)
                    })
                    .collect(),
            ),
            Value::Tagged(tagged) => {
                let reason = format!("the YAML tag {} has no meaning here", tagged.tag);
                problems.push(NodeProblem { place: place.clone(), reason, hint: "take it out" });
                Self::of(tagged.value, place, environment, problems)
            }
        }
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value as it is written in the file, where it is one text, number or truth value.
    pub fn written(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(value) => Some(value.to_string()),
            // A URL with a user name most likely has a password beside it, also one that is misspelt; some have it among their parameters.
            Self::Text(Text { value, .. })
                if value.contains(':') && (value.contains('@') || value.contains("password")) =>
            {
                None
            }
            Self::Text(text) => Some(text.written.as_ref().unwrap_or(&text.value).clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

/// A key as it is named in messages.
pub(super) fn key_text(key: Value) -> String {
    match key {
        Value::String(key) => key,
        other => serde_yaml::to_string(&other).map(|text| text.trim_end().to_owned()).unwrap_or_default(),
    }
}

fn expanded(written: String, place: &Place, environment: Environment<'_>, problems: &mut Vec<NodeProblem>) -> Text {
    match expand(&written, environment) {
        Ok(value) if value == written => Text { value, written: None },
        Ok(value) => Text { value, written: Some(written) },
        Err(problem) => {
            let (reason, hint) = match problem {
                ExpansionProblem::Unclosed => ("`${` without `}`".to_owned(), "write $${ for a plain ${"),
                ExpansionProblem::NotAName(name) => {
                    (format!("{name:?} is not a variable's name"), "write letters, digits and _, or $${ for a plain ${")
                }
                ExpansionProblem::Missing(name) => {
                    (format!("the variable {name} is not set"), "set it in the gateway's environment")
                }
            };
            problems.push(NodeProblem { place: place.clone(), reason, hint });
            Text { value: written, written: None }
        }
    }
}

enum ExpansionProblem {
    Unclosed,
    NotAName(String),
    Missing(String),
}

/// Replaces `${NAME}`; `$${` stands for `${`. What a variable holds is not looked into again.
fn expand(text: &str, environment: Environment<'_>) -> Result<String, ExpansionProblem> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            done.push_str(before);
            done.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        done.push_str(&rest[..start]);
        let (name, after) = rest[start + 2..].split_once('}').ok_or(ExpansionProblem::Unclosed)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(ExpansionProblem::NotAName(name.to_owned()));
        }
        done.push_str(&environment(name).ok_or_else(|| ExpansionProblem::Missing(name.to_owned()))?);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded_text(text: &str) -> Option<String> {
        expand(text, &|name| (name == "HOST").then(|| "sso.example.com".to_owned())).ok()
    }

    #[test]
    fn a_variable_is_replaced_by_what_it_holds() {
        assert_eq!(
            expanded_text("https://${HOST}/${HOST}").as_deref(),
            Some("https://sso.example.com/sso.example.com")
        );
        assert_eq!(expanded_text("no $HOST, no {HOST}, $").as_deref(), Some("no $HOST, no {HOST}, $"));
    }

    #[test]
    fn a_url_with_a_password_is_not_shown() {
        let written = |value: &str| Node::Text(Text { value: value.to_owned(), written: None }).written();
        assert_eq!(written("postgres://u:hunter2@db/dcr"), None);
        assert_eq!(written("postgres://db/dcr?password=hunter2"), None);
        assert_eq!(written("postgres:/u:hunter2@db/dcr"), None);
        assert_eq!(written("postgres://db/dcr").as_deref(), Some("postgres://db/dcr"));
    }

    #[test]
    fn two_dollars_stand_for_one() {
        assert_eq!(expanded_text("$${HOST} ${HOST}").as_deref(), Some("${HOST} sso.example.com"));
    }

    #[test]
    fn a_variable_that_cannot_be_replaced_is_a_problem() {
        for text in ["${NOT_SET}", "${HOST", "${}", "${a-b}"] {
            assert_eq!(expanded_text(text), None, "{text}");
        }
    }
}

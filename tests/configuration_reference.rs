//! `docs/configuration.md` is made from the settings types; `config.yaml` names every key there is.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

/// One key of the configuration.
struct Key {
    path: String,
    kind: String,
    default: String,
    meaning: String,
}

struct Reference<'s> {
    schema: &'s Value,
    keys: Vec<Key>,
}

impl<'s> Reference<'s> {
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
        match target {
            Some(name) => self.resolve(&self.schema["$defs"][name]),
            None => schema,
        }
    }

    /// What is meant besides `null`.
    fn without_null(&self, schema: &'s Value) -> &'s Value {
        let schema = self.resolve(schema);
        let choices = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        let mut meant = choices.filter(|choice| choice["type"] != "null");
        match (meant.next(), meant.next()) {
            (Some(only), None) => self.resolve(only),
            _ => schema,
        }
    }

    fn add_members(&mut self, schema: &'s Value, prefix: &str) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{prefix}{name}");
            let target = self.without_null(property);
            let describe =
                |from: &Value| from.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            // A kind of credential is described as the choice that it is.
            let meanings = [describe(property), describe(target), describe(schema)];
            let meaning = meanings.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
            let default = match property.get("default") {
                _ if required.contains(&name.as_str()) => "required".to_owned(),
                Some(Value::Object(_)) | Some(Value::Null) | None => String::new(),
                Some(value) => format!("`{value}`").replace('"', ""),
            };
            self.keys.push(Key { path: path.clone(), kind: self.kind(target), default, meaning });
            self.add_below(target, &path);
        }
    }

    fn add_below(&mut self, target: &'s Value, path: &str) {
        if target.get("properties").is_some() {
            self.add_members(target, &format!("{path}."));
        } else if let Some(items) = target.get("items") {
            let items = self.without_null(items);
            if items.get("properties").is_some() {
                self.add_members(items, &format!("{path}[]."));
            }
            for choice in items.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                self.add_members(choice, &format!("{path}[]."));
            }
        }
        for choice in target.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            self.add_members(choice, &format!("{path}."));
        }
    }

    fn kind(&self, schema: &'s Value) -> String {
        if let Some(choices) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array) {
            let mut kinds: Vec<String> = choices.iter().map(|choice| self.kind(self.resolve(choice))).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
        if let Some(word) = schema.get("const") {
            return format!("`{word}`").replace('"', "");
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return words.iter().map(|word| format!("`{word}`").replace('"', "")).collect::<Vec<_>>().join(" or ");
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("string") => "text".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("integer" | "number") => "number".to_owned(),
            Some("array") => format!("list of {}", self.kind(self.without_null(&schema["items"]))),
            Some("object") => match schema["properties"].as_object() {
                Some(properties) if schema["additionalProperties"] == false && properties.len() == 1 => {
                    format!("`{}: …`", properties.keys().next().unwrap())
                }
                _ => "section".to_owned(),
            },
            _ => "anything".to_owned(),
        }
    }
}

fn keys(schema: &Value) -> Vec<Key> {
    let mut reference = Reference { schema, keys: Vec::new() };
    reference.add_members(schema, "");
    reference.keys
}

fn schema() -> Value {
    dcr_gateway::config::schema().to_value()
}

fn document() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         <!-- Made from the settings types: UPDATE_DOCS=1 cargo test --test configuration_reference -->\n\n\
         One YAML file, `config.yaml` unless `--config` names another. Unknown keys are errors. `dcr-gateway config check` tells\n\
         all problems of keys and values together, and when these are mended all of how the parts fit together; the exit code is 78. `dcr-gateway config show` prints what is in effect,\n\
         `dcr-gateway config schema` the JSON Schema for editors. The file `config.yaml` in the root of the project is a commented example with every key.\n\n\
         * Every text may hold `${VARIABLE}`; a variable that is not set is an error. `$${` stands for a plain `${`.\n\
         * Secrets are read from files (`…_file`), never written into this one; only the URL of the store and that of Redis may hold a password, best a `${VARIABLE}`. A secret file that everybody may read is a warning.\n\
         * Relative paths are relative to the directory of the configuration file.\n\
         * `[]` stands for each entry of a list.\n",
    );
    let mut section = "";
    let schema = schema();
    let keys = keys(&schema);
    for key in &keys {
        let top = key.path.split(['.', '[']).next().unwrap_or_default();
        if top != section {
            section = top;
            let _ = write!(text, "\n## {section}\n\n| key | type | default | meaning |\n|---|---|---|---|\n");
        }
        let cell = |text: &str| text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ");
        let (kind, meaning) = (cell(&key.kind), cell(&key.meaning));
        let _ = writeln!(text, "| `{}` | {kind} | {} | {meaning} |", key.path, key.default);
    }
    text
}

#[test]
fn the_document_says_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let made = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let difference = kept.lines().zip(made.lines()).find(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "docs/configuration.md is not what the types say: UPDATE_DOCS=1 cargo test --test configuration_reference\n{difference:#?}"
    );
}

#[test]
fn every_key_has_a_meaning() {
    for key in keys(&schema()) {
        assert!(!key.meaning.is_empty(), "{} has no description", key.path);
    }
}

/// A key is mentioned when it stands in the file, also in a comment, before a colon.
#[test]
fn the_example_names_every_key() {
    let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.yaml")).unwrap();
    let missing: Vec<String> = keys(&schema())
        .into_iter()
        .map(|key| key.path)
        .filter(|path| {
            let name = path.rsplit('.').next().unwrap();
            !example.contains(&format!("{name}:"))
        })
        .collect();
    assert!(missing.is_empty(), "config.yaml does not mention {missing:#?}");
}

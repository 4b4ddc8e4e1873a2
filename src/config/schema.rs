//! The JSON Schema of the configuration, from the settings types themselves; and what the reader takes from it.

use schemars::Schema;
use serde_json::Value;

use super::reader::Required;
use super::settings::GatewaySettings;

/// The JSON Schema (2020-12) of the file.
pub fn schema() -> Schema {
    schemars::schema_for!(GatewaySettings)
}

/// Which members each settings type must have.
pub(super) fn required() -> Required {
    Required::new(|| {
        let schema = schema();
        let root = schema.as_value();
        let definitions = root.get("$defs").and_then(Value::as_object);
        let named = definitions.into_iter().flatten().map(|(name, definition)| (name.clone(), words(definition)));
        named.chain([("GatewaySettings".to_owned(), words(root))]).collect()
    })
}

fn words(definition: &Value) -> Vec<String> {
    let required = definition.get("required").and_then(Value::as_array);
    required.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

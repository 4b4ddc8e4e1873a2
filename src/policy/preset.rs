//! The presets: profiles shipped with the gateway, each one readable file. An operator's profile is put over one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::{ProfileSettings, SettingProblem};

/// The presets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresetName {
    /// What MCP clients send: Claude, Cursor, VS Code, ChatGPT, LM Studio, the inspector and the SDKs.
    Mcp,
}

impl PresetName {
    /// Every preset.
    pub const ALL: [Self; 1] = [Self::Mcp];

    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
        }
    }

    /// The preset's file, with its comments: a profile as an operator could have written it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mcp => include_str!("preset/mcp.yaml"),
        }
    }
}

/// The settings as they are in effect: the preset's, with what is written put over them member by member; lists are replaced whole.
/// A profile without preset is what it was.
///
/// # Errors
/// A preset of ours that cannot be read, which is a defect.
pub fn effective(written: &ProfileSettings) -> Result<ProfileSettings, SettingProblem> {
    let Some(preset) = written.preset else { return Ok(written.clone()) };
    let broken = |problem: &dyn std::fmt::Display| SettingProblem::new("preset", format!("{problem}"), "");
    let preset: ProfileSettings = serde_yaml::from_str(preset.text()).map_err(|problem| broken(&problem))?;
    let mut merged = serde_json::to_value(preset).map_err(|problem| broken(&problem))?;
    put_over(&mut merged, serde_json::to_value(written).map_err(|problem| broken(&problem))?);
    serde_json::from_value(merged).map_err(|problem| broken(&problem))
}

/// An absent member is `null` here, and leaves what is below it.
fn put_over(below: &mut Value, above: Value) {
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                put_over(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(yaml: &str) -> ProfileSettings {
        effective(&serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_is_put_over_the_preset_member_by_member() {
        let profile = settings(
            "{name: ours, preset: mcp, match: {}, client_name: {max_length: 40}, grant_types: [authorization_code]}",
        );
        let preset = settings("{name: mcp, preset: mcp, match: {}}");
        let (ours, theirs) = (profile.client_name.unwrap(), preset.client_name.unwrap());
        assert_eq!(profile.name, "ours");
        assert_eq!(ours.max_length, Some(40));
        assert_eq!(ours.protected.unwrap().len(), theirs.protected.unwrap().len(), "the preset's names stay protected");
        assert_eq!(profile.grant_types.unwrap(), ["authorization_code"], "a list is replaced whole");
    }

    #[test]
    fn every_preset_is_a_profile() {
        for preset in PresetName::ALL {
            let profile: ProfileSettings = serde_yaml::from_str(preset.text()).unwrap();
            assert_eq!(profile.name, preset.as_str());
        }
    }
}

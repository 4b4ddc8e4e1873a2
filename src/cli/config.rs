//! `config check|show|schema`: whether the configuration is right, what is in effect, and what could be written.

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{ConfigFile, Failure, Format, json_text, say_warnings};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, load, schema};
use crate::policy::preset;
use crate::secret::without_user;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say everything that is wrong with it; exit 78 when something is.
    Check(ConfigFile),
    /// Print what is in effect: defaults filled in, presets expanded, secrets hidden.
    Show(ConfigFile),
    /// Print the JSON Schema of the file.
    Schema,
}

pub(super) fn run(command: &Command, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Check(file) => check(file, format, out),
        Command::Show(file) => {
            let config = load(&file.config)?;
            say_warnings(&config);
            let shown = effective(&config)?;
            match format {
                Format::Json => writeln!(out, "{}", json_text(&shown))?,
                Format::Text => write!(out, "{}", serde_yaml::to_string(&shown).map_err(Failure::of)?)?,
            }
            Ok(())
        }
        Command::Schema => Ok(writeln!(out, "{}", json_text(&schema()))?),
    }
}

fn check(file: &ConfigFile, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    // As `serve` would have it, and what it tells its log of.
    let loaded = load(&file.config).map(|config| config.warned_of_ends(SystemClock.now()));
    match (loaded.and_then(Config::to_be_served), format) {
        (Ok(config), Format::Json) => {
            let answer = json!({ "file": config.file, "valid": true, "problems": config.warnings });
            Ok(writeln!(out, "{}", json_text(&answer))?)
        }
        (Ok(config), Format::Text) => {
            say_warnings(&config);
            let profiles: Vec<&str> = config.profiles.iter().map(|profile| profile.name()).collect();
            writeln!(out, "{}: in order; profiles: {}", config.file.display(), profiles.join(", "))?;
            Ok(())
        }
        (Err(problems), Format::Json) => {
            let answer = json!({
                "file": problems.file,
                "valid": false,
                "problems": problems.problems,
                "incomplete": problems.incomplete,
            });
            writeln!(out, "{}", json_text(&answer))?;
            Err(Failure::ConfigurationShown)
        }
        (Err(problems), Format::Text) => Err(problems.into()),
    }
}

/// The settings with every default and every preset written out.
fn effective(config: &Config) -> Result<Value, Failure> {
    let mut settings = config.settings.clone();
    for profile in &mut settings.profiles {
        *profile = preset::effective(profile).map_err(|problem| Failure::Failed(problem.reason))?;
    }
    let mut shown = serde_json::to_value(&settings).map_err(Failure::of)?;
    tidy(&mut shown);
    Ok(shown)
}

/// Takes out what says nothing (`null`), and the user and password of URLs.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(tidy);
        }
        Value::Array(entries) => entries.iter_mut().for_each(tidy),
        Value::String(text) => {
            if let Some(shown) = without_user(text, "***") {
                *text = shown;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_url_is_hidden() {
        let mut value = json!({ "otlp": "http://user:hunter2@collector:4317/a@b", "none": null, "plain": "a@b" });
        tidy(&mut value);
        assert_eq!(value, json!({ "otlp": "http://***@collector:4317/a@b", "plain": "a@b" }));
    }
}

//! Durations as an operator writes them: `500ms`, `10s`, `5m`, `24h`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::text_form;

/// A whole number and a unit: `500ms`, `10s`, `5m`, `24h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
#[schemars(transparent)]
pub struct DurationText(#[schemars(with = "String", regex(pattern = r"^[0-9]+(ms|s|m|h|d)$"))] pub Duration);

impl std::str::FromStr for DurationText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("{text:?} is not a duration: write a whole number and ms, s, m, h or d, like 30s");
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(problem)?;
        let number: u64 = text[..digits].parse().map_err(|_| problem())?;
        let unit_in_ms: u64 = match &text[digits..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(problem()),
        };
        let too_long = || format!("{text:?} is longer than any duration that can be kept");
        number.checked_mul(unit_in_ms).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(too_long)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_form::deserialize(deserializer, "a duration like 30s")
    }
}

impl std::fmt::Display for DurationText {
    /// In the largest unit in which it is a whole number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_millis();
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
        match units.into_iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

impl serde::Serialize for DurationText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_and_a_unit() {
        assert_eq!("24h".parse(), Ok(DurationText(Duration::from_secs(86_400))));
        assert_eq!("500ms".parse(), Ok(DurationText(Duration::from_millis(500))));
    }

    #[test]
    fn is_written_as_it_is_read() {
        for text in ["500ms", "90s", "5m", "36h", "7d", "0ms"] {
            assert_eq!(text.parse::<DurationText>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for text in ["", "10", "s", "1.5h", "-1s", "1h30m", "99999999999999999999s", "18446744073709551615d"] {
            assert!(text.parse::<DurationText>().is_err(), "{text}");
        }
    }
}

//! The `alerts` section: who is told of what.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notice::Topic;
use super::receiver_url::{PlainHttp, ReceiverUrl};
use crate::duration::DurationText;
use crate::fetch::target::is_loopback_host;
use crate::setting_problem::SettingProblem;

/// A receiver: `webhook`, `alertmanager` or `smtp` says what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSettings {
    /// Its name in logs and metrics; what waits for it is kept under this name. Default: what it is, and the host.
    #[serde(default)]
    pub name: Option<String>,
    /// A URL that notices are posted to: https, or http on loopback. It may be a secret: write it as `${VARIABLE}`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub webhook: Option<ReceiverUrl>,
    /// What a webhook is sent: `json`, signed by Standard Webhooks; or `slack`, a text for Slack, Mattermost and their like.
    #[serde(default)]
    pub format: Format,
    /// The file with the secret that signs `json`: `whsec_` and base64, or a text of 24 octets at least. Several lines are several secrets,
    /// each of which signs, so that one can take another's place.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// A file with a token that a webhook or Alertmanager is sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// An Alertmanager, without `/api/v2/alerts`. It is told what lasts: `findings` (for an hour), `pending` and `health`, again each minute until it is over.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub alertmanager: Option<ReceiverUrl>,
    /// A mail server.
    #[serde(default)]
    pub smtp: Option<SmtpSettings>,
    /// Whether the URL may be plain http on another machine, where everybody in between can read and change what it is told: `refuse` | `allow`. Default: refuse.
    #[serde(default)]
    pub plain_http: PlainHttp,
    /// What it is told of: `findings`, `pending`, `outcomes`, `audit_heads`, `health`. Default: all but `audit_heads`; an Alertmanager: what lasts.
    #[serde(default)]
    pub on: Option<Vec<Topic>>,
    /// Findings with a lower score are not told, from 0 to 1. Default: 0.5, which is all of them.
    #[serde(default = "minimum_score")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub minimum_score: f64,
    /// How long what belongs together gathers before it goes as one message. Default: `30s`.
    #[serde(default = "group_for")]
    pub group_for: DurationText,
    /// The same thing is not told again within this time. Default: `4h`.
    #[serde(default = "repeat_after")]
    pub repeat_after: DurationText,
}

const fn minimum_score() -> f64 {
    0.5
}

const fn group_for() -> DurationText {
    DurationText(Duration::from_secs(30))
}

const fn repeat_after() -> DurationText {
    DurationText(Duration::from_secs(4 * 60 * 60))
}

/// The text of a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON, signed.
    #[default]
    Json,
    /// A text for a chat.
    Slack,
}

/// A mail server, and who gets mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Its host name.
    pub server: String,
    /// Its port. Default: 465 for `tls: required`, 587 for `starttls`, 25 for `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// `required`: TLS from the first octet; `starttls`: TLS before anything is said; `none`: for loopback hosts only. CAs: the system's, and `fetch.trust`. Default: required.
    #[serde(default)]
    pub tls: SmtpTls,
    /// Who signs in. Default: nobody does.
    #[serde(default)]
    pub username: Option<String>,
    /// The file with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The sender: `dcr@example.com`, or `Gateway <dcr@example.com>`.
    pub from: String,
    /// Who gets it; at least one.
    pub to: Vec<String>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// TLS from the first octet.
    #[default]
    Required,
    /// TLS after `STARTTLS`, without which nothing is said.
    Starttls,
    /// Not at all.
    None,
}

impl ReceiverSettings {
    /// The name that it goes by.
    pub fn called(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let host = |url: &ReceiverUrl| url.host().unwrap_or_default();
        match (&self.webhook, &self.alertmanager, &self.smtp) {
            (Some(url), ..) => format!("webhook {}", host(url)),
            (None, Some(url), _) => format!("alertmanager {}", host(url)),
            (None, None, Some(smtp)) => format!("smtp {}", smtp.server),
            (None, None, None) => String::new(),
        }
    }

    /// What it is told of.
    pub fn topics(&self) -> Vec<Topic> {
        let all = match self.alertmanager {
            Some(_) => vec![Topic::Findings, Topic::Pending, Topic::Health],
            None => vec![Topic::Findings, Topic::Pending, Topic::Outcomes, Topic::Health],
        };
        self.on.clone().unwrap_or(all)
    }

    /// Everything that is wrong with it, but for the files.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |place, reason: &str, hint| problems.push(SettingProblem::new(place, reason, hint));
        let kinds = [self.webhook.is_some(), self.alertmanager.is_some(), self.smtp.is_some()];
        match kinds.into_iter().filter(|is_there| *is_there).count() {
            1 => {}
            0 => report("", "is no receiver", "write webhook, alertmanager or smtp"),
            _ => report("", "is more than one receiver", "write an entry for each"),
        }
        let is_name =
            |name: &String| (1..=64).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !self.name.iter().all(is_name) {
            report("name", "is no name", "write 1 to 64 printable characters of ASCII");
        }
        if self.on.as_ref().is_some_and(Vec::is_empty) {
            report("on", "it is told nothing", "leave it out, or take the receiver out");
        }
        if !(0.0..=1.0).contains(&self.minimum_score) {
            report("minimum_score", "is not between 0 and 1", "write 0.75, say");
        }
        let day = Duration::from_secs(24 * 60 * 60);
        if self.group_for.0 > day {
            report("group_for", "is longer than a day", "write 30s, say");
        }
        if self.repeat_after.0 > day * 30 {
            report("repeat_after", "is longer than 30 days", "write 4h, say");
        }
        problems.extend(self.problems_of_its_kind());
        problems
    }

    fn problems_of_its_kind(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |place, reason: &str, hint| problems.push(SettingProblem::new(place, reason, hint));
        if let Some(url) = &self.webhook {
            if let Err(reason) = url.target(self.plain_http, "") {
                report("webhook", &reason, "write its URL; plain_http: allow where http must do");
            }
            match (self.format, &self.secret_file) {
                (Format::Json, None) => {
                    report(
                        "secret_file",
                        "is missing: nobody could know that it was the gateway",
                        "`openssl rand -base64 32` makes a secret",
                    );
                }
                (Format::Slack, Some(_)) => report("secret_file", "a chat verifies no signature", "leave it out"),
                (Format::Json, Some(_)) | (Format::Slack, None) => {}
            }
        } else if self.secret_file.is_some() || self.format != Format::Json {
            report("", "secret_file and format are for webhooks", "leave them out");
        }
        if let Some(url) = &self.alertmanager {
            if let Err(reason) = url.target(self.plain_http, "") {
                report("alertmanager", &reason, "write its URL; plain_http: allow where http must do");
            }
            if self.topics().iter().any(|topic| matches!(topic, Topic::Outcomes | Topic::AuditHeads)) {
                report("on", "an Alertmanager is told what lasts: findings, pending, health", "leave the others out");
            }
        }
        if self.smtp.is_some() && self.bearer_token_file.is_some() {
            let hint = "write smtp.username and smtp.password_file";
            report("bearer_token_file", "is for webhooks and Alertmanager", hint);
        }
        problems.extend(self.smtp.iter().flat_map(SmtpSettings::problems));
        problems
    }
}

impl SmtpSettings {
    /// The port it has.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmtpTls::Required => 465,
            SmtpTls::Starttls => 587,
            SmtpTls::None => 25,
        })
    }

    fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |place, reason: String, hint| problems.push(SettingProblem::new(place, reason, hint));
        let host = url::Host::parse(&self.server);
        let is_loopback = host.as_ref().is_ok_and(is_loopback_host);
        if let Err(error) = host {
            report("smtp.server", format!("is no host: {error}"), "write its name, like mail.example.com");
        }
        if self.tls == SmtpTls::None && !is_loopback {
            let reason = "mail and password would travel in clear".to_owned();
            report("smtp.tls", reason, "write required or starttls; none is for loopback hosts only");
        }
        if self.username.is_some() != self.password_file.is_some() {
            let reason = "username and password_file belong together".to_owned();
            report("smtp", reason, "write both, or none");
        }
        let is_mailbox = |text: &String| text.parse::<lettre::message::Mailbox>().is_ok();
        if !is_mailbox(&self.from) {
            report("smtp.from", "is no address".to_owned(), "write dcr@example.com, or Gateway <dcr@example.com>");
        }
        if self.to.is_empty() || !self.to.iter().all(is_mailbox) {
            report("smtp.to", "is no list of addresses".to_owned(), "write [ops@example.com]");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::silence::SilenceSettings;

    fn places(yaml: &str) -> Vec<String> {
        let settings: ReceiverSettings = serde_yaml::from_str(yaml).unwrap();
        settings.problems().into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn what_an_operator_would_write_is_fine() {
        for yaml in [
            "{ webhook: https://hooks.example/dcr, secret_file: a }",
            "{ webhook: https://hooks.slack.com/services/T0/B0/x, format: slack }",
            "{ alertmanager: http://alertmanager:9093, plain_http: allow }",
            "{ alertmanager: http://127.0.0.1:9093/prefix/ }",
            "{ smtp: { server: mail.example, tls: starttls, username: u, password_file: p, from: G <g@example.com>, to: [o@example.com] } }",
            "{ smtp: { server: localhost, tls: none, from: g@example.com, to: [o@example.com] } }",
        ] {
            assert_eq!(places(yaml), [""; 0], "{yaml}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (yaml, wrong) in [
            ("{}", ""),
            ("{ webhook: https://a.example/, secret_file: a, alertmanager: https://b.example }", ""),
            ("{ webhook: http://a.example/, secret_file: a }", "webhook"),
            ("{ webhook: https://a.example/ }", "secret_file"),
            ("{ webhook: https://a.example/, format: slack, secret_file: a }", "secret_file"),
            ("{ alertmanager: https://a.example, on: [outcomes] }", "on"),
            ("{ alertmanager: https://a.example, on: [] }", "on"),
            ("{ alertmanager: https://a.example, minimum_score: 75 }", "minimum_score"),
            ("{ alertmanager: https://a.example, name: \"\" }", "name"),
            ("{ smtp: { server: mail.example, tls: none, from: g@example.com, to: [o@example.com] } }", "smtp.tls"),
            ("{ smtp: { server: mail.example, username: u, from: g@example.com, to: [o@example.com] } }", "smtp"),
            (
                "{ smtp: { server: mail.example, from: \"g@example.com\\nBcc: e@evil.example\", to: [o@example.com] } }",
                "smtp.from",
            ),
            ("{ smtp: { server: mail.example, from: g@example.com, to: [] } }", "smtp.to"),
        ] {
            assert_eq!(places(yaml), [wrong], "{yaml}");
        }
    }

    #[test]
    fn a_url_that_is_a_secret_is_not_shown() {
        let settings: ReceiverSettings =
            serde_yaml::from_str("{ webhook: https://hooks.slack.com/services/hunter2, format: slack }").unwrap();
        let shown = format!("{settings:?} {} {}", serde_json::to_string(&settings).unwrap(), settings.called());
        assert!(!shown.contains("hunter2") && shown.contains("https://hooks.slack.com/***"), "{shown}");
    }

    #[test]
    fn the_example_of_the_document_is_fine() {
        #[derive(Deserialize)]
        struct Example {
            alerts: Vec<ReceiverSettings>,
            silences: Vec<SilenceSettings>,
        }
        let document = include_str!("../../docs/alerts.md");
        let yaml = document.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let yaml = yaml.replace("${SLACK_WEBHOOK}", "https://hooks.slack.com/services/T0/B0/x");
        let Example { alerts, silences } = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(alerts.iter().flat_map(ReceiverSettings::problems).collect::<Vec<_>>(), []);
        assert_eq!(silences.iter().flat_map(SilenceSettings::problems).collect::<Vec<_>>(), []);
        assert_eq!((alerts.len(), silences.len()), (4, 1));
    }
}

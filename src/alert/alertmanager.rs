//! Prometheus Alertmanager, by its API v2: what lasts is posted again and again until it is over, since an Alertmanager forgets alerts when it
//! is restarted, and holds for over what nobody repeats.

use std::time::Duration;

use async_trait::async_trait;
use http::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::message::{Message, Sender};
use super::notice::{Notice, Status};
use super::webhook::Post;
use crate::clock::Timestamp;

/// Where alerts are posted, below the URL.
pub(super) const PATH: &str = "/api/v2/alerts";
/// How often what lasts is told.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// What was not repeated for so long is over: four times missed, and some.
const BELIEVED: Duration = Duration::from_secs(5 * 60);

/// An Alertmanager.
pub(super) struct Alertmanager {
    pub(super) post: Post,
    pub(super) gateway: String,
}

#[async_trait]
impl Sender for Alertmanager {
    async fn send(&self, messages: &[Message], now: Timestamp) -> Result<(), Failure> {
        let notices = messages.iter().flat_map(|message| &message.notices);
        let alerts: Vec<Value> = notices.map(|notice| alert(notice, &self.gateway, now)).collect();
        self.post.json(Value::from(alerts).to_string().into_bytes(), HeaderMap::new()).await
    }
}

/// Labels are what an Alertmanager knows an alert by: they are the same at the beginning and at the end.
fn alert(notice: &Notice, gateway: &str, now: Timestamp) -> Value {
    let (name, severity) = match &notice.ended {
        Some(ended) => (&ended.name, ended.severity),
        None => (&notice.name, notice.severity),
    };
    let mut labels = Map::new();
    labels.insert("alertname".to_owned(), name.as_str().into());
    labels.insert("severity".to_owned(), severity.as_str().into());
    labels.insert("gateway".to_owned(), gateway.into());
    labels.insert("key".to_owned(), notice.key.as_str().into());
    labels.extend(notice.profile.as_deref().map(|profile| ("profile".to_owned(), profile.into())));
    labels.extend(notice.about.as_ref().map(|about| (about.kind.clone(), about.id.as_str().into())));
    let mut annotations = Map::new();
    annotations.insert("summary".to_owned(), notice.title.as_str().into());
    annotations.insert("description".to_owned(), notice.sentence.as_str().into());
    annotations.extend(notice.score.map(|score| ("score".to_owned(), score.to_string().into())));
    let ends = match notice.status {
        Status::Resolved => notice.at,
        Status::Firing => now.after(BELIEVED),
    };
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": notice.at.to_string(),
        "endsAt": ends.to_string(),
    });
    if let Some(link) = &notice.link {
        alert["generatorURL"] = link.as_str().into();
    }
    alert
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notice::{Ended, Severity, Topic};

    #[test]
    fn the_end_of_an_alert_has_its_labels() {
        let at = Timestamp::from_unix_millis(1_700_000_000_000);
        let begun = Notice::new(Topic::Pending, "client_pending", "pending/c", at).about("client", "c");
        let begun = Notice { profile: Some("mcp".to_owned()), ..begun };
        let ended = Notice {
            name: "client_approved".to_owned(),
            topic: Topic::Outcomes,
            status: Status::Resolved,
            ended: Some(Ended { name: "client_pending".to_owned(), severity: Severity::Info }),
            at: at.after(BELIEVED),
            ..begun.clone()
        };
        let (begun, ended) = (alert(&begun, "g", at), alert(&ended, "g", at.after(BELIEVED * 2)));
        assert_eq!(begun["labels"], ended["labels"]);
        assert_eq!(begun["labels"]["alertname"], "client_pending");
        assert_eq!(
            (&begun["startsAt"], &begun["endsAt"]),
            (&"2023-11-14T22:13:20Z".into(), &"2023-11-14T22:18:20Z".into())
        );
        assert_eq!(ended["endsAt"], "2023-11-14T22:18:20Z");
    }
}

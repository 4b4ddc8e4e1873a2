//! The way from a request to the detectors: a bounded queue, so that no request ever waits for them. What does not fit is dropped
//! and counted; what is found is told by telemetry, and kept.

use tokio::sync::mpsc::{self, error::TrySendError};

use super::detector::Detectors;
use super::finding::{Band, Finding};
use super::observation::Observation;
use super::settings::AnomalySettings;
use crate::telemetry::{FindingEvent, SpanReference, metrics};

/// How many observations wait at most, some hundred octets each.
const QUEUE: usize = 8192;

/// Where observations are told.
#[derive(Debug, Clone)]
pub struct Watch(Option<mpsc::Sender<Told>>);

/// The other end: the detectors.
pub struct Watcher {
    told: mpsc::Receiver<Told>,
    detectors: Detectors,
}

#[derive(Debug)]
struct Told {
    observation: Observation,
    origin: SpanReference,
}

/// Both ends.
pub fn open(settings: &AnomalySettings) -> (Watch, Watcher) {
    let (tell, told) = mpsc::channel(QUEUE);
    let detectors = Detectors::new(settings);
    detectors.names().for_each(|name| metrics().looks(name.as_str()));
    (Watch(Some(tell)), Watcher { told, detectors })
}

impl Watch {
    /// Nobody looks.
    pub fn nobody() -> Self {
        Self(None)
    }

    /// Tells the detectors of something that happened, in the present span; never waits.
    pub fn tell(&self, observation: Observation) {
        let Some(tell) = &self.0 else { return };
        match tell.try_send(Told { observation, origin: SpanReference::here() }) {
            Err(TrySendError::Full(_)) => metrics().observation_dropped(),
            // The gateway is at its end.
            Err(TrySendError::Closed(_)) | Ok(()) => {}
        }
    }
}

impl Watcher {
    /// What was found next, told by telemetry already; nothing once nobody tells any more.
    pub async fn next(&mut self) -> Option<Vec<Finding>> {
        loop {
            let Told { observation, origin } = self.told.recv().await?;
            let findings = self.detectors.observe(&observation);
            match self.detectors.take_suppressed() {
                0 => {}
                suppressed => metrics().findings_suppressed(suppressed),
            }
            for finding in findings.iter().filter(|finding| !finding.is_of_another_client) {
                tell(finding, &origin);
            }
            if !findings.is_empty() {
                return Some(findings);
            }
        }
    }
}

fn tell(finding: &Finding, origin: &SpanReference) {
    let subject = finding.subject.to_string();
    let event = FindingEvent {
        detector: finding.detector.as_str(),
        subject: &subject,
        score: finding.score.value(),
        is_high: finding.score.band() >= Band::High,
        sentence: &finding.sentence,
        request_id: finding.request_id.as_deref(),
    };
    event.tell(origin);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::observation::Seen;
    use crate::clock::Timestamp;

    fn guess(number: u64) -> Observation {
        Observation {
            at: Timestamp::from_unix_millis(1_772_409_600_000),
            address: Some([192, 0, 2, 1].into()),
            request_id: None,
            seen: Seen::BadCredential { presented: super::super::sources::hash(&number) },
        }
    }

    #[tokio::test]
    async fn what_is_told_is_found_and_the_end_is_seen() {
        let (watch, mut watcher) = open(&AnomalySettings::default());
        (0..15).for_each(|number| watch.tell(guess(number)));
        assert_eq!(watcher.next().await.unwrap().len(), 1);
        drop(watch);
        assert!(watcher.next().await.is_none());
    }

    #[tokio::test]
    async fn nobody_waits_for_detectors_that_are_behind_or_gone() {
        let (watch, watcher) = open(&AnomalySettings::default());
        (0..QUEUE as u64 + 10).for_each(|number| watch.tell(guess(number)));
        assert_eq!(watcher.told.len(), QUEUE);
        drop(watcher);
        watch.tell(guess(0));
        Watch::nobody().tell(guess(0));
    }
}

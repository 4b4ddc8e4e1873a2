//! A finding as the store keeps it.

use super::finding::Finding;
use crate::store::FindingRecord;

/// The record of a finding, under this name.
pub fn of(id: String, finding: &Finding) -> FindingRecord {
    // A share of 1 is 100: the score has two digits behind the point.
    let score = (finding.score.value() * 100.0).round().clamp(0.0, 100.0) as u8;
    FindingRecord {
        id,
        at: finding.at,
        detector: finding.detector.as_str().to_owned(),
        mode: finding.mode.as_str().to_owned(),
        subject_kind: finding.subject.kind().to_owned(),
        subject: finding.subject.name(),
        score,
        evidence: serde_json::to_string(&finding.evidence).unwrap_or_default(),
        sentence: finding.sentence.clone(),
        request_id: finding.request_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::finding::{DetectorName, Evidence, Score, Subject};
    use crate::anomaly::observation::Involved;
    use crate::anomaly::settings::Mode;
    use crate::clock::Timestamp;

    #[test]
    fn the_record_says_what_the_finding_says() {
        let finding = Finding {
            at: Timestamp::from_unix_millis(7),
            detector: DetectorName::Probing,
            mode: Mode::Report,
            subject: Subject::Network("192.0.2.0/24".parse().unwrap()),
            score: Score::of(0.75),
            evidence: vec![Evidence { name: "different requests".to_owned(), value: 9.0 }],
            sentence: "somebody probes".to_owned(),
            request_id: None,
            involved: Involved::default(),
            is_of_another_client: false,
        };
        let record = of("f".to_owned(), &finding);
        assert_eq!((record.subject_kind.as_str(), record.subject.as_str()), ("network", "192.0.2.0/24"));
        assert_eq!((record.score, record.detector.as_str()), (75, "probing"));
        assert_eq!(record.evidence, r#"[{"name":"different requests","value":9.0}]"#);
    }
}

//! A record in the terms of the Open Cybersecurity Schema Framework: Entity Management (3004) for what was done to clients, registrations,
//! tokens and the gateway; Detection Finding (2004) for what was refused again and again.

use serde_json::{Map, Value, json};

use super::event::{Actor, Event, Kind, Subject};
use crate::store::AuditRecord;

/// The version of the schema whose terms these are.
pub const VERSION: &str = "1.8.0";

const CREATE: u8 = 1;
const READ: u8 = 2;
const UPDATE: u8 = 3;
const DELETE: u8 = 4;
const SUSPEND: u8 = 12;
const RESUME: u8 = 13;

/// Severities of the schema.
const INFORMATIONAL: u8 = 1;
const LOW: u8 = 2;
const MEDIUM: u8 = 3;

/// The record as one OCSF event.
///
/// # Errors
/// What was recorded is no event that this version knows.
pub fn event(record: &AuditRecord) -> serde_json::Result<Value> {
    let event: Event = serde_json::from_str(&record.event)?;
    let kind = event.event;
    let mut members = match kind {
        Kind::RefusalsCounted | Kind::RecordsLost => finding(record, &event),
        _ => management(record, &event),
    };
    members.insert("time".to_owned(), record.at.unix_millis().into());
    members.insert("metadata".to_owned(), metadata(record, kind));
    members.insert("message".to_owned(), sentence(&event).into());
    members.insert("actor".to_owned(), actor(&event.actor));
    if let Actor::Registrant { address, .. } | Actor::Client { address } = &event.actor {
        members.insert("src_endpoint".to_owned(), json!({ "ip": address.to_string() }));
    }
    members.insert("unmapped".to_owned(), serde_json::from_str(&record.event)?);
    Ok(members.into())
}

fn metadata(record: &AuditRecord, kind: Kind) -> Value {
    json!({
        "version": VERSION,
        "product": { "name": "dcr-gateway", "vendor_name": "dcr-gateway", "version": env!("CARGO_PKG_VERSION") },
        "uid": uid(record),
        "sequence": record.sequence,
        "event_code": kind.as_str(),
        "log_name": "audit",
        "logged_time": record.at.unix_millis(),
    })
}

/// Names the record among all.
fn uid(record: &AuditRecord) -> String {
    format!("{}.{}", record.writer.0, record.sequence)
}

fn class(category: u32, class: u32, activity: u8) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("category_uid".to_owned(), category.into());
    members.insert("class_uid".to_owned(), class.into());
    members.insert("activity_id".to_owned(), activity.into());
    members.insert("type_uid".to_owned(), (class * 100 + u32::from(activity)).into());
    members
}

fn management(record: &AuditRecord, event: &Event) -> Map<String, Value> {
    let (activity, severity, done) = managed(event.event);
    let mut members = class(3, 3004, activity);
    members.insert("severity_id".to_owned(), severity.into());
    members.insert("entity".to_owned(), entity(record, event));
    // 1: success, 2: failure.
    members.insert("status_id".to_owned(), if done { 1 } else { 2 }.into());
    if let Some(reason) = &event.reason {
        members.insert("status_detail".to_owned(), reason.as_str().into());
    }
    if let Some(comment) = &event.comment {
        members.insert("comment".to_owned(), comment.as_str().into());
    }
    members
}

/// The activity, its severity, and whether it was done.
const fn managed(kind: Kind) -> (u8, u8, bool) {
    match kind {
        Kind::RegistrationAdmitted | Kind::ClientImported | Kind::TokenCreated => (CREATE, INFORMATIONAL, true),
        Kind::RegistrationRepeated | Kind::ClientRead => (READ, INFORMATIONAL, true),
        Kind::RegistrationLetThrough => (CREATE, LOW, true),
        Kind::RegistrationRefused | Kind::RegistrationFailed => (CREATE, LOW, false),
        Kind::RegistrationUnknown => (CREATE, MEDIUM, false),
        Kind::RegistrationResolved | Kind::ClientUpdated | Kind::ClientApproved | Kind::ClientElevated => {
            (UPDATE, INFORMATIONAL, true)
        }
        Kind::ClientDeleted | Kind::ClientRemoved | Kind::ClientExpired | Kind::ClientRejected | Kind::TokenRevoked => {
            (DELETE, INFORMATIONAL, true)
        }
        Kind::ManagementRefused => (UPDATE, LOW, false),
        Kind::ForwardedRefused => (READ, LOW, false),
        Kind::ResponseImposed => (CREATE, MEDIUM, true),
        Kind::ResponseDryRun => (CREATE, LOW, false),
        Kind::ResponseProlonged => (UPDATE, MEDIUM, true),
        Kind::ResponseLifted | Kind::ResponseExpired => (DELETE, INFORMATIONAL, true),
        Kind::ClientSuspended => (SUSPEND, INFORMATIONAL, true),
        Kind::ClientResumed => (RESUME, INFORMATIONAL, true),
        Kind::ProcessStarted | Kind::ProcessStopped | Kind::ConfigurationLoaded | Kind::KeyRotated => {
            (UPDATE, INFORMATIONAL, true)
        }
        // A session is what is opened, and closed.
        Kind::OperatorSignedIn => (CREATE, INFORMATIONAL, true),
        Kind::OperatorSignedOut => (DELETE, INFORMATIONAL, true),
        Kind::SignInRefused => (CREATE, MEDIUM, false),
        Kind::ConfigurationRefused | Kind::OperatorRefused | Kind::AlertGivenUp => (UPDATE, MEDIUM, false),
        // These are findings.
        Kind::RefusalsCounted | Kind::RecordsLost => (UPDATE, MEDIUM, false),
    }
}

fn entity(record: &AuditRecord, event: &Event) -> Value {
    match &event.subject {
        Some(subject) => {
            let (kind, id) = named(subject);
            json!({ "type": kind, "uid": id, "name": id })
        }
        None => match &event.registration {
            Some(registration) => json!({ "type": "registration", "uid": registration, "name": registration }),
            None => json!({ "type": "request", "uid": event.request_id.clone().unwrap_or_else(|| uid(record)) }),
        },
    }
}

fn named(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Client(id) => ("client", id),
        Subject::Registration(id) => ("registration", id),
        Subject::Token(id) => ("initial access token", id),
        Subject::Configuration(id) => ("configuration", id),
        Subject::Key(id) => ("key", id),
        Subject::Process(id) => ("process", id),
        Subject::Response(id) => ("response", id),
        Subject::Receiver(id) => ("receiver of alerts", id),
        Subject::Api(id) => ("admin API", id),
    }
}

fn finding(record: &AuditRecord, event: &Event) -> Map<String, Value> {
    let mut members = class(2, 2004, CREATE);
    members.insert("severity_id".to_owned(), MEDIUM.into());
    let title = match event.event {
        Kind::RecordsLost => "Refusals that were not recorded",
        _ => "Repeated refusals",
    };
    let first = event.since.unwrap_or(record.at).unix_millis();
    members.insert(
        "finding_info".to_owned(),
        json!({
            "uid": uid(record),
            "title": title,
            "desc": sentence(event),
            "created_time": record.at.unix_millis(),
            "first_seen_time": first,
            "last_seen_time": record.at.unix_millis(),
        }),
    );
    // 1: new.
    members.insert("status_id".to_owned(), 1.into());
    if let Some(count) = event.count {
        members.insert("count".to_owned(), count.into());
    }
    members
}

fn actor(actor: &Actor) -> Value {
    match actor {
        Actor::Registrant { certificate: Some(certificate), .. } => {
            json!({ "app_name": "registrant", "user": { "uid": certificate, "type": "client certificate" } })
        }
        Actor::Registrant { token: Some(token), .. } => {
            json!({ "app_name": "registrant", "user": { "uid": token, "type": "initial access token" } })
        }
        Actor::Registrant { .. } => json!({ "app_name": "registrant" }),
        Actor::Client { .. } => json!({ "app_name": "client" }),
        Actor::Operator { name } => json!({ "user": { "name": name } }),
        Actor::Gateway => json!({ "app_name": "dcr-gateway" }),
    }
}

fn sentence(event: &Event) -> String {
    let mut sentence = event.event.as_str().replace('_', " ");
    if let Some(subject) = &event.subject {
        let (kind, id) = named(subject);
        sentence = format!("{sentence}: {kind} {id}");
    }
    if let Some(reason) = &event.reason {
        sentence = format!("{sentence} ({reason})");
    }
    match event.count {
        Some(count) => format!("{sentence}, {count} times"),
        None => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::{RecordHash, WriterId};

    /// What the published schema requires of the two classes and of the objects that are used (`tests/fixtures/ocsf`).
    fn schema() -> Value {
        serde_json::from_str(include_str!("../../tests/fixtures/ocsf/required.json")).unwrap()
    }

    fn names(list: &Value) -> Vec<&str> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Every object that the schema speaks of has what it needs, however deep it stands.
    fn check_objects(schema: &Value, told: &Value) {
        for (name, value) in told.as_object().into_iter().flatten().filter(|(name, _)| *name != "unmapped") {
            if let Some(object) = schema["objects"].get(name) {
                for member in names(&object["required"]) {
                    assert!(value.get(member).is_some(), "{name} has no {member}: {value}");
                }
                let any = names(&object["at_least_one"]);
                assert!(any.is_empty() || any.iter().any(|member| value.get(member).is_some()), "{name}: {value}");
            }
            check_objects(schema, value);
        }
    }

    fn told(event_told: Event) -> Value {
        let entry = event_told.at(Timestamp::from_unix_millis(7)).unwrap();
        let (writer, hash) = (WriterId("w".to_owned()), RecordHash([0; 32]));
        event(&AuditRecord { writer, sequence: 3, at: entry.at, previous: hash, hash, event: entry.event }).unwrap()
    }

    #[test]
    fn every_kind_has_what_the_published_schema_requires() {
        let schema = schema();
        assert_eq!(schema["version"], VERSION);
        let address = "192.0.2.7".parse().unwrap();
        let actors = [
            Actor::Registrant { address, certificate: None, token: None, statement_issuer: None },
            Actor::Registrant { address, certificate: Some("ab".to_owned()), token: None, statement_issuer: None },
            Actor::Registrant { address, certificate: None, token: Some("t1".to_owned()), statement_issuer: None },
            Actor::Client { address },
            Actor::Operator { name: "ada".to_owned() },
            Actor::Gateway,
        ];
        for (kind, actor) in Kind::ALL.into_iter().flat_map(|kind| actors.clone().map(|actor| (kind, actor))) {
            for subject in [None, Some(Subject::Client("c1".to_owned()))] {
                let told = told(Event { subject, ..Event::new(kind, actor.clone()) });
                let class = &schema["classes"][told["class_uid"].to_string()];
                for member in names(&class["required"]) {
                    assert!(told.get(member).is_some(), "{kind:?} has no {member}: {told}");
                }
                assert_eq!(told["category_uid"], class["category_uid"], "{kind:?}");
                assert!(class["activities"].get(told["activity_id"].to_string()).is_some(), "{kind:?}");
                let type_uid = told["class_uid"].as_u64().unwrap() * 100 + told["activity_id"].as_u64().unwrap();
                assert_eq!(told["type_uid"].as_u64(), Some(type_uid), "{kind:?}");
                check_objects(&schema, &told);
            }
        }
    }

    #[test]
    fn what_repeats_is_a_finding_with_its_number() {
        let event = Event::new(Kind::RefusalsCounted, Actor::Gateway).because("throttled");
        let told = told(Event { count: Some(49), since: Some(Timestamp::from_unix_millis(1)), ..event });
        assert_eq!((&told["class_uid"], &told["count"]), (&json!(2004), &json!(49)));
        assert_eq!(told["finding_info"]["first_seen_time"], 1);
        assert_eq!(told["message"], "refusals counted (throttled), 49 times");
    }
}

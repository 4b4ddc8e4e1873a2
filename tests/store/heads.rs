//! A head of the audit log that the store did not take.

use std::sync::Arc;
use std::time::Duration;

use dcr_gateway::audit::recorder::Beginning;
use dcr_gateway::audit::{Audience, AuditSettings, Event, Recorder};
use dcr_gateway::clock::{SystemClock, Timestamp};
use dcr_gateway::duration::DurationText;
use dcr_gateway::store::{AuditLog as _, SignedHead, Telling, WriterId};
use tokio::sync::{mpsc, watch};

use crate::file::tamper;
use crate::open_file;
use crate::samples::at;

/// Hears of each head, after the store had its chance to take it.
struct Hearing(mpsc::UnboundedSender<u64>);

impl Audience for Hearing {
    fn of_event(&self, _: &Event, _: Timestamp) -> Vec<Telling> {
        Vec::new()
    }

    fn of_head(&self, head: &SignedHead) -> Vec<Telling> {
        let _ = self.0.send(head.head.sequence);
        Vec::new()
    }
}

#[tokio::test]
async fn a_head_that_the_store_did_not_take_is_signed_again_although_nothing_was_recorded_since() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = Arc::new(open_file(&path).await.unwrap());
    let (hearing, mut heard) = mpsc::unbounded_channel();
    let beginning = Beginning {
        writer: WriterId("w".to_owned()),
        keys: None,
        command: "serve",
        audience: Arc::new(Hearing(hearing)),
        now: at(1),
    };
    let settings = AuditSettings { sign_every: DurationText(Duration::from_millis(50)), ..AuditSettings::default() };
    let (recorder, keeper) = Recorder::begin(store.clone(), &settings, beginning).await.unwrap();
    tamper(&path, "ALTER TABLE audit_heads RENAME TO away").await;
    let (end, ended) = watch::channel(false);
    let keeping = tokio::spawn(keeper.keep(Arc::new(SystemClock), ended));
    assert_eq!(heard.recv().await, Some(0));
    tamper(&path, "ALTER TABLE away RENAME TO audit_heads").await;
    let kept = async {
        while store.chains().await.unwrap().iter().all(|chain| chain.heads.is_empty()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), kept).await.expect("the head is kept");
    end.send(true).unwrap();
    keeping.await.unwrap();
    drop(recorder);
    store.close().await;
}

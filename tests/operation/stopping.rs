//! SIGTERM while clients ask: everything that was let in is answered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dcr_gateway::clock::{Clock as _, SystemClock};
use dcr_gateway::store::settings::{StoreSettings, StoreUrl};
use dcr_gateway::store::sql::SqlStore;
use dcr_gateway::store::{Clients as _, OutcomeName, Page, Recording, RegistrationFilter, Registrations as _};

use crate::load::Load;
use crate::on_any_port;
use crate::process::Gateway;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_no_request_that_was_let_in() {
    let server = Server::start();
    let mut gateway = Gateway::start(&on_any_port(), server.address);
    let load = Load::of_all_kinds(gateway.address);
    load.until_more(500).await;
    gateway.signal("TERM");
    let tally = load.refused().await;
    assert_eq!(gateway.ended(), Some(0), "{}", gateway.log());
    tally.is_whole();
    // On a port of its own the system may have let somebody in for whom nobody was there any more, in the moment of closing (docs/operation.md). Those
    // were never read, so nothing of theirs is anywhere: the server made no client that nobody was told of.
    assert_eq!(server.clients(), tally.clients());
    assert!(tally.silent.load(Ordering::Relaxed) <= 12, "at most one for each client");
    let settings = StoreSettings { url: StoreUrl::Sqlite(gateway.file("gateway.db")), ..StoreSettings::default() };
    let store = SqlStore::open(&settings).await.unwrap();
    for client_id in tally.clients() {
        assert!(store.client(&client_id).await.unwrap().is_some(), "{client_id} was told, and is not in the record");
    }
    let unknown = RegistrationFilter { outcome: Some(OutcomeName::Unknown), ..RegistrationFilter::default() };
    assert_eq!(store.find_unfinished(Duration::ZERO, Recording::nothing(), SystemClock.now()).await.unwrap(), []);
    assert_eq!(store.registrations(&unknown, &Page::first(10)).await.unwrap().len(), 0);
    store.close().await;
}

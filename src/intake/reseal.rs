//! After a key was rotated: seals anew what the record keeps encrypted, one client after the other, each in a turn of its own, so
//! that it can be done while the gateway runs.

use std::time::Duration;

use super::Tools;
use super::turn;
use crate::randomness;
use crate::sealing::{Keys, NotOpened, NotSealed};
use crate::store::{ClientFilter, ClientRecord, Cursor, LARGEST_PAGE, Page, Sealed, Store, StoreError};

/// How many clients show whether a key file is the store's.
const LOOKED_AT: u32 = 50;

/// What became of the clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Resealed {
    /// Sealed with the current key now.
    pub changed: u64,
    /// Were already.
    pub current: u64,
    /// None of the keys opens them, or somebody was at work on them all the time: another run may help.
    pub left: u64,
    /// Those that are left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_clients: Vec<String>,
}

/// Why a client's secrets are sealed as they were.
#[derive(Debug, thiserror::Error)]
enum NotResealed {
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    #[error(transparent)]
    NotSealed(#[from] NotSealed),
}

/// Seals with the current one of `keys` what is sealed with another. A turn that is somebody else's is waited for for `patience`.
///
/// # Errors
/// The store failed; what was sealed until then stays sealed anew. A client that could not be is counted as left, and is no error.
pub async fn reseal(tools: &Tools, keys: &Keys, patience: Duration) -> Result<Resealed, StoreError> {
    let mut resealed = Resealed::default();
    let mut page = Page::first(LARGEST_PAGE);
    loop {
        let clients = next(tools.store.as_ref(), &mut page).await?;
        if clients.is_empty() {
            return Ok(resealed);
        }
        for client in clients {
            match &client.server_access {
                None => {}
                Some(sealed) if keys.is_current(sealed) => resealed.current += 1,
                Some(_) if reseal_one(tools, keys, &client.client_id, patience).await => resealed.changed += 1,
                Some(_) => {
                    resealed.left += 1;
                    resealed.left_clients.push(client.client_id);
                }
            }
        }
    }
}

/// Whether any client has something sealed: then a key that is made now opens it not.
pub async fn holds_sealed(store: &dyn Store) -> Result<bool, StoreError> {
    let mut page = Page::first(LARGEST_PAGE);
    loop {
        let clients = next(store, &mut page).await?;
        let holds_one = clients.iter().any(|client| client.server_access.is_some());
        if holds_one || clients.is_empty() {
            return Ok(holds_one);
        }
    }
}

/// The clients of this page, which becomes the next one; none once all were read.
async fn next(store: &dyn Store, page: &mut Page) -> Result<Vec<ClientRecord>, StoreError> {
    let clients = store.clients(&ClientFilter::default(), page).await?;
    if let Some(last) = clients.last() {
        page.after = Some(Cursor { at: last.created_at, id: last.client_id.clone() });
    }
    Ok(clients)
}

/// Whether none of the keys opens anything of what the newest clients have sealed: another gateway's key file, or a new one.
pub async fn opens_nothing(store: &dyn Store, keys: &Keys) -> Result<bool, StoreError> {
    let newest = store.clients(&ClientFilter::default(), &Page::first(LOOKED_AT)).await?;
    let sealed = newest.iter().filter_map(|client| Some((&client.client_id, client.server_access.as_ref()?)));
    let mut opened = sealed.map(|(client_id, sealed)| keys.open(client_id, sealed).is_ok()).peekable();
    Ok(opened.peek().is_some() && !opened.any(|is_open| is_open))
}

async fn reseal_one(tools: &Tools, keys: &Keys, client_id: &str, patience: Duration) -> bool {
    let mut taken = match turn::wait_for(tools, client_id, patience).await {
        Ok(Some(taken)) => taken,
        Ok(None) => return false,
        Err(refusal) => {
            tracing::warn!(client_id, cause = refusal.cause(), "not sealed anew: somebody else is at work on it");
            return false;
        }
    };
    let anew = taken.client.server_access.as_ref().map(|sealed| again(tools, keys, client_id, sealed)).transpose();
    let is_sealed = anew.is_ok();
    match anew {
        Ok(anew) => taken.client.server_access = anew,
        Err(error) => tracing::error!(client_id, %error, "not sealed anew"),
    }
    let ended = turn::end_untried(tools, taken).await;
    is_sealed && ended.is_ok()
}

fn again(tools: &Tools, keys: &Keys, client_id: &str, sealed: &Sealed) -> Result<Sealed, NotResealed> {
    Ok(keys.seal(client_id, &keys.open(client_id, sealed)?, randomness::octets(tools.randomness))?)
}

//! Takes a client into the record that was at the server before: the registration that stands for it begins and ends in one
//! transaction, so that none is ever found unfinished, and of two who do it at once one does.

use sqlx::AnyConnection;

use super::begin;
use super::change::{Applied, Done};
use super::finish::{self, Finishing};
use crate::store::{Beginning, Begun, HandingOut, Outcome};

/// What is to be written.
#[derive(Debug)]
pub(super) struct Importing {
    pub(super) beginning: Beginning,
    pub(super) outcome: Outcome,
    /// The operator.
    pub(super) by: String,
}

/// Whether it entered: one that is in the record already stays as it is, and nothing is written.
pub(super) async fn import(connection: &mut AnyConnection, importing: &Importing) -> Applied {
    let Importing { beginning, outcome, by } = importing;
    let known = sqlx::query("SELECT 1 FROM clients WHERE client_id = $1")
        .bind(outcome.client_id().unwrap_or_default().to_owned())
        .fetch_optional(&mut *connection)
        .await?;
    if known.is_some() {
        return Ok(Ok(Done::Found(false)));
    }
    let beginning = &(beginning.clone(), HandingOut::unrecorded());
    match begin::begin_one(&mut *connection, beginning).await? {
        Some(Ok(Done::Begun(Begun::Ready))) => {}
        Some(Ok(other)) => return Ok(Err(other.unexpected())),
        Some(Err(error)) => return Ok(Err(error)),
        None => return Ok(Ok(Done::Found(false))),
    }
    let (id, now) = (&beginning.0.intent.id, beginning.0.intent.at);
    let finishing = Finishing { id, outcome, by: Some(by), now };
    match finish::finish_one(connection, finishing).await? {
        Some(Err(error)) => Ok(Err(error)),
        _ => Ok(Ok(Done::Found(true))),
    }
}

//! Work of which a call to the server is part: once it has begun it goes to its end, whoever goes away meanwhile, and the end of the process
//! waits for it.

use tokio::sync::watch;
use tokio::task::JoinError;

use crate::telemetry::InSpan as _;

/// How much of it there is.
#[derive(Default)]
pub(super) struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    /// In a task of its own: who asked for it and goes away stops nothing.
    pub(super) async fn to_its_end<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<JoinError> + Send + 'static,
    {
        self.0.send_modify(|count| *count += 1);
        let counted = Counted(self.0.clone());
        let work = async move {
            let _counted = counted;
            work.await
        };
        tokio::spawn(work.in_current_span()).await?
    }

    /// Waits until there is none.
    pub(super) async fn until_over(&self) {
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// One piece, until it is dropped.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

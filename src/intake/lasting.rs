//! Work that goes on when nobody waits for it any more: done where it is waited for, and in a task of its own from the moment that whoever
//! waited goes away. A task from the beginning would be scheduled and woken beside the one that waits for it, for every registration.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// The work; it has begun when this was polled once.
pub(super) struct Lasting<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    has_begun: bool,
}

/// The work ended in a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work panicked")]
pub(super) struct Panicked;

impl<T: Send + 'static> Lasting<T> {
    /// This work. Within a Tokio runtime.
    pub(super) fn work(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(Box::pin(work)), has_begun: false }
    }
}

impl<T: Send + 'static> Future for Lasting<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.has_begun = true;
        let Some(work) = &mut self.work else { return Poll::Ready(Err(Panicked)) };
        // As a task does it: what panics takes nobody else along. The work is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(_) => Err(Panicked),
        };
        self.work = None;
        Poll::Ready(ended)
    }
}

impl<T: Send + 'static> Drop for Lasting<T> {
    fn drop(&mut self) {
        let work = self.work.take().filter(|_| self.has_begun);
        if let (Some(work), Ok(runtime)) = (work, Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn who_waits_has_what_came_of_it() {
        assert_eq!(Lasting::work(async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn who_goes_away_stops_nothing_that_has_begun() {
        let ((go_on, wait), (tell, mut told)) = (oneshot::channel::<()>(), mpsc::channel(2));
        let work = Lasting::work(async move {
            tell.send("begun").await.unwrap();
            wait.await.unwrap();
            tell.send("done").await.unwrap();
        });
        let waited = tokio::time::timeout(Duration::from_millis(1), work).await;
        assert!(waited.is_err());
        go_on.send(()).unwrap();
        assert_eq!((told.recv().await, told.recv().await), (Some("begun"), Some("done")));
    }

    #[tokio::test]
    async fn what_nobody_began_is_not_done() {
        let (tell, mut told) = mpsc::channel::<()>(1);
        drop(Lasting::work(async move { tell.send(()).await }));
        assert_eq!(told.recv().await, None);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_to_who_waits() {
        let work = Lasting::work(async { assert_eq!(1, 2, "expected here") });
        assert_eq!(work.await, Err(Panicked));
    }
}

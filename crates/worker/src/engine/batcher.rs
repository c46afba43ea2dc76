//! Micro-batching: concurrent tasks share one statement and one commit.
//!
//! A batch closes when it is full or a few milliseconds after its first item. A batch that the database refuses is done
//! once more in halves, so that one bad row fails alone. A broken connection fails all of it, as it would fail the
//! halves.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sexton_core::db;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// How long a batch waits for more items after its first.
const LINGER: Duration = Duration::from_millis(2);

/// What an item of a batch came to. Items that the same error hit share it.
pub(crate) type BatchResult<R> = Result<R, Arc<db::Error>>;

type Item<T, R> = (T, oneshot::Sender<BatchResult<R>>);

/// Does the work of a batch: one result for each item, in order, or an error for all.
pub(crate) type ProcessBatch<T, R> = Arc<dyn Fn(Vec<T>) -> BoxFuture<'static, Result<Vec<R>, db::Error>> + Send + Sync>;

/// Collects items of concurrent tasks into batches.
pub(crate) struct Batcher<T, R> {
    items: mpsc::Sender<Item<T, R>>,
}

impl<T, R> Clone for Batcher<T, R> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone() }
    }
}

impl<T, R> Batcher<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    /// Starts a batcher. A batch has at most `size` items, and at most `parallel` batches are processed at once. It
    /// ends when the last clone is dropped.
    pub(crate) fn start(size: usize, parallel: usize, process: ProcessBatch<T, R>) -> Self {
        let (items, receiver) = mpsc::channel(size * 2);
        tokio::spawn(collect(receiver, size, Arc::new(Semaphore::new(parallel)), process));
        Self { items }
    }

    /// Adds an item and waits for what it comes to.
    pub(crate) async fn submit(&self, item: T) -> BatchResult<R> {
        let (sender, receiver) = oneshot::channel();
        if self.items.send((item, sender)).await.is_err() {
            return Err(Arc::new(db::Error::other("begin a batch", "the process is shutting down")));
        }
        let lost = |_| Err(Arc::new(db::Error::other("finish a batch", "it was dropped by a panic")));
        receiver.await.unwrap_or_else(lost)
    }
}

async fn collect<T, R>(
    mut items: mpsc::Receiver<Item<T, R>>,
    size: usize,
    slots: Arc<Semaphore>,
    process: ProcessBatch<T, R>,
) where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    while let Some(first) = items.recv().await {
        // While all slots are taken the batch keeps filling, so the busier the database, the larger the batches.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let deadline = Instant::now() + LINGER;
        let mut batch = vec![first];
        while batch.len() < size {
            match timeout_at(deadline, items.recv()).await {
                Ok(Some(item)) => batch.push(item),
                Ok(None) | Err(_) => break,
            }
        }
        let process = Arc::clone(&process);
        tokio::spawn(async move {
            let (work, answers): (Vec<T>, Vec<_>) = batch.into_iter().unzip();
            for (answer, outcome) in answers.into_iter().zip(process_in_halves(work, &process).await) {
                // The task that asked may have been dropped.
                answer.send(outcome).ok();
            }
            drop(slot);
        });
    }
}

fn process_in_halves<T, R>(work: Vec<T>, process: &ProcessBatch<T, R>) -> BoxFuture<'_, Vec<BatchResult<R>>>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    Box::pin(async move {
        let error = match process(work.clone()).await {
            Ok(results) if results.len() == work.len() => return results.into_iter().map(Ok).collect(),
            Ok(results) => {
                let why = format!("{} results for {} items", results.len(), work.len());
                db::Error::other("finish a batch", why)
            }
            Err(error) => error,
        };
        if work.len() == 1 || (error.refusal().is_none() && !error.is_about_data()) {
            let error = Arc::new(error);
            return work.iter().map(|_| Err(Arc::clone(&error))).collect();
        }
        tracing::debug!(%error, items = work.len(), "a batch was refused; trying its halves");
        let mut work = work;
        let second = work.split_off(work.len() / 2);
        let mut outcomes = process_in_halves(work, process).await;
        outcomes.extend(process_in_halves(second, process).await);
        outcomes
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn concurrent_items_share_a_batch() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let process: ProcessBatch<u32, u32> = Arc::new(move |items: Vec<u32>| {
            seen.lock().unwrap().push(items.len());
            Box::pin(async move { Ok(items.into_iter().map(|n| n * 2).collect()) })
        });
        let batcher = Batcher::start(64, 2, process);
        let all = futures::future::join_all((0..64).map(|n| batcher.submit(n))).await;
        assert_eq!(all.into_iter().map(Result::unwrap).collect::<Vec<_>>(), (0..64).map(|n| n * 2).collect::<Vec<_>>());
        assert!(sizes.lock().unwrap().len() < 8, "{sizes:?}");
    }

    #[tokio::test]
    async fn a_lost_connection_fails_the_batch_without_halving() {
        let calls = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&calls);
        let process: ProcessBatch<u32, u32> = Arc::new(move |_| {
            *seen.lock().unwrap() += 1;
            Box::pin(async { Err(db::Error::other("do a thing", "it is gone")) })
        });
        let batcher = Batcher::start(8, 1, process);
        let all = futures::future::join_all((0..8).map(|n| batcher.submit(n))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(*calls.lock().unwrap(), 1);
    }
}

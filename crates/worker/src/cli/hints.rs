//! Hints from the command line. Best effort: the ledger has the deletions, a hint only makes it quick.

use secrecy::ExposeSecret;
use sexton_core::{config::Queue, hint::Hint, queue::HintQueue, removal::Requested};

/// Where hints go, if there is such a place.
pub(super) struct Hints<'c> {
    config: &'c Queue,
    queue: Option<HintQueue>,
}

impl<'c> Hints<'c> {
    pub(super) fn new(config: &'c Queue) -> Self {
        let queue = config.url.as_ref().map(|url| HintQueue::new(url.expose_secret(), &config.name));
        let queue = queue.transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "no hint can be pushed; a worker finds the deletions in the ledger");
            None
        });
        Self { config, queue }
    }

    /// Hints at those that are due.
    pub(super) async fn push(&self, requested: &[Requested]) {
        let Some(queue) = &self.queue else { return };
        let hints: Vec<_> = requested.iter().filter(|one| one.due).map(|one| Hint::new(one.id, one.fence)).collect();
        if let Err(error) = queue.enqueue(&hints, self.config.window / 2).await {
            tracing::warn!(%error, "no hint could be pushed; a worker finds the deletions in the ledger");
        }
    }
}

//! Hints after a commit.

use sexton_core::{hint::Hint, soft_remove::Requested, transport::HintQueue};

/// Where hints go: to Redis, or nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Hints(Option<(HintQueue, usize)>);

impl Hints {
    /// Hints to this queue, if there is one.
    ///
    /// * `window`: how many hints the queue holds at most.
    pub(crate) fn new(queue: Option<HintQueue>, window: usize) -> Self {
        // The other half of the window is the dispatcher's, so that old deletions are not crowded out by new ones.
        Self(queue.map(|queue| (queue, (window / 2).max(1))))
    }

    /// Whether there is no Redis to hint through.
    pub(crate) const fn are_off(&self) -> bool {
        self.0.is_none()
    }

    /// Pushes hints at what is due. Best effort: a hint only makes it quick. Returns whether workers will hear of it;
    /// if the queue is full, they have enough to do.
    pub(crate) async fn push(&self, requested: &[Requested]) -> bool {
        let hints: Vec<_> = requested.iter().filter(|one| one.due).map(|one| Hint::new(one.id, one.fence)).collect();
        let Some((queue, limit)) = self.0.as_ref().filter(|_| !hints.is_empty()) else { return hints.is_empty() };
        let pushed = queue.enqueue(&hints, *limit).await;
        if let Err(error) = &pushed {
            tracing::warn!(%error, "no hint could be pushed; a worker finds the deletions in the ledger");
        }
        pushed.is_ok()
    }
}

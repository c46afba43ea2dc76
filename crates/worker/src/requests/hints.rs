//! Hints after a commit.

use secrecy::ExposeSecret;
use sexton_core::{
    config,
    hint::Hint,
    soft_remove::Requested,
    transport::{Error, HintQueue},
};

/// Where hints go: to Redis, or nowhere.
#[derive(Debug, Clone)]
pub(crate) struct Hints(Option<(HintQueue, usize)>);

impl Hints {
    /// The queue of this configuration. Redis need not be up.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::Name`].
    pub(crate) fn new(config: &config::Queue) -> Result<Self, Error> {
        let Some(url) = &config.url else { return Ok(Self(None)) };
        // The other half of the window is the dispatcher's, so that old deletions are not crowded out by new ones.
        let limit = (config.window / 2).max(1);
        Ok(Self(Some((HintQueue::new(url.expose_secret(), &config.name)?, limit))))
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

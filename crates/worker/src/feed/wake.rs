//! "Something may be due": said when a deletion was requested of which no hint speaks.

use tokio::sync::Notify;

/// Wakes the parts of this process that look into the ledger. Wakes that were not taken yet are merged.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    ledger_feed: Notify,
    dispatcher: Notify,
}

impl Wake {
    /// Wakes all of them.
    pub(crate) fn wake_all(&self) {
        self.ledger_feed.notify_one();
        self.dispatcher.notify_one();
    }

    pub(super) async fn ledger_feed_woken(&self) {
        self.ledger_feed.notified().await;
    }

    pub(super) async fn dispatcher_woken(&self) {
        self.dispatcher.notified().await;
    }
}

//! "Something may be due": said by whoever knows of a deletion that no hint speaks of.

use tokio::sync::Notify;

/// Wakes those who look into the ledger. Wakes that nobody has taken yet are merged.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    direct: Notify,
    dispatcher: Notify,
}

impl Wake {
    /// Wakes all of this process.
    pub(crate) fn now(&self) {
        self.direct.notify_one();
        self.dispatcher.notify_one();
    }

    pub(super) async fn of_direct_feed(&self) {
        self.direct.notified().await;
    }

    pub(super) async fn of_dispatcher(&self) {
        self.dispatcher.notified().await;
    }
}

//! What the rest of the process may know about its Redis: whether hints arrive, and if not, why.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Shared by the intake, housekeeping and the feed from the ledger.
#[derive(Debug)]
pub struct Activity {
    since: Instant,
    /// Milliseconds after `since` at which a hint was last received; zero until then.
    received: AtomicU64,
    hints: AtomicU64,
    connected: AtomicBool,
    beating: AtomicBool,
    restarts: AtomicU64,
    registered: AtomicUsize,
    last_error: Mutex<Option<String>>,
    worker: Mutex<Option<String>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            received: AtomicU64::default(),
            hints: AtomicU64::default(),
            connected: AtomicBool::default(),
            beating: AtomicBool::default(),
            restarts: AtomicU64::default(),
            registered: AtomicUsize::default(),
            last_error: Mutex::default(),
            worker: Mutex::default(),
        }
    }
}

impl Activity {
    /// Nothing received, not connected.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For how long no hint has been received; at first, since this was made.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.received.load(Relaxed)))
    }

    /// How many hints were received, undecodable ones included.
    #[must_use]
    pub fn hints(&self) -> u64 {
        self.hints.load(Relaxed)
    }

    /// Whether the intake is registered and fetching.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Whether the intake is connected and Redis accepts writes: a full or read-only Redis is not healthy.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.is_connected() && self.beating.load(Relaxed)
    }

    /// How often the intake had to start anew.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// How many hints all live processes together handle at once, as of the last beat; zero before the first.
    #[must_use]
    pub fn registered_concurrency(&self) -> usize {
        self.registered.load(Relaxed)
    }

    /// The last failure of intake or beat; it stays after recovery.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name under which the intake is, or is about to be, registered with apalis.
    #[must_use]
    pub fn worker(&self) -> Option<String> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note_hint(&self) {
        // At least one: zero means never.
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.received.store(now, Relaxed);
        self.hints.fetch_add(1, Relaxed);
    }

    pub(super) fn set_worker(&self, name: Option<String>) {
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    pub(super) fn note_connected(&self) {
        self.connected.store(true, Relaxed);
    }

    /// Takes note that the intake's worker ended. Returns whether it had been connected.
    pub(super) fn note_end(&self, error: Option<String>) -> bool {
        if let Some(error) = error {
            self.set_last_error(error); // First, so that "not connected" always has its reason.
        }
        self.connected.swap(false, Relaxed)
    }

    pub(super) fn note_restart(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    pub(super) fn note_beat(&self, registered: usize) {
        self.registered.store(registered, Relaxed);
        self.beating.store(true, Relaxed);
    }

    /// Returns whether the beat before succeeded, so that this is news.
    pub(super) fn note_failed_beat(&self, error: String) -> bool {
        self.set_last_error(error);
        self.beating.swap(false, Relaxed)
    }

    fn set_last_error(&self, error: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

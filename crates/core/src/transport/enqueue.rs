//! Pushing hints: bounded by the window, damped against doubles, all or nothing per hint.

use std::{sync::LazyLock, time::Duration};

use redis::Script;
use ulid::Ulid;

use super::{Connection, Error, Keys};
use crate::hint::Hint;

/// For how long a second push of the same hint (same deletion, same fence) is taken for a double. Nothing left over in
/// Redis can keep a hint back for longer.
pub const DAMP: Duration = Duration::from_secs(60);

/// Hints in one call of the script: large enough to be quick, small enough that Redis is not held up.
const CHUNK: usize = 300;

static ENQUEUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("enqueue.lua")));

/// What became of the hints of one [`HintQueue::enqueue`]. The others were refused because the list was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enqueued {
    /// Pushed.
    pub accepted: usize,
    /// Not pushed, because the same hint was pushed less than [`DAMP`] ago.
    pub damped: usize,
    /// Hints in the list afterwards.
    pub length: usize,
}

/// The pushing side of a queue. Cheap to clone; clones share a connection.
#[derive(Debug, Clone)]
pub struct HintQueue {
    connection: Connection,
    keys: Keys,
}

impl HintQueue {
    /// The queue `name` in the Redis at `url`. Connects on first use: Redis need not be up.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::Name`].
    pub fn new(url: &str, name: &str) -> Result<Self, Error> {
        Ok(Self { connection: Connection::new(url)?, keys: Keys::new(name)? })
    }

    /// The same queue for one ledger: its keys begin with the queue's name and the ledger's
    /// [`identity`](crate::ledger::Ledger::identity), so that two installations with one name do not take each other's
    /// hints.
    #[must_use]
    pub fn of_ledger(&self, identity: &str) -> Self {
        Self { connection: self.connection.clone(), keys: self.keys.of_ledger(identity) }
    }

    /// A queue beside this one, which no process works on.
    #[must_use]
    pub fn probe(&self) -> Self {
        Self { connection: self.connection.clone(), keys: self.keys.probe() }
    }

    /// The connection, for other scripts on this queue.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The names of this queue's keys.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Pushes hints in order while fewer than `limit` are in the list, and wakes idle workers.
    ///
    /// The limit holds also when several processes push at the same time. A refused hint leaves nothing behind; it may
    /// be pushed once more at once.
    ///
    /// # Errors
    /// Any [`Error`] of the connection; some hints may have been pushed before it.
    pub async fn enqueue(&self, hints: &[Hint], limit: usize) -> Result<Enqueued, Error> {
        let mut total = Enqueued::default();
        if hints.is_empty() {
            total.length = self.len().await?;
        }
        for chunk in hints.chunks(CHUNK) {
            let (accepted, damped, length) = self.push(chunk, limit).await?;
            total.accepted += accepted;
            total.damped += damped;
            total.length = length;
            if accepted + damped < chunk.len() {
                break; // Full.
            }
        }
        Ok(total)
    }

    /// Returns how many were accepted, how many damped, and the length of the list.
    async fn push(&self, hints: &[Hint], limit: usize) -> Result<(usize, usize, usize), Error> {
        let mut call = ENQUEUE.prepare_invoke();
        call.key(self.keys.active()).key(self.keys.data()).key(self.keys.signal());
        call.arg(limit).arg(DAMP.as_millis() as u64).arg(self.keys.wake()).arg(self.keys.meta_prefix());
        for hint in hints {
            // Never an id that was used before: apalis fails the second ack of an id that is twice in the list.
            call.arg(Ulid::generate().to_string()).arg(serde_json::to_vec(hint)?).arg(self.keys.seen(hint));
        }
        self.connection.invoke("push hints", &call).await
    }

    /// How many hints wait for a worker.
    ///
    /// # Errors
    /// Any [`Error`] of the connection.
    #[expect(clippy::len_without_is_empty, reason = "it asks Redis; `is_empty` would invite a second round trip")]
    pub async fn len(&self) -> Result<usize, Error> {
        self.connection.query("read the queue's length", redis::cmd("LLEN").arg(self.keys.active())).await
    }
}

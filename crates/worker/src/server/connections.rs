//! The open connections of one address: until when each may stay, and which goes first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has no request.
    Waiting,
    /// It has one that is not answered to its end.
    Busy,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    state: Mutex<State>,
    /// Set when it has to make room.
    pub(super) displaced: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    until: Instant,
}

impl Connection {
    fn new(time: Duration) -> Self {
        let now = Instant::now();
        let state = State { phase: Phase::Waiting, since: now, until: now + time };
        Self { state: Mutex::new(state), displaced: CancellationToken::new() }
    }

    /// A request has begun, or continues, and has this much time.
    pub(super) fn is_busy_for(&self, time: Duration) {
        self.enter(Phase::Busy, time);
    }

    /// The next request may begin within this time.
    pub(super) fn waits_for(&self, time: Duration) {
        self.enter(Phase::Waiting, time);
    }

    fn enter(&self, phase: Phase, time: Duration) {
        let now = Instant::now();
        *self.state() = State { phase, since: now, until: now + time };
    }

    /// Resolves when its time is over.
    pub(super) async fn overdue(&self) {
        loop {
            let until = self.state().until;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn waiting_since(&self) -> Option<Instant> {
        let state = *self.state();
        (state.phase == Phase::Waiting).then_some(state.since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections of one address.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    by_number: HashMap<u64, Arc<Connection>>,
}

/// A connection that counts until this is dropped.
pub(super) struct Admitted {
    connections: Arc<Connections>,
    number: u64,
    pub(super) connection: Arc<Connection>,
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// Admits a connection whose first request may begin within `time`. Where there are too many, the one that has
    /// waited longest makes room; none is admitted while all of them are busy.
    pub(super) fn admit(self: &Arc<Self>, time: Duration) -> Option<Admitted> {
        let mut open = self.open();
        if open.by_number.len() >= self.most && !open.displace_longest_waiting() {
            return None;
        }
        let connection = Arc::new(Connection::new(time));
        open.last += 1;
        let number = open.last;
        open.by_number.insert(number, Arc::clone(&connection));
        Some(Admitted { connections: Arc::clone(self), number, connection })
    }

    /// Closes the connection that has waited longest for a request. False if all are busy.
    pub(super) fn displace_longest_waiting(&self) -> bool {
        self.open().displace_longest_waiting()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn displace_longest_waiting(&mut self) -> bool {
        let waiting = self.by_number.iter().filter_map(|(number, one)| Some((one.waiting_since()?, *number)));
        let Some((_, number)) = waiting.min() else { return false };
        if let Some(connection) = self.by_number.remove(&number) {
            connection.displaced.cancel();
        }
        true
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.open().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn the_one_that_waited_longest_makes_room_and_a_busy_one_never_does() {
        let connections = Connections::new(3);
        let busy = connections.admit(TIME).unwrap();
        busy.connection.is_busy_for(TIME);
        let mut waiting = Vec::new();
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            waiting.push(connections.admit(TIME).unwrap());
        }
        let third = connections.admit(TIME).unwrap();
        let displaced = |one: &Admitted| one.connection.displaced.is_cancelled();
        assert_eq!((displaced(&busy), displaced(&waiting[0]), displaced(&waiting[1])), (false, true, false));
        for one in waiting.iter().chain([&third]) {
            one.connection.is_busy_for(TIME);
        }
        assert!(connections.admit(TIME).is_none(), "all are busy");
        drop(third);
        assert!(connections.admit(TIME).is_some(), "one has ended");
    }

    #[tokio::test]
    async fn time_begins_anew_with_each_phase() {
        let start = Instant::now();
        let time = Duration::from_millis(100);
        let connection = Connection::new(time);
        tokio::time::sleep(time / 2).await;
        connection.is_busy_for(time);
        connection.overdue().await;
        assert!(start.elapsed() >= time + time / 2);
    }
}

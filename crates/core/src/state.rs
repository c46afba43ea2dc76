//! The states of a deletion and who moves it from one to the next: one pure function, [`next`].
//!
//! Every statement of the ledger that changes a state takes the states before and after from here, and the tables'
//! `check` constraints mirror it; nothing else assigns a state. `docs/states.md` has the diagram.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a deletion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Due at `run_at`: fresh, in grace, or backing off. A worker moves it on.
    Pending,
    /// Its children are deleted first. The worker that finishes the last child moves it on.
    Waiting,
    /// Claimed by a worker under a lease.
    Running,
    /// Every target confirmed, and the row is gone or stays as configured. Final.
    Completed,
    /// Failed for good; on-call retries or discards it.
    Dead,
    /// Restored, discarded or superseded. Final.
    Cancelled,
}

impl State {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Waiting, Self::Running, Self::Completed, Self::Dead, Self::Cancelled];

    /// The state's name, as in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|s| s.as_str() == name).ok_or_else(|| UnknownState(name.to_owned()))
    }
}

/// The ledger holds a state that this release does not know.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a state of a deletion; was the ledger written by a newer release?")]
pub struct UnknownState(String);

/// What happens to a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A worker claimed it.
    Claimed,
    /// It was taken back before the first external call.
    Restored,
    /// It has children whose deletions must be finished before its own targets are called.
    ChildrenFirst,
    /// Its last child finished.
    ChildrenFinished,
    /// One of its children died.
    ChildDied,
    /// There was nothing to call and no grace, so that its row was deleted in the transaction of the request.
    DeletedAtOnce,
    /// All targets confirmed, and the row is gone or stays for good.
    Finished,
    /// All targets confirmed, and the row is to be deleted later (`delete_after`).
    HardDeleteScheduled,
    /// The row changed in what a target uses.
    RowChanged,
    /// A failure that another attempt may mend.
    Failed,
    /// No attempt was made (throttled, row locked, shutting down): the attempt is given back.
    Snoozed,
    /// A failure for good.
    Died,
    /// The lease expired and another process may try.
    Rescued,
    /// No process has its target or its resource in the configuration, and none had for long.
    Abandoned,
    /// The database cannot give what the ledger has of it, so that no worker can claim it.
    Unreadable,
    /// On-call wants another try.
    Retried,
    /// On-call gave it up.
    Discarded,
    /// The same row was requested anew.
    Superseded,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 18] = [
        Self::Claimed,
        Self::Restored,
        Self::ChildrenFirst,
        Self::ChildrenFinished,
        Self::ChildDied,
        Self::DeletedAtOnce,
        Self::Finished,
        Self::HardDeleteScheduled,
        Self::RowChanged,
        Self::Failed,
        Self::Snoozed,
        Self::Died,
        Self::Rescued,
        Self::Abandoned,
        Self::Unreadable,
        Self::Retried,
        Self::Discarded,
        Self::Superseded,
    ];

    /// The state that the event leads to, wherever it is allowed.
    #[must_use]
    pub const fn to(self) -> State {
        match self {
            Self::Claimed => State::Running,
            Self::ChildrenFirst => State::Waiting,
            Self::Finished | Self::DeletedAtOnce => State::Completed,
            Self::Restored | Self::Discarded | Self::Superseded => State::Cancelled,
            Self::Died | Self::ChildDied | Self::Abandoned | Self::Unreadable => State::Dead,
            Self::ChildrenFinished
            | Self::HardDeleteScheduled
            | Self::RowChanged
            | Self::Failed
            | Self::Snoozed
            | Self::Rescued
            | Self::Retried => State::Pending,
        }
    }

    /// The states in which the event may happen.
    pub fn allowed_in(self) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |state| next(*state, self).is_ok())
    }
}

/// Why a deletion ended as [`State::Cancelled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum Cancellation {
    /// It was taken back before the first external call.
    Restored,
    /// On-call gave it up.
    Discarded,
    /// The same row was requested anew.
    Superseded,
}

impl Cancellation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Restored, Self::Discarded, Self::Superseded];

    /// The name, as in the ledger's column `cancelled_by`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Discarded => "discarded",
            Self::Superseded => "superseded",
        }
    }

    /// The event that cancels.
    #[must_use]
    pub const fn event(self) -> Event {
        match self {
            Self::Restored => Event::Restored,
            Self::Discarded => Event::Discarded,
            Self::Superseded => Event::Superseded,
        }
    }
}

impl From<Cancellation> for &'static str {
    fn from(cancellation: Cancellation) -> Self {
        cancellation.as_str()
    }
}

impl std::str::FromStr for Cancellation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let cancellation = Self::ALL.into_iter().find(|cancellation| cancellation.as_str() == name);
        cancellation.ok_or_else(|| format!("`{name}` is not a way to cancel a deletion"))
    }
}

/// An event that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a deletion that is {state} cannot be {event:?}")]
pub struct IllegalTransition {
    /// Where the deletion stands.
    pub state: State,
    /// What was to happen.
    pub event: Event,
}

/// The state after `event` in `state`.
///
/// # Errors
/// [`IllegalTransition`] when `state` does not allow it. `Completed` and `Cancelled` allow nothing.
pub const fn next(state: State, event: Event) -> Result<State, IllegalTransition> {
    let allowed = match event {
        Event::Claimed | Event::DeletedAtOnce | Event::Abandoned | Event::Unreadable => matches!(state, State::Pending),
        Event::ChildrenFirst => matches!(state, State::Pending | State::Running),
        Event::Restored => matches!(state, State::Pending | State::Waiting),
        Event::ChildrenFinished | Event::ChildDied => matches!(state, State::Waiting),
        Event::Finished
        | Event::HardDeleteScheduled
        | Event::RowChanged
        | Event::Failed
        | Event::Snoozed
        | Event::Died
        | Event::Rescued => matches!(state, State::Running),
        Event::Retried | Event::Discarded | Event::Superseded => matches!(state, State::Dead),
    };
    if allowed { Ok(event.to()) } else { Err(IllegalTransition { state, event }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_allow_nothing() {
        for state in [State::Completed, State::Cancelled] {
            for event in Event::ALL {
                assert_eq!(next(state, event), Err(IllegalTransition { state, event }));
            }
        }
    }

    #[test]
    fn every_other_state_has_a_way_out() {
        for state in [State::Pending, State::Waiting, State::Running, State::Dead] {
            assert!(Event::ALL.into_iter().any(|event| next(state, event).is_ok()), "{state}");
        }
    }

    #[test]
    fn only_a_running_deletion_finishes_unless_there_was_nothing_to_call() {
        for state in State::ALL {
            assert_eq!(next(state, Event::Finished).is_ok(), state == State::Running);
            assert_eq!(next(state, Event::DeletedAtOnce).is_ok(), state == State::Pending);
        }
    }

    #[test]
    fn every_cancellation_ends_in_the_same_state() {
        for cancellation in Cancellation::ALL {
            assert_eq!(cancellation.event().to(), State::Cancelled);
        }
    }
}

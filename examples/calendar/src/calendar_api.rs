//! A local stand-in for the Google Calendar API: `events.delete` with the answers that its documentation lists
//! ("Events: delete", "Handle API errors"), some of them far too often.
//!
//! It keeps a journal of the events that it confirmed as deleted. The demonstration is checked against it, and not
//! against what the daemon says.

mod answers;
mod faults;
mod journal;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, Method, Uri, header::AUTHORIZATION},
    response::Response,
    routing::delete,
};
use tokio::{net::TcpListener, time::sleep};

pub(crate) use journal::Journal;

use answers::Answer;
use faults::{Fault, Faults};

/// The daemon's credentials.
pub(crate) const TOKEN: &str = "demo-token";

/// An event in a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EventId {
    /// The calendar.
    pub(crate) calendar: String,
    /// The event in it.
    pub(crate) event: String,
}

/// The state of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It exists.
    There,
    /// It existed: 410 `deleted`.
    Deleted,
    /// It cannot be deleted until it is released: 400.
    Refused,
    /// The server fails on it each time: 500.
    Broken,
}

/// The running stand-in. It ends with the process.
#[derive(Debug, Clone)]
pub(crate) struct CalendarApi {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    faults: Faults,
    state: Mutex<Books>,
}

/// Its events and its journal, changed together.
#[derive(Debug)]
struct Books {
    events: HashMap<EventId, Fate>,
    journal: Journal,
}

impl CalendarApi {
    /// Starts on a free port of the loopback address, misbehaving in `share` of its answers.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub(crate) async fn start(events: HashMap<EventId, Fate>, share: f64, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let books = Mutex::new(Books { events, journal: Journal::default() });
        let shared = Arc::new(Shared { faults: Faults::new(share, seed), state: books });
        let router = Router::new()
            .route("/calendar/v3/calendars/{calendar}/events/{event}", delete(delete_event))
            .fallback(stray)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the calendar's server ended");
            }
        });
        Ok(Self { shared, address })
    }

    /// The URL under which its calendars are.
    pub(crate) fn base(&self) -> String {
        format!("http://{}/calendar/v3/calendars", self.address)
    }

    /// What it did so far.
    pub(crate) fn journal(&self) -> Journal {
        self.shared.books().journal.clone()
    }

    /// Repairs the events that could not be deleted: from now on they can.
    pub(crate) fn release(&self) {
        let mut books = self.shared.books();
        books.events.values_mut().filter(|fate| **fate != Fate::Deleted).for_each(|fate| *fate = Fate::There);
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on the answer, and records it before it is sent.
    fn decide(&self, id: &EventId) -> (Answer, Duration) {
        let mut books = self.books();
        let call = books.journal.count_call(id);
        let fate = books.events.get(id).copied();
        let answer = match (self.faults.of(id, call), fate) {
            (Some(fault), _) if !fault.deletes() => Answer::of_fault(fault),
            (_, None) => Answer::NotFound,
            (_, Some(Fate::Deleted)) => Answer::Gone,
            (_, Some(Fate::Refused)) => Answer::Invalid,
            (_, Some(Fate::Broken)) => Answer::BackendError,
            (fault, Some(Fate::There)) => {
                books.events.insert(id.clone(), Fate::Deleted);
                fault.map_or(Answer::NoContent, Answer::of_fault)
            }
        };
        let late = answer == Answer::NoContent && self.faults.of(id, call) == Some(Fault::TooLate);
        books.journal.record(id, answer);
        (answer, if late { faults::TOO_LATE } else { self.faults.latency(id, call) })
    }
}

async fn delete_event(
    State(shared): State<Arc<Shared>>,
    Path((calendar, event)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let expected = format!("Bearer {TOKEN}");
    if headers.get(AUTHORIZATION).is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
        return Answer::Unauthorized.into_response();
    }
    let (answer, pause) = shared.decide(&EventId { calendar, event });
    sleep(pause).await;
    answer.into_response()
}

/// A call of anything else, which should never happen.
async fn stray(State(shared): State<Arc<Shared>>, method: Method, uri: Uri) -> Response {
    shared.books().journal.record_stray(format!("{method} {uri}"));
    Answer::NotFound.into_response()
}

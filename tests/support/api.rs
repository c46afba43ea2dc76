//! An external system: a real HTTP server with objects that can be deleted, which misbehaves on command.
//!
//! It keeps two accounts that tests compare with the ledger: every call as it came over the wire, and what was
//! *confirmed*, that is answered with 2xx or 410.

mod answer;
mod flaky;
mod server;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

pub use self::answer::{Answer, Gate, google_rate_limit, throttled_until};
pub use self::flaky::Flaky;

/// One call as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// When its body was complete, by the monotonic clock.
    pub at: Instant,
    /// The same by the wall clock.
    pub at_time: SystemTime,
    /// The method.
    pub method: String,
    /// Path and query exactly as sent: nothing is decoded or normalised.
    pub path_and_query: String,
    /// Header names in lower case, with their values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The status that was answered; `None` while the call is in flight, and for ever if it was reset or hung.
    pub status: Option<u16>,
    /// Whether the caller was told that the object is gone: 2xx or 410.
    pub confirmed: bool,
}

impl Call {
    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The path as sent, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }
}

/// What happens to calls that no script speaks for.
#[derive(Clone)]
pub enum Behaviour {
    /// The same answer to all.
    Always(Answer),
    /// A share of the calls fails in every documented way.
    Flaky(Flaky),
    /// Whatever the function says: for systems with rules of their own.
    With(Arc<dyn Fn(&Call) -> Answer + Send + Sync>),
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(answer) => f.debug_tuple("Always").field(answer).finish(),
            Self::Flaky(flaky) => f.debug_tuple("Flaky").field(flaky).finish(),
            Self::With(_) => f.write_str("With(function)"),
        }
    }
}

/// The server. It ends on drop; open connections are cut.
#[derive(Debug)]
pub struct Api {
    port: u16,
    state: Arc<watch::Sender<State>>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    calls: Vec<Call>,
    in_flight: usize,
    max_in_flight: usize,
    scripts: HashMap<String, VecDeque<Answer>>,
    default: Behaviour,
    confirmed: BTreeSet<String>,
    /// What is being called, and how often at once.
    open: HashMap<String, usize>,
    overlapping: BTreeSet<String>,
}

impl Api {
    /// A server on a free loopback port that answers 204 to everything, and 410 to deleting what is already deleted.
    pub async fn start() -> Self {
        let (state, _) = watch::channel(State {
            calls: Vec::new(),
            in_flight: 0,
            max_in_flight: 0,
            scripts: HashMap::new(),
            default: Behaviour::Always(Answer::Status(204)),
            confirmed: BTreeSet::new(),
            open: HashMap::new(),
            overlapping: BTreeSet::new(),
        });
        let state = Arc::new(state);
        let (port, server) = server::start(Arc::clone(&state)).await;
        Self { port, state, server }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What calls get that no script speaks for. A `DELETE` of a path that is already deleted gets 410 where it would
    /// have got 2xx.
    pub fn set_default(&self, behaviour: Behaviour) {
        self.state.send_modify(|state| state.default = behaviour);
    }

    /// The next answers for a path, used up in order before the default applies. `path` is compared undecoded with path
    /// and query, then with the path alone. Further answers are appended to those still unused.
    pub fn script(&self, path: &str, answers: Vec<Answer>) {
        self.state.send_modify(|state| state.scripts.entry(path.to_owned()).or_default().extend(answers));
    }

    /// Forgets the answers that are still unused.
    pub fn forget_scripts(&self) {
        self.state.send_modify(|state| state.scripts.clear());
    }

    /// Every call so far, in order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<Call> {
        self.state.borrow().calls.clone()
    }

    /// The calls whose path and query, or path alone, is this one.
    #[must_use]
    pub fn calls_to(&self, path: &str) -> Vec<Call> {
        let state = self.state.borrow();
        let asked = |call: &&Call| call.path_and_query == path || call.path() == path;
        state.calls.iter().filter(asked).cloned().collect()
    }

    /// Path and query of every confirmed call, except reads.
    #[must_use]
    pub fn confirmed(&self) -> BTreeSet<String> {
        self.state.borrow().confirmed.clone()
    }

    /// Path and query of everything that was called while another call of the same was in flight.
    #[must_use]
    pub fn overlapping(&self) -> BTreeSet<String> {
        self.state.borrow().overlapping.clone()
    }

    /// Calls that have arrived and are not answered yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.borrow().in_flight
    }

    /// The most calls that were ever in flight at once.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.state.borrow().max_in_flight
    }

    /// Waits until `count` calls have arrived, answered or not, and returns all there are. Panics after `timeout`.
    pub async fn wait_for_calls(&self, count: usize, timeout: Duration) -> Vec<Call> {
        self.wait_until(&format!("{count} calls"), timeout, |calls| calls.len() >= count).await
    }

    /// Waits until the calls so far are as `wanted`; `what` names it in the panic after `timeout`.
    pub async fn wait_until(&self, what: &str, timeout: Duration, wanted: impl Fn(&[Call]) -> bool) -> Vec<Call> {
        let mut state = self.state.subscribe();
        // The condition borrows the state; reading it a second time while a writer waits would deadlock.
        let in_time = tokio::time::timeout(timeout, state.wait_for(|state| wanted(&state.calls))).await.is_ok();
        if !in_time {
            panic!("no {what} after {timeout:?}; the calls so far: {:#?}", self.log());
        }
        self.log()
    }

    /// Waits until exactly `count` calls are in flight. Panics after `timeout`.
    pub async fn wait_for_in_flight(&self, count: usize, timeout: Duration) {
        let mut state = self.state.subscribe();
        let waited = tokio::time::timeout(timeout, state.wait_for(|state| state.in_flight == count)).await;
        assert!(waited.is_ok(), "{} calls are in flight after {timeout:?}, not {count}", self.in_flight());
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    /// The scripted answer for a call, or what the default behaviour makes of it.
    fn answer(&mut self, call: &Call) -> Answer {
        for path in [call.path_and_query.as_str(), call.path()] {
            if let Some(answer) = self.scripts.get_mut(path).and_then(VecDeque::pop_front) {
                return answer;
            }
        }
        let answer = match &mut self.default {
            Behaviour::Always(answer) => answer.clone(),
            Behaviour::Flaky(flaky) => flaky.next(),
            Behaviour::With(function) => function(call),
        };
        if call.method == "DELETE" && self.confirmed.contains(&call.path_and_query) {
            answer.already_gone()
        } else {
            answer
        }
    }

    fn began(&mut self, path: &str) {
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
        let open = self.open.entry(path.to_owned()).or_default();
        *open += 1;
        if *open > 1 {
            self.overlapping.insert(path.to_owned());
        }
    }

    fn ended(&mut self, path: &str) {
        self.in_flight -= 1;
        if let Some(open) = self.open.get_mut(path) {
            *open -= 1;
        }
        self.open.retain(|_, open| *open > 0);
    }

    fn answered(&mut self, index: usize, status: u16) {
        let call = &mut self.calls[index];
        call.status = Some(status);
        call.confirmed = matches!(status, 200..=299 | 410);
        let reads = matches!(call.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT");
        if call.confirmed && !reads {
            self.confirmed.insert(call.path_and_query.clone());
        }
    }
}

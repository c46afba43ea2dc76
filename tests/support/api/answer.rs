//! The ways in which a call can be answered, or not.

use std::fmt;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

/// What one call gets.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This status with an empty body.
    Status(u16),
    /// This status with a body: JSON by its content type when it starts like JSON.
    StatusBody(u16, String),
    /// This status with these headers and an empty body.
    WithHeaders(u16, Vec<(String, String)>),
    /// Everything at once: status, headers, body.
    Full(u16, Vec<(String, String)>, String),
    /// The same with a body of bytes that are no text.
    Bytes(u16, Vec<(String, String)>, Vec<u8>),
    /// The answer after a while.
    Delay(Duration, Box<Answer>),
    /// The answer once the test opens the gate.
    Held(Gate, Box<Answer>),
    /// No answer: the TCP connection is reset.
    Reset,
    /// No answer until the client goes away.
    Hang,
    /// The status at once, then a body of this many bytes, one after each pause.
    SlowBody {
        /// The status.
        status: u16,
        /// How long the body is in the end.
        bytes: usize,
        /// The pause before each byte.
        pause: Duration,
    },
}

impl Answer {
    /// The same, except that a success becomes "already gone".
    pub(super) fn already_gone(self) -> Self {
        match self {
            Self::Delay(pause, answer) => Self::Delay(pause, Box::new(answer.already_gone())),
            Self::Held(gate, answer) => Self::Held(gate, Box::new(answer.already_gone())),
            Self::Status(200..=299)
            | Self::StatusBody(200..=299, _)
            | Self::WithHeaders(200..=299, _)
            | Self::Full(200..=299, ..)
            | Self::Bytes(200..=299, ..)
            | Self::SlowBody { status: 200..=299, .. } => Self::Status(410),
            other => other,
        }
    }
}

/// Holds answers back until a test has looked at what happens meanwhile. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a name would not say whether a default gate is open")]
    pub fn new() -> Self {
        Self(watch::channel(false).0)
    }

    /// Lets through all that wait, and all that come later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        // The sender is in `self`, so the channel cannot be closed while this waits.
        self.0.subscribe().wait_for(|open| *open).await.ok();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate(open: {})", *self.0.borrow())
    }
}

/// Google's way to say "slow down" with a 403, as documented for the Calendar API ("Handle API errors"): `reason` is
/// `rateLimitExceeded` or `userRateLimitExceeded` there.
#[must_use]
pub fn google_rate_limit(reason: &str) -> Answer {
    let message = "Rate Limit Exceeded";
    let body = format!(
        r#"{{"error":{{"code":403,"message":"{message}","errors":[{{"domain":"usageLimits","reason":"{reason}","message":"{message}"}}]}}}}"#
    );
    Answer::StatusBody(403, body)
}

/// 429 with the moment to come back as an HTTP date, the second form of `Retry-After` (RFC 9110, 10.2.3).
#[must_use]
pub fn throttled_until(moment: SystemTime) -> Answer {
    Answer::WithHeaders(429, vec![("retry-after".to_owned(), httpdate::fmt_http_date(moment))])
}

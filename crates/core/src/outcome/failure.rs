//! What the ledger stores of a call that did not confirm.

/// A call that did not confirm. Its status and reason code are stored; bodies and URLs with values never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// A short code: `http_503`, `timeout`, `rateLimitExceeded`.
    pub reason: String,
}

//! What a target's answer means.
//!
//! Every answer has a meaning, and the default is not retryable: an unknown answer is [`Outcome::Rejected`].
//! A target chooses what there is to judge: it takes time proportional to the length of the answer and its headers.
//! The configuration says which answers confirm ([`crate::config::target`]); whether one does is judged here.

mod answer;
mod call;
mod classify;
mod conditions;
mod dead_kind;
mod failure;
mod http;
mod patience;
mod reserved;

pub use self::answer::{Answer, Look};
pub use self::call::Outcome;
pub use self::classify::{HttpAnswer, classify, is_code, reason_in};
pub use self::dead_kind::DeadKind;
pub use self::failure::Failure;
pub use self::http::{ANSWER_TOO_LONG, NO_ANSWER_MEMORY, Received, classify_delete, classify_look};
pub use self::patience::{asked_patience, retry_after};
pub use self::reserved::Reserved;

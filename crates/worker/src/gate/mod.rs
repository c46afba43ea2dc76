//! Gates: whether deletions of a lane may be claimed, and whether a call to its target may begin.
//!
//! - A gate is shut by an operator's pause, by a breaker, or because the target asked for patience. It is narrow if the
//!   target has limits.
//! - Nothing is claimed from a lane that is shut, so its deletions wait untouched for as long as it stays shut.
//! - A deletion that finds a gate shut after its claim is snoozed, which costs no attempt.
//! - Pauses and breakers are in the ledger. Every process reads them once a second and upon word of a change; see
//!   [`sexton_core::ledger::OpenBreaker`].

mod answers;
mod breaker;
mod bucket;
mod confirmed_here;
mod doubt;
mod gates;
mod gone_answers;
mod limit;
mod recent_calls;
mod refresh;
mod shut_lane;

pub(crate) use breaker::{CallReport, Fault};
pub(crate) use gates::{Admission, CallPermit, Gates, OpenLane};
pub(crate) use gone_answers::{Doubted, GoneEvidence, Judgement, WINDOW as HOLD};
pub(crate) use refresh::LaneToProbe;

//! A `207` to a `DELETE`: what became of the members of a collection (RFC 4918 §9.6.1), or of the object itself.

use std::time::{Instant, SystemTime};

use sexton_core::outcome::{Answer, Failure, HttpAnswer, Outcome, Received, classify};

use super::{href, multistatus};

/// What a `207` says.
pub(super) enum Members {
    /// What became of the deletion.
    Outcome(Outcome),
    /// That nothing is at the URL itself, with this status.
    Missing(u16),
}

/// Reads a `207` by its worst member. It is no success as long as one member is still there.
pub(super) fn members_of(received: &Received, deadline: Instant) -> Members {
    let reason = |reason| Members::Outcome(Outcome::Rejected(received.failure(reason)));
    let Some(responses) = multistatus::responses(&received.body, deadline) else {
        return match Instant::now() < deadline {
            true => reason("unreadable_multistatus"),
            false => Members::Outcome(Outcome::Lost(received.failure("timeout"))),
        };
    };
    let hrefs = || responses.iter().flat_map(|response| &response.hrefs);
    let statuses: Option<Vec<u16>> = responses.iter().map(|response| response.status).collect();
    let Some(statuses) = statuses else { return reason("unreadable_multistatus") };
    if let (&[status @ (404 | 410)], true) = (&statuses[..], hrefs().all(|one| href::names_missing(one, &received.url)))
    {
        return Members::Missing(status);
    }
    // A refusal is one whatever the server calls what it is about: in it DAViCal leaves out the path of its script.
    let mut deleted = responses.iter().zip(&statuses).filter(|(_, status)| !is_left(**status));
    if !deleted.all(|(response, _)| response.hrefs.iter().all(|one| href::names_member(one, &received.url))) {
        return reason("other_object");
    }
    Members::Outcome(worst(&statuses))
}

/// Whether a member with this status is still there.
const fn is_left(status: u16) -> bool {
    !matches!(status, 200..=299 | 404 | 410)
}

fn worst(statuses: &[u16]) -> Outcome {
    let member = |status: u16| Failure { status: Some(207), reason: format!("member_{status}") };
    let temporary = |status: u16| {
        let answer = HttpAnswer { status, retry_after: None, reason: None };
        matches!(status, 423 | 424)
            || matches!(classify(answer, &[], SystemTime::now()), Outcome::Retry(_) | Outcome::Throttled { .. })
    };
    let left = || statuses.iter().copied().filter(|status| is_left(*status));
    let permanent = left().find(|status| !temporary(*status));
    match (permanent, left().next()) {
        // The collection accepted our credentials: a member that we may not delete says nothing of them.
        (Some(status), _) => Outcome::Rejected(member(status)),
        (None, Some(status)) => Outcome::Retry(member(status)),
        (None, None) => Outcome::Confirmed { answer: Answer::Deleted { status: 207 } },
    }
}

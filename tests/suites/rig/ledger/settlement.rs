//! What tests write back for a claim.

use std::time::Duration;

use sexton_core::{
    ids::Lane,
    ledger::{Candidates, Claim, ClaimRequest, Confirmation, Confirmations, Phase, Settlement},
    outcome::Answer,
    state::Event,
};

use super::{LEASE, ME};

/// A settlement of a claim with nothing changed but the event.
pub(crate) fn settlement(claim: &Claim, event: Event) -> Settlement {
    Settlement {
        id: claim.id,
        fence: claim.fence,
        event,
        phase: Phase::Confirm,
        delay: Duration::ZERO,
        give_back: false,
        uncalled: false,
        lane: lane("block.calendar"),
        confirmations: claim.confirmations.clone(),
        gone_expected: claim.gone_expected.clone(),
        payload: None,
        error: None,
        dead: None,
        delete_limit: None,
        attempt: None,
    }
}

/// A claim of [`ME`], of rescued deletions too.
pub(crate) const fn claim_by_me<'a>(candidates: Candidates<'a>, lanes: &'a [Lane]) -> ClaimRequest<'a> {
    ClaimRequest { candidates, lanes, worker: ME, lease: LEASE, payload_bytes: usize::MAX, with_rescued: true }
}

/// A lane by its name.
pub(crate) fn lane(name: &str) -> Lane {
    Lane::from_ledger(name.to_owned())
}

/// Confirmations of these targets.
pub(crate) fn confirmed(targets: &[&str]) -> Confirmations {
    let one = || Confirmation {
        at: "2026-01-01T00:00:00.000Z".to_owned(),
        answer: Answer::Deleted { status: 204 },
        verified: false,
        doubted: false,
        asked_again: 0,
        in_run: false,
    };
    targets.iter().map(|target| ((*target).to_owned(), one())).collect()
}

//! What may happen to the rows of a schema and to their deletions.

use proptest::prelude::*;

use super::schema::SLOTS;

/// A row or a deletion, as a number that is taken modulo what there is.
pub(super) type Pick = usize;

/// How a target answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Gone,
    /// 500
    Fails,
    /// 400
    Rejects,
    /// 429
    Throttles,
    /// 401
    Refuses,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    // The application, and others behind Sexton's back.
    Insert {
        table: usize,
        slot: usize,
        gcal: Option<u8>,
        kind: bool,
        links: [Option<usize>; 3],
    },
    Delete {
        of: Pick,
    },
    /// `gcal` is written late, or changes.
    WriteGcal {
        of: Pick,
        gcal: Option<u8>,
    },
    ChangeKind {
        of: Pick,
    },
    Move {
        of: Pick,
        rule: usize,
        to: Option<usize>,
    },
    Mark {
        of: Pick,
    },
    Unmark {
        of: Pick,
    },
    // Producers and on-call.
    /// A row, and others of its table.
    Request {
        of: Pick,
        more: Vec<usize>,
        after: bool,
    },
    Restore {
        of: Pick,
    },
    RestoreBatch {
        of: Pick,
    },
    Retry {
        of: Pick,
    },
    Discard {
        of: Pick,
    },
    // Workers.
    /// Claims and works, as soon as it is due; with `wait` the clock is set on until then.
    Work {
        of: Pick,
        answers: [Answer; 2],
        wait: bool,
    },
    /// A worker claims and vanishes.
    Crash {
        of: Pick,
        wait: bool,
    },
    /// The lease of a vanished worker ends, and another process takes the deletion back.
    Rescue {
        of: Pick,
    },
    /// A vanished worker comes back and writes down that it failed.
    WriteLate {
        of: Pick,
    },
    Follow,
}

pub(super) fn actions() -> impl Strategy<Value = Vec<Action>> {
    let rows = prop::collection::vec(insert(), 3..14);
    (rows, prop::collection::vec(action(), 8..40)).prop_map(|(rows, actions)| rows.into_iter().chain(actions).collect())
}

fn slot() -> impl Strategy<Value = usize> {
    0..SLOTS
}

fn gcal() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.7, 0..3u8)
}

fn insert() -> impl Strategy<Value = Action> {
    let link = || prop::option::weighted(0.6, slot());
    let links = [link(), link(), link()];
    (0..3usize, slot(), gcal(), prop::bool::weighted(0.3), links)
        .prop_map(|(table, slot, gcal, kind, links)| Action::Insert { table, slot, gcal, kind, links })
}

/// Further rows of a request, mostly none.
fn more() -> impl Strategy<Value = Vec<usize>> {
    let some = prop::collection::btree_set(slot(), 1..4).prop_map(|slots| slots.into_iter().collect());
    prop_oneof![2 => Just(Vec::new()), 1 => some]
}

fn action() -> impl Strategy<Value = Action> {
    let answer = || {
        prop_oneof![
            6 => Just(Answer::Done), 1 => Just(Answer::Gone), 2 => Just(Answer::Fails), 2 => Just(Answer::Rejects),
            1 => Just(Answer::Throttles), 1 => Just(Answer::Refuses)
        ]
    };
    let pick = || 0..1000usize;
    prop_oneof![
        2 => insert(),
        1 => pick().prop_map(|of| Action::Delete { of }),
        1 => (pick(), gcal()).prop_map(|(of, gcal)| Action::WriteGcal { of, gcal }),
        1 => pick().prop_map(|of| Action::ChangeKind { of }),
        2 => (pick(), 0..3usize, prop::option::weighted(0.8, slot())).prop_map(|(of, rule, to)| Action::Move { of, rule, to }),
        1 => pick().prop_map(|of| Action::Mark { of }),
        1 => pick().prop_map(|of| Action::Unmark { of }),
        8 => (pick(), more(), prop::bool::weighted(0.1)).prop_map(|(of, more, after)| Action::Request { of, more, after }),
        2 => pick().prop_map(|of| Action::Restore { of }),
        1 => pick().prop_map(|of| Action::RestoreBatch { of }),
        2 => pick().prop_map(|of| Action::Retry { of }),
        1 => pick().prop_map(|of| Action::Discard { of }),
        16 => (pick(), [answer(), answer()], prop::bool::weighted(0.8))
            .prop_map(|(of, answers, wait)| Action::Work { of, answers, wait }),
        2 => (pick(), prop::bool::weighted(0.8)).prop_map(|(of, wait)| Action::Crash { of, wait }),
        2 => pick().prop_map(|of| Action::Rescue { of }),
        1 => pick().prop_map(|of| Action::WriteLate { of }),
        1 => Just(Action::Follow),
    ]
}

//! Every statement on Sexton's own tables, rendered once when the ledger is opened.
//!
//! Each operation has its texts beside it: `lease.renew.postgres.sql` and `lease.renew.sqlite.sql` are run by
//! `lease.rs`, and a text without a dialect in its name is for both. To add a database, write one more text wherever
//! [`Words::pick`] chooses.

use std::fmt::Debug;

use super::{
    Phase, RowOutcome,
    breaker::{self, Cause},
    deletions::{
        advance, archive, batch, call, claim, due, find, finish, forget, held, key_hash, lease, link, lock, probe,
        record, relatives, rescue, retained, settle, stranded, unreadable,
    },
    identity,
    operators::{action, dead_letters, export, figures, pause, retarget, status, writers},
    partitions, resources, sequence,
    sweep_state::run,
    wake,
};
use crate::{
    db::{Dialect, Words, literal},
    outcome::DeadKind,
    state::{Cancellation, Event, State},
};

/// The statements, by the operation that runs them.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) action: action::Statements,
    pub(super) advance: advance::Statements,
    pub(super) archive: archive::Statements,
    pub(super) batch: batch::Statements,
    pub(super) breaker: breaker::Statements,
    pub(super) call: call::Statements,
    pub(super) claim: claim::Statements,
    pub(super) dead_letters: dead_letters::Statements,
    pub(super) due: due::Statements,
    pub(super) export: export::Statements,
    pub(super) figures: figures::Statements,
    pub(super) find: find::Statements,
    pub(super) finish: finish::Statements,
    pub(super) forget: forget::Statements,
    pub(super) held: held::Statements,
    pub(super) identity: identity::Statements,
    pub(super) key_hash: key_hash::Statements,
    pub(super) lease: lease::Statements,
    pub(super) link: link::Statements,
    pub(super) lock: lock::Statements,
    pub(super) partitions: partitions::Statements,
    pub(super) pause: pause::Statements,
    pub(super) probe: probe::Statements,
    pub(super) record: record::Statements,
    pub(super) relatives: relatives::Statements,
    pub(super) rescue: rescue::Statements,
    pub(super) resources: resources::Statements,
    pub(super) retarget: retarget::Statements,
    pub(super) sequence: sequence::Statements,
    pub(super) settle: settle::Statements,
    pub(super) status: status::Statements,
    pub(super) stranded: stranded::Statements,
    pub(super) unreadable: unreadable::Statements,
    pub(super) sweep_run: run::Statements,
    pub(super) wake: wake::Statements,
    pub(super) writers: writers::Statements,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        Self {
            action: action::Statements::render(words),
            advance: advance::Statements::render(words),
            archive: archive::Statements::render(words),
            batch: batch::Statements::render(words),
            breaker: breaker::Statements::render(words),
            call: call::Statements::render(words),
            claim: claim::Statements::render(words),
            dead_letters: dead_letters::Statements::render(words),
            due: due::Statements::render(words),
            export: export::Statements::render(words),
            figures: figures::Statements::render(words),
            find: find::Statements::render(words),
            finish: finish::Statements::render(words),
            forget: forget::Statements::render(words),
            held: held::Statements::render(words),
            identity: identity::Statements::render(words),
            key_hash: key_hash::Statements::render(words),
            lease: lease::Statements::render(words),
            link: link::Statements::render(words),
            lock: lock::Statements::render(words),
            partitions: partitions::Statements::render(words),
            pause: pause::Statements::render(words),
            probe: probe::Statements::render(words),
            record: record::Statements::render(words),
            relatives: relatives::Statements::render(words),
            rescue: rescue::Statements::render(words),
            resources: resources::Statements::render(words),
            retarget: retarget::Statements::render(words),
            sequence: sequence::Statements::render(words),
            settle: settle::Statements::render(words),
            status: status::Statements::render(words),
            stranded: stranded::Statements::render(words),
            unreadable: unreadable::Statements::render(words),
            sweep_run: run::Statements::render(words),
            wake: wake::Statements::render(words),
            writers: writers::Statements::render(words),
        }
    }
}

/// What every text on the ledger may say besides the dialect's words:
/// * its tables by their names without `sexton_`, and `{deletion}`, `{done}` for the open and the finished deletions;
/// * the states as literals (`{pending}`), and the states between which an event moves a deletion:
///   `d.state in ({from:Claimed})`, `state = {to:Claimed}`;
/// * what else the ledger has words for, by the names of the variants: `{phase:Confirm}`, `{row_outcome:Kept}`,
///   `{cancellation:Discarded}`, `{dead_kind:Poison}`, `{cause:Gone}` (of a breaker);
/// * `{any_id_of:@records}`: `= any (…)` of the ids of a JSON array of objects (PostgreSQL), to stand beside a join
///   with them. When autovacuum finds the ledger empty, the planner takes it for empty until it is analyzed again. It
///   would then go through a burst of new deletions for each record (measured: 161 ms a batch with 10,000);
/// * what several operations need, named where it is written: [`due::OLDEST_IN_LANE`], [`advance::words`],
///   [`retained::words`], [`record::words`].
pub(super) fn words(dialect: Dialect, table: impl Fn(&str) -> String) -> Words {
    let words = Words::new(dialect)
        .with([
            ("deletion", table("sexton_deletion")),
            ("done", table("sexton_deletion_done")),
            ("attempt", table("sexton_attempt")),
            ("action", table("sexton_action")),
            ("action_name", literal(&table("sexton_action"))),
            ("resource", table("sexton_resource")),
            ("child", table("sexton_child")),
            ("wait", table("sexton_wait")),
            ("secret", table("sexton_secret")),
            ("sweep", table("sexton_sweep")),
            ("control", table("sexton_control")),
            ("breaker", table("sexton_breaker")),
            ("deleting", table("sexton_deleting")),
            ("guard", table("sexton_guard")),
            ("migration", table("sexton_migration")),
        ])
        .with([
            ("pending", state(State::Pending)),
            ("waiting", state(State::Waiting)),
            ("running", state(State::Running)),
            ("completed", state(State::Completed)),
            ("dead", state(State::Dead)),
            ("cancelled", state(State::Cancelled)),
        ])
        .with_function("from", |_, name| states_before(variant(&Event::ALL, name)))
        .with_function("to", |_, name| state_after(variant(&Event::ALL, name)))
        .with_function("phase", |_, name| literal(variant(&Phase::ALL, name).as_str()))
        .with_function("row_outcome", |_, name| literal(variant(&RowOutcome::ALL, name).as_str()))
        .with_function("cancellation", |_, name| literal(variant(&Cancellation::ALL, name).as_str()))
        .with_function("dead_kind", |_, name| literal(variant(&DeadKind::ALL, name).as_str()))
        .with_function("cause", |_, name| literal(variant(&Cause::ALL, name).as_str()))
        .with_function("any_id_of", |_, records| {
            format!("= any (array(select (value ->> 'id')::uuid from jsonb_array_elements({records}::jsonb)))")
        });
    let oldest_in_lane = words.expand(due::OLDEST_IN_LANE);
    record::words(retained::words(advance::words(words.with([("oldest_in_lane", oldest_in_lane)]))))
}

/// The states in which the event may happen, as literals for `state in (…)`.
pub(crate) fn states_before(event: Event) -> String {
    event.allowed_in().map(state).collect::<Vec<_>>().join(", ")
}

/// The state that the event leads to, as a literal.
pub(crate) fn state_after(event: Event) -> String {
    state(event.to())
}

fn state(state: State) -> String {
    literal(state.as_str())
}

/// The variant of this name. Texts are part of the program: a name that there is not is a mistake of the program.
fn variant<T: Copy + Debug>(all: &[T], name: &str) -> T {
    let Some(found) = all.iter().find(|one| format!("{one:?}") == name) else { panic!("no {name} in {all:?}") };
    *found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn every_statement_is_rendered_for_every_database() {
        for dialect in Dialect::ALL {
            drop(Ledger::in_schema(dialect, None));
        }
    }

    #[test]
    fn statements_name_the_states_of_the_table() {
        assert_eq!(states_before(Event::Restored), "'pending', 'waiting'");
        assert_eq!(states_before(Event::Rescued), "'running'");
        assert_eq!(state_after(Event::Discarded), "'cancelled'");
    }
}

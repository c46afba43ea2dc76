//! Every statement on Sexton's own tables, rendered once when the ledger is opened.
//!
//! Each operation has its texts beside it: `lease.renew.postgres.sql` and `lease.renew.sqlite.sql` are run by `lease.rs`, and
//! a text without a dialect in its name is for both. Whoever adds a database finds here which there are.

use super::deletions::{children, due, lease};
use crate::{
    db::{Dialect, Words},
    state::{Event, State, next},
};

/// The statements, by the operation that runs them.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) due: due::Statements,
    pub(super) lease: lease::Statements,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        Self { due: due::Statements::render(words), lease: lease::Statements::render(words) }
    }
}

/// What every text on the ledger may say besides the dialect's words:
/// * its tables by their names without `sexton_`, and `{deletion}`, `{done}` for the open and the finished deletions;
/// * the states as literals (`{pending}`), and the states between which an event moves a deletion:
///   `d.state in ({from:Claimed})`, `state = {to:Claimed}`;
/// * `{any_id_of:@records}`: `= any (…)` of the ids of a JSON array of objects (PostgreSQL), to stand beside a join with
///   them. When autovacuum finds the ledger empty, the planner takes it for empty until it is analyzed again, and joins a
///   burst of new deletions by going through all of them for each record (measured: 161 ms a batch with 10,000).
pub(super) fn words(dialect: Dialect, table: impl Fn(&str) -> String) -> Words {
    let words = Words::new(dialect)
        .with([
            ("deletion", table("sexton_deletion")),
            ("done", table("sexton_deletion_done")),
            ("attempt", table("sexton_attempt")),
            ("action", table("sexton_action")),
            ("resource", table("sexton_resource")),
            ("child", table("sexton_child")),
            ("wait", table("sexton_wait")),
            ("secret", table("sexton_secret")),
            ("sweep", table("sexton_sweep")),
            ("control", table("sexton_control")),
            ("breaker", table("sexton_breaker")),
            ("deleting", table("sexton_deleting")),
            ("migration", table("sexton_migration")),
        ])
        .with([
            ("pending", literal(State::Pending)),
            ("waiting", literal(State::Waiting)),
            ("running", literal(State::Running)),
            ("completed", literal(State::Completed)),
            ("dead", literal(State::Dead)),
            ("cancelled", literal(State::Cancelled)),
        ])
        .with_function("from", |_, name| {
            let event = event(name);
            let from = State::ALL.into_iter().filter(|state| next(*state, event).is_ok());
            from.map(literal).collect::<Vec<_>>().join(", ")
        })
        .with_function("to", |_, name| literal(event(name).to()))
        .with_function("any_id_of", |_, records| {
            format!("= any (array(select (value ->> 'id')::uuid from jsonb_array_elements({records}::jsonb)))")
        });
    let parts = [
        ("oldest_in_lane", words.expand(due::OLDEST_IN_LANE)),
        ("has_dead_child", words.expand(children::HAS_DEAD_CHILD)),
        ("has_no_child", words.expand(children::HAS_NO_CHILD)),
    ];
    let words = words.with(parts);
    let any_to_follow = words.expand(children::ANY_TO_FOLLOW);
    words.with([("any_to_follow", any_to_follow)])
}

fn literal(state: State) -> String {
    format!("'{state}'")
}

fn event(name: &str) -> Event {
    let Some(event) = Event::ALL.into_iter().find(|event| format!("{event:?}") == name) else {
        panic!("no event {name}")
    };
    event
}

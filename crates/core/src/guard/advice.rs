//! Guards that are there and do not do what they should.

use sea_orm::ConnectionTrait;

use super::{State, guards, left_over, state::keeps_references};
use crate::{
    catalog::{Problem, Table, Unreferenced},
    config::UnreferencedMode,
    db,
    ledger::Ledger,
    store::Store,
};

/// What operators should know of the guards, each with its key path and a remedy. None of it keeps a worker from starting.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn advice(conn: &impl ConnectionTrait, store: &Store) -> Result<Vec<Problem>, db::Error> {
    let mut advice = Vec::new();
    for guard in guards(conn, store).await? {
        let (name, resource) = (&guard.trigger.name, &guard.resource);
        let wrong = match guard.state {
            State::Installed | State::Missing => continue,
            State::Outdated => "is that of another configuration, table or release",
            State::Disabled => "is disabled, and records nothing",
        };
        advice.push(Problem {
            path: format!("resources.{resource}"),
            message: format!("the guard {name} {wrong}; run `sexton guard {resource}`"),
        });
    }
    for trigger in left_over(conn, store).await? {
        advice.push(Problem {
            path: "resources".to_owned(),
            message: format!(
                "there is a guard {} on {} of a resource that is not configured: no worker deletes what it records; configure \
                 the resource, or `{}`",
                trigger.name, trigger.on_table, trigger.sql_drop
            ),
        });
    }
    Ok(advice)
}

/// Why unreferenced rows of a table are not deleted, if guards are missing: between the request and the end of a deletion
/// nothing may reference such a row any more, and an external delete cannot be taken back.
///
/// * `table`: the same table, if its rows can be soft-removed as well.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn unguarded(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    unreferenced: &Unreferenced,
    table: Option<&Table>,
) -> Result<Option<Problem>, db::Error> {
    let is_on = unreferenced.settings.mode == UnreferencedMode::On;
    let is_needed = is_on && !Unreferenced::is_deleted_at_once(table);
    if !is_needed || keeps_references(conn, ledger, unreferenced, table).await? {
        return Ok(None);
    }
    let name = &unreferenced.name;
    Ok(Some(Problem {
        path: format!("resources.{name}.unreferenced.mode"),
        message: format!(
            "its rows go a while after their deletion was requested, and their twins for good: no new reference may appear; \
             run `sexton guard {name}`, whose triggers refuse references to rows that are hidden"
        ),
    }))
}

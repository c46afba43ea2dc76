//! Guards that are there and do not do what they should.

use sea_orm::ConnectionTrait;

use super::{Guard, GuardState, left_over, state::keeps_references};
use crate::{
    catalog::{ConfigProblem, Table, UnreferencedTable},
    config::UnreferencedMode,
    db,
    ledger::Ledger,
    store::Store,
};

/// Guards that were installed and do not do what they should, each with its key path and a remedy. None of it keeps a
/// worker from starting; sweeps that rely on such a guard delete nothing.
#[must_use]
pub fn broken(guards: &[Guard]) -> Vec<ConfigProblem> {
    let broken = guards.iter().filter(|guard| guard.standing.state.is_broken());
    let problem = |guard: &Guard| {
        let Guard { resource, trigger, standing } = guard;
        let (name, table) = (&trigger.name, &trigger.on_table);
        let message = match (standing.state, &standing.why) {
            (GuardState::Disabled, _) => format!("the guard {name} is disabled on {table}, and records nothing"),
            (_, Some(why)) => format!("the guard {name} on {table} {why}"),
            _ => format!(
                "the guard {name} on {table} was installed and is gone, as after a migration that makes the table \
                 anew: rows that are deleted without a request leave their twins behind"
            ),
        };
        let remedy = match standing.state {
            GuardState::Lost => {
                format!("run `sexton guard {resource}`, or `sexton guard {resource} --remove` if it is to stay away")
            }
            _ => format!("run `sexton guard {resource}`"),
        };
        ConfigProblem { path: format!("resources.{resource}"), message: format!("{message}; {remedy}") }
    };
    broken.map(problem).collect()
}

/// What operators should know of the other guards, each with its key path and a remedy.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn advice(
    conn: &impl ConnectionTrait,
    store: &Store,
    guards: &[Guard],
) -> Result<Vec<ConfigProblem>, db::Error> {
    let outdated = guards.iter().filter(|guard| guard.standing.state == GuardState::Outdated);
    let mut advice: Vec<_> = outdated
        .map(|Guard { resource, trigger, .. }| ConfigProblem {
            path: format!("resources.{resource}"),
            message: format!(
                "the guard {} is that of another configuration, table or release; run `sexton guard {resource}`",
                trigger.name
            ),
        })
        .collect();
    for trigger in left_over(conn, store).await? {
        advice.push(ConfigProblem {
            path: "resources".to_owned(),
            message: format!(
                "there is a guard {} on {} of a resource that is not configured: no worker deletes what it records; \
                 configure the resource, or `{}`",
                trigger.name, trigger.on_table, trigger.sql_drop
            ),
        });
    }
    Ok(advice)
}

/// Why unreferenced rows of a table are not deleted, if guards are missing. Between the request and the end of a
/// deletion nothing may reference such a row, because an external delete cannot be taken back.
///
/// * `table`: the same table, if its rows can be soft-removed as well.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn unguarded(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    unreferenced: &UnreferencedTable,
    table: Option<&Table>,
) -> Result<Option<ConfigProblem>, db::Error> {
    let is_on = unreferenced.settings.mode == UnreferencedMode::On;
    let is_needed = is_on && !UnreferencedTable::is_deleted_at_once(table);
    if !is_needed || keeps_references(conn, ledger, unreferenced, table).await? {
        return Ok(None);
    }
    let name = &unreferenced.name;
    Ok(Some(ConfigProblem {
        path: format!("resources.{name}.unreferenced.mode"),
        message: format!(
            "its rows go a while after their deletion was requested, and their twins for good: no new reference may \
             appear; run `sexton guard {name}`, whose triggers refuse references to rows that are hidden"
        ),
    }))
}

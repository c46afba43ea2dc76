//! Guards that are there and do not do what they should.

use sea_orm::{ConnectionTrait, DbErr};

use super::{State, guards, left_over};
use crate::{
    catalog::{Catalog, Problem},
    ledger::Ledger,
};

/// What somebody should know of the guards: each with its key path and a remedy. Nothing of it keeps a worker from starting.
///
/// # Errors
/// Whatever the database says.
pub async fn advice(conn: &impl ConnectionTrait, ledger: &Ledger, catalog: &Catalog) -> Result<Vec<Problem>, DbErr> {
    let mut advice = Vec::new();
    for guard in guards(conn, ledger, catalog).await? {
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
    for trigger in left_over(conn, ledger, catalog).await? {
        advice.push(Problem {
            path: "resources".to_owned(),
            message: format!(
                "there is a guard {} on {} of a resource that is not configured: nobody works on what it records; configure \
                 the resource, or `{}`",
                trigger.name, trigger.on_table, trigger.sql_drop
            ),
        });
    }
    Ok(advice)
}

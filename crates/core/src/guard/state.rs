//! Comparing what is installed with what would be generated now.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::{Trigger, referenced, trigger::PREFIX, triggers};
use crate::{
    catalog::{Table, Unreferenced},
    db::{self, Dialect, Row, Sql, Words, quote},
    ids::ResourceName,
    ledger::Ledger,
    store::Store,
};

/// How a guard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is there, as it should be.
    Installed,
    /// It is there, but made from another configuration, another table, or by another release.
    Outdated,
    /// It is there, but disabled (PostgreSQL, ALTER TABLE … DISABLE TRIGGER).
    Disabled,
    /// It is not there.
    Missing,
}

impl State {
    /// As `--json` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Outdated => "outdated",
            Self::Disabled => "disabled",
            Self::Missing => "missing",
        }
    }
}

struct Statements {
    read: Sql,
    list: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let read = words.pick(
            include_str!("state.read.postgres.sql"),
            "-- see how a guard stands
             select sql from sqlite_schema where type = 'trigger' and name = @name",
        );
        let list = words.pick(
            include_str!("state.list.postgres.sql"),
            "-- list guards
             select name, tbl_name as on_table from sqlite_schema
             where type = 'trigger' and substr(name, 1, length(@prefix)) = @prefix
             order by name",
        );
        Self { read: words.render(read), list: words.render(list) }
    }
}

/// A guard of a resource and how it stands.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The resource.
    pub resource: ResourceName,
    /// What it should be.
    pub trigger: Trigger,
    /// What it is.
    pub state: State,
}

/// The guards that the resources could have.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn guards(conn: &impl ConnectionTrait, store: &Store) -> Result<Vec<Guard>, db::Error> {
    let mut guards = Vec::new();
    for (resource, trigger) in triggers(store) {
        let state = state(conn, &store.ledger, &trigger).await?;
        guards.push(Guard { resource: resource.clone(), trigger, state });
    }
    Ok(guards)
}

/// Whether new references to rows of this table are guarded.
pub(super) async fn keeps_references(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    unreferenced: &Unreferenced,
    table: Option<&Table>,
) -> Result<bool, db::Error> {
    for trigger in referenced::triggers(ledger, unreferenced, table) {
        if state(conn, ledger, &trigger).await? != State::Installed {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn state(conn: &impl ConnectionTrait, ledger: &Ledger, trigger: &Trigger) -> Result<State, db::Error> {
    let read = ledger.statements::<Statements>().read.bind([
        ("schema", ledger.schema.as_deref().unwrap_or_default().into()),
        ("name", trigger.name.as_str().into()),
        ("table", trigger.on_table.as_str().into()),
        ("source", trigger.source.as_str().into()),
    ]);
    let Some(row) = read.one(conn).await? else { return Ok(State::Missing) };
    match ledger.dialect {
        Dialect::Postgres => postgres(&row),
        Dialect::Sqlite => sqlite(&row, trigger),
    }
}

fn postgres(row: &Row) -> Result<State, db::Error> {
    let (same, definer): (bool, bool) = (row.get("same")?, row.get("definer")?);
    let enabled: Option<String> = row.get("enabled")?;
    Ok(match enabled.as_deref() {
        // The function alone, or on a table that was the resource's before.
        None => State::Outdated,
        Some(_) if !same || !definer => State::Outdated,
        Some("D" | "R") => State::Disabled,
        Some(_) => State::Installed,
    })
}

fn sqlite(row: &Row, trigger: &Trigger) -> Result<State, db::Error> {
    let installed: String = row.get("sql")?;
    let same = installed.get("create trigger ".len()..).is_some_and(|rest| rest.trim_start() == trigger.source);
    Ok(if same { State::Installed } else { State::Outdated })
}

/// Guards that are installed although no resource of `catalog` has them: the resource was renamed or is not configured any
/// more, and no worker claims what they record. Each with its name, its tables for people, and the statement that drops it.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn left_over(conn: &impl ConnectionTrait, store: &Store) -> Result<Vec<Trigger>, db::Error> {
    let known: HashSet<String> = triggers(store).into_iter().map(|(_, trigger)| trigger.name).collect();
    let schema = store.ledger.schema.as_deref().unwrap_or_default();
    let list =
        store.ledger.statements::<Statements>().list.bind([("prefix", PREFIX.into()), ("schema", schema.into())]);
    let mut left = Vec::new();
    for row in list.all(conn).await? {
        let name: String = row.get("name")?;
        if known.contains(&name) {
            continue;
        }
        let sql_drop = match store.ledger.dialect {
            Dialect::Postgres => format!("drop function if exists {}.{}() cascade", quote(schema), quote(&name)),
            Dialect::Sqlite => format!("drop trigger if exists {}", quote(&name)),
        };
        let on_table = row.get("on_table")?;
        left.push(Trigger { name, on_table, sql_create: Vec::new(), sql_drop, source: String::new() });
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_no_unknown_words() {
        crate::ledger::Ledger::render_for_every_dialect::<super::Statements>();
    }
}

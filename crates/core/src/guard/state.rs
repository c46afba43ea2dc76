//! What is installed, held against what would be generated now.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::{Trigger, referenced, trigger::PREFIX, triggers};
use crate::{
    catalog::{Table, Unreferenced},
    db::{self, Dialect, quote},
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
    /// It is there, but somebody disabled it (PostgreSQL, ALTER TABLE … DISABLE TRIGGER).
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
/// Whatever the database says.
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
    match ledger.dialect {
        Dialect::Postgres => postgres(conn, ledger, trigger).await,
        Dialect::Sqlite => sqlite(conn, ledger, trigger).await,
    }
}

async fn postgres(conn: &impl ConnectionTrait, ledger: &Ledger, trigger: &Trigger) -> Result<State, db::Error> {
    let sql = "select f.prosrc = $4 as same, f.prosecdef as definer, t.tgenabled::text as enabled
        from pg_proc f join pg_namespace n on n.oid = f.pronamespace and n.nspname = $1
            left join pg_trigger t on t.tgfoid = f.oid and t.tgname = $2 and t.tgrelid = $3::text::regclass
        where f.proname = $2 and f.pronargs = 0";
    let values = [
        ledger.schema.clone().unwrap_or_default().into(),
        trigger.name.as_str().into(),
        trigger.on_table.as_str().into(),
        trigger.source.as_str().into(),
    ];
    let Some(row) = conn.query_one_raw(ledger.dialect.statement(sql, values)).await? else {
        return Ok(State::Missing);
    };
    let (same, definer): (bool, bool) = (row.try_get("", "same")?, row.try_get("", "definer")?);
    let enabled: Option<String> = row.try_get("", "enabled")?;
    Ok(match enabled.as_deref() {
        // The function alone, or on a table that was the resource's before.
        None => State::Outdated,
        Some(_) if !same || !definer => State::Outdated,
        Some("D" | "R") => State::Disabled,
        Some(_) => State::Installed,
    })
}

async fn sqlite(conn: &impl ConnectionTrait, ledger: &Ledger, trigger: &Trigger) -> Result<State, db::Error> {
    let sql = "select sql from sqlite_schema where type = 'trigger' and name = $1";
    let statement = ledger.dialect.statement(sql, [trigger.name.as_str().into()]);
    let Some(row) = conn.query_one_raw(statement).await? else { return Ok(State::Missing) };
    let installed: String = row.try_get("", "sql")?;
    let same = installed.get("create trigger ".len()..).is_some_and(|rest| rest.trim_start() == trigger.source);
    Ok(if same { State::Installed } else { State::Outdated })
}

/// Guards that are installed although no resource of `catalog` has them: its resource was renamed or is not configured any
/// more, and what they record nobody works on. Each with its name, its tables for people, and the statement that drops it.
///
/// # Errors
/// Whatever the database says.
pub async fn left_over(conn: &impl ConnectionTrait, store: &Store) -> Result<Vec<Trigger>, db::Error> {
    let known: HashSet<String> = triggers(store).into_iter().map(|(_, trigger)| trigger.name).collect();
    let sql = match store.ledger.dialect {
        Dialect::Postgres => {
            "select f.proname::text as name, coalesce(string_agg(t.tgrelid::regclass::text, ', '), '') as on_table
             from pg_proc f join pg_namespace n on n.oid = f.pronamespace and n.nspname = $2
                 left join pg_trigger t on t.tgfoid = f.oid and not t.tgisinternal
             where starts_with(f.proname, $1) and f.prorettype = 'trigger'::regtype group by 1 order by 1"
        }
        Dialect::Sqlite => {
            "select name, tbl_name as on_table from sqlite_schema
             where type = 'trigger' and substr(name, 1, length($1)) = $1 and $2 is not null order by name"
        }
    };
    let schema = store.ledger.schema.clone().unwrap_or_default();
    let rows = conn.query_all_raw(store.ledger.dialect.statement(sql, [PREFIX.into(), schema.as_str().into()])).await?;
    let mut left = Vec::new();
    for row in rows {
        let name: String = row.try_get("", "name")?;
        if known.contains(&name) {
            continue;
        }
        let sql_drop = match store.ledger.dialect {
            Dialect::Postgres => format!("drop function if exists {}.{}() cascade", quote(&schema), quote(&name)),
            Dialect::Sqlite => format!("drop trigger if exists {}", quote(&name)),
        };
        let on_table = row.try_get("", "on_table")?;
        left.push(Trigger { name, on_table, sql_create: Vec::new(), sql_drop, source: String::new() });
    }
    Ok(left)
}

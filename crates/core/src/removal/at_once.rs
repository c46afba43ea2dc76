//! Phase 1 of a resource without targets: there is nothing to wait for, so the row goes in the caller's transaction, and
//! its deletion is completed with it.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Map, Value};

use super::request::{Request, Requested, delay_ms};
use crate::{
    catalog::Table,
    config::AfterConfirmation,
    db::Dialect,
    ledger::{Ledger, recordset},
    state::{Event, State},
};

/// Whether rows of this request are deleted at once. Rows that are kept or deleted later are not among them, see
/// [`delete`].
pub(super) fn applies(table: &Table, request: &Request) -> bool {
    table.resource.targets.is_empty() && delay_ms(table, request) == 0
}

/// Deletes the rows of what was just requested and completes their deletions. What is not deleted (rows that stay, or
/// that a trigger keeps) stays pending, and a worker deals with it.
pub(super) async fn delete(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    mut requested: Vec<Requested>,
) -> Result<Vec<Requested>, DbErr> {
    let fresh = |one: &&mut Requested| one.created && one.state == State::Pending;
    let mut fresh: Vec<&mut Requested> = requested.iter_mut().filter(fresh).collect();
    let gone = match table.dialect {
        Dialect::Postgres => postgres(transaction, table, &fresh).await?,
        Dialect::Sqlite => sqlite(transaction, table, &fresh).await?,
    };
    fresh.retain(|one| gone.contains(&one.key));
    let ids: Vec<_> = fresh.iter().map(|one| one.id).collect();
    let completed = ledger.complete_at_once(transaction, &ids).await?;
    for one in fresh {
        if completed.contains(&one.id) {
            one.state = Event::DeletedAtOnce.to();
            one.due = false;
        }
    }
    Ok(requested)
}

/// The rows that are for good: those whose rule says `then = "delete"`.
fn goes(table: &Table) -> String {
    let rules = table.rules.iter().enumerate().filter(|(_, rule)| rule.then == AfterConfirmation::Delete);
    let rules: Vec<_> = rules.map(|(number, _)| number.to_string()).collect();
    match &rules[..] {
        [] => "false".to_owned(),
        rules => format!("{} in ({})", table.rule_number("t"), rules.join(", ")),
    }
}

async fn postgres(
    transaction: &impl ConnectionTrait,
    table: &Table,
    requested: &[&mut Requested],
) -> Result<Vec<String>, DbErr> {
    let keys = requested.iter().filter_map(|one| table.parse_key(&one.key).ok());
    let records: Vec<Value> = keys
        .map(|key| {
            let mut record = Map::new();
            key.write(&mut record);
            Value::Object(record)
        })
        .collect();
    let sql = format!(
        "delete from {} t using {} where {} and {} returning {} as key",
        table.sql,
        recordset(1, &table.key_record()),
        table.key_equals("t", "x"),
        goes(table),
        table.key_text("t"),
    );
    let values = [Value::from(records).to_string().into()];
    let rows = transaction.query_all_raw(table.dialect.statement(sql, values)).await?;
    rows.iter().map(|row| row.try_get("", "key")).collect()
}

async fn sqlite(
    transaction: &impl ConnectionTrait,
    table: &Table,
    requested: &[&mut Requested],
) -> Result<Vec<String>, DbErr> {
    let mut gone = Vec::new();
    for one in requested {
        let Ok(key) = table.parse_key(&one.key) else { continue };
        let mut values = Vec::new();
        let matches = table.key_matches("t", &key, &mut values);
        let sql = format!("delete from {} as t where {matches} and {}", table.sql, goes(table));
        if transaction.execute_raw(table.dialect.statement(sql, values)).await?.rows_affected() > 0 {
            gone.push(one.key.clone());
        }
    }
    Ok(gone)
}

//! Phase 1 on SQLite: row by row, in a transaction that holds the write lock from its beginning.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::request::{Request, Requested, delay_ms, targets};
use crate::{
    catalog::Table,
    ids::{DeletionId, Fence},
    key::Key,
    ledger::{Confirmations, Ledger, Phase},
    state::{Event, State, UnknownState, next},
    template::Values,
};

pub(super) async fn soft_remove(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    keys: &[Key],
    request: &Request,
) -> Result<Vec<Requested>, DbErr> {
    let mut requested = Vec::new();
    let mut seen = HashSet::new();
    for key in keys.iter().filter(|key| seen.insert(*key)) {
        if let Some(row) = mark(transaction, table, key).await? {
            requested.push(record(transaction, ledger, table, request, row).await?);
        }
    }
    Ok(requested)
}

struct Marked {
    key: String,
    rule: i64,
    column: Option<String>,
    marker_value: Option<String>,
    marker_before: Option<String>,
    payload: Values,
}

async fn mark(transaction: &impl ConnectionTrait, table: &Table, key: &Key) -> Result<Option<Marked>, DbErr> {
    let d = table.dialect;
    let mut values = Vec::new();
    let matches = table.key_matches("t", key, &mut values);
    let rule = table.rule_number("t");
    let before = format!(
        "select {rule} as rule, {} as marker_before from {} t where {matches}",
        table.marker_text("t", &rule),
        table.sql
    );
    let Some(row) = transaction.query_one_raw(d.statement(before, values.clone())).await? else { return Ok(None) };
    let rule: i64 = row.try_get("", "rule")?;
    let marker_before = row.try_get("", "marker_before")?;
    let update = format!("update {} as t set {} where {matches}", table.sql, table.mark("t", &rule.to_string()));
    transaction.execute_raw(d.statement(update, values.clone())).await?;
    let Some(row) = read(transaction, table, &matches, values).await? else { return Ok(None) };
    let (key, payload) = row;
    let column = usize::try_from(rule).ok().and_then(|rule| table.rules.get(rule)).map(|r| r.column.name.clone());
    let marker_value = column.as_ref().and_then(|column| payload.get(column).cloned().flatten());
    Ok(Some(Marked { key, rule, column, marker_value, marker_before, payload }))
}

/// The row's key and captured columns.
async fn read(
    conn: &impl ConnectionTrait,
    table: &Table,
    matches: &str,
    values: Vec<Value>,
) -> Result<Option<(String, Values)>, DbErr> {
    let columns: Vec<_> = table.payload.iter().enumerate().map(|(n, c)| format!(", {} as c{n}", c.text("t"))).collect();
    let sql = format!("select {} as key{} from {} t where {matches}", table.key_text("t"), columns.concat(), table.sql);
    let Some(row) = conn.query_one_raw(table.dialect.statement(sql, values)).await? else { return Ok(None) };
    Ok(Some((row.try_get("", "key")?, captured(table, &row)?)))
}

fn captured(table: &Table, row: &QueryResult) -> Result<Values, DbErr> {
    let columns = table.payload.iter().enumerate();
    columns.map(|(n, column)| Ok((column.name.clone(), row.try_get("", &format!("c{n}"))?))).collect()
}

impl Table {
    /// The captured columns of the row with this key as they are now, or none if there is no such row (SQLite).
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn read_row(&self, conn: &impl ConnectionTrait, key: &Key) -> Result<Option<Values>, DbErr> {
        let mut values = Vec::new();
        let matches = self.key_matches("t", key, &mut values);
        Ok(read(conn, self, &matches, values).await?.map(|(_, payload)| payload))
    }
}

/// The open or dead deletion of a row.
struct Known {
    id: DeletionId,
    state: State,
    fence: Fence,
    phase: String,
    confirmations: Confirmations,
    payload: Values,
    marker_column: Option<String>,
    marker_value: Option<String>,
    marker_before: Option<String>,
    called_at: Option<String>,
}

async fn record(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    request: &Request,
    row: Marked,
) -> Result<Requested, DbErr> {
    let known = known(transaction, ledger, table, &row.key).await?;
    match known {
        Some(known) if next(known.state, Event::Superseded).is_ok() => {
            ledger.cancel(transaction, &[known.id], Event::Superseded).await?;
            insert(transaction, ledger, table, request, row, Some(known)).await
        }
        // Its worker calls with what it read, and completes only a row that still says so.
        Some(known) if next(known.state, Event::Finished).is_ok() => {
            let Known { id, state, fence, .. } = known;
            Ok(Requested { id, key: row.key, created: false, state, fence, due: false })
        }
        Some(known) => refresh(transaction, ledger, table, request, row, known).await,
        None => insert(transaction, ledger, table, request, row, None).await,
    }
}

async fn known(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    key: &str,
) -> Result<Option<Known>, DbErr> {
    let sql = format!(
        "select id, state, fence, phase, confirmations, payload, marker_column, marker_value, marker_before, called_at
         from {} where resource = $1 and key = $2",
        ledger.deletion
    );
    let values = [table.name.as_str().into(), key.into()];
    let Some(row) = transaction.query_one_raw(table.dialect.statement(sql, values)).await? else { return Ok(None) };
    let json_error = |e: serde_json::Error| DbErr::Json(e.to_string());
    Ok(Some(Known {
        id: row.try_get::<String>("", "id")?.parse().map_err(|e: uuid::Error| DbErr::Type(e.to_string()))?,
        state: row.try_get::<String>("", "state")?.parse().map_err(|e: UnknownState| DbErr::Type(e.to_string()))?,
        fence: Fence(row.try_get("", "fence")?),
        phase: row.try_get("", "phase")?,
        confirmations: serde_json::from_str(&row.try_get::<String>("", "confirmations")?).map_err(json_error)?,
        payload: serde_json::from_str(&row.try_get::<String>("", "payload")?).map_err(json_error)?,
        marker_column: row.try_get("", "marker_column")?,
        marker_value: row.try_get("", "marker_value")?,
        marker_before: row.try_get("", "marker_before")?,
        called_at: row.try_get("", "called_at")?,
    }))
}

/// What the marker column held before it was first marked: a row that still carries our marker was marked by us.
fn before(row: &Marked, known: Option<&Known>) -> Option<String> {
    let ours = |known: &&Known| known.marker_column == row.column && known.marker_value == row.marker_before;
    known.filter(ours).map_or_else(|| row.marker_before.clone(), |known| known.marker_before.clone())
}

async fn insert(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    request: &Request,
    row: Marked,
    superseded: Option<Known>,
) -> Result<Requested, DbErr> {
    let d = table.dialect;
    let sql = format!(
        "insert into {} (id, resource, key, lane, state, run_at, batch_id, marker_rule, marker_column, marker_value,
            marker_before, targets, confirmations, payload, requested_by, reason, trace_context, called_at)
         values ($1, $2, $3, $4, '{}', {}, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         returning run_at <= {} as due",
        ledger.deletion,
        State::Pending,
        d.in_ms("$5"),
        d.now(),
    );
    let id = DeletionId::new();
    let marker_before = before(&row, superseded.as_ref());
    let called_at = superseded.as_ref().and_then(|dead| dead.called_at.clone());
    let confirmations = superseded
        .map(|dead| table.still_confirmed(dead.confirmations, &dead.payload, &row.payload))
        .unwrap_or_default();
    let values: Vec<Value> = vec![
        id.to_string().into(),
        table.name.as_str().into(),
        row.key.clone().into(),
        table.lane(|target| confirmations.contains_key(target)).into(),
        delay_ms(table, request).into(),
        request.batch.to_string().into(),
        row.rule.into(),
        row.column.into(),
        row.marker_value.into(),
        marker_before.into(),
        targets(table).into(),
        json(&confirmations)?.into(),
        json(&row.payload)?.into(),
        request.by.as_str().into(),
        request.reason.clone().into(),
        request.trace_context.clone().into(),
        called_at.into(),
    ];
    let recorded = transaction.query_one_raw(d.statement(sql, values)).await?;
    let recorded = recorded.ok_or(DbErr::RecordNotInserted)?;
    let due = recorded.try_get("", "due")?;
    Ok(Requested { id, key: row.key, created: true, state: State::Pending, fence: Fence(0), due })
}

/// Fresh payload and marker for a pending or waiting deletion; a target whose columns changed is asked again.
async fn refresh(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    request: &Request,
    row: Marked,
    known: Known,
) -> Result<Requested, DbErr> {
    let d = table.dialect;
    let marker_before = before(&row, Some(&known));
    let confirmed = known.confirmations.len();
    let confirmations = table.still_confirmed(known.confirmations, &known.payload, &row.payload);
    let again = known.phase == Phase::Remove.as_str() && confirmations.len() < confirmed;
    let sql = format!(
        "update {} set payload = $2, marker_rule = $3, marker_column = $4, marker_value = $5, marker_before = $6,
            lane = $7, confirmations = $8, phase = case when $9 then '{}' else phase end,
            run_at = case when $9 then {} else run_at end
         where id = $1 returning state = '{}' and run_at <= {} as due",
        ledger.deletion,
        Phase::Confirm.as_str(),
        d.in_ms("$10"),
        State::Pending,
        d.now(),
    );
    let values: Vec<Value> = vec![
        known.id.to_string().into(),
        json(&row.payload)?.into(),
        row.rule.into(),
        row.column.into(),
        row.marker_value.into(),
        marker_before.into(),
        table.lane(|target| confirmations.contains_key(target)).into(),
        json(&confirmations)?.into(),
        again.into(),
        delay_ms(table, request).into(),
    ];
    let updated = transaction.query_one_raw(d.statement(sql, values)).await?;
    let due = updated.ok_or(DbErr::RecordNotUpdated)?.try_get("", "due")?;
    let Known { id, state, fence, .. } = known;
    Ok(Requested { id, key: row.key, created: false, state, fence, due })
}

fn json(value: &impl serde::Serialize) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|e| DbErr::Json(e.to_string()))
}

//! Phase 1 on SQLite: row by row, in a transaction that holds the write lock from its beginning.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::request::{Request, Requested, delay_ms, targets};
use crate::{
    catalog::Table,
    ids::{DeletionId, Fence},
    key::Key,
    ledger::{Confirmations, Ledger},
    state::Event,
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
    for key in keys {
        if let Some(row) = mark(transaction, table, key).await? {
            requested.push(record(transaction, ledger, table, request, row).await?);
        }
    }
    Ok(requested)
}

struct Marked {
    key: String,
    rule: i64,
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
    let marker_value = column.and_then(|column| payload.get(&column).cloned().flatten());
    Ok(Some(Marked { key, rule, marker_value, marker_before, payload }))
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

async fn record(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    request: &Request,
    row: Marked,
) -> Result<Requested, DbErr> {
    let d = table.dialect;
    let confirmations = supersede(transaction, ledger, table, &row).await?;
    let payload = json(&row.payload)?;
    let sql = format!(
        "insert into {} (id, resource, key, lane, state, run_at, batch_id, marker_rule, marker_column, marker_value,
            marker_before, targets, confirmations, payload, requested_by, reason, trace_context)
         values ($1, $2, $3, $4, 'pending', {}, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict (resource, key) where state in ('pending', 'waiting', 'running') do update set
            payload = excluded.payload, marker_rule = excluded.marker_rule, marker_column = excluded.marker_column,
            marker_value = excluded.marker_value
         returning id, state, fence, state = 'pending' and run_at <= {} as due",
        ledger.deletion,
        d.in_ms("$5"),
        d.now(),
    );
    let id = DeletionId::new();
    let column = usize::try_from(row.rule).ok().and_then(|rule| table.rules.get(rule)).map(|r| r.column.name.clone());
    let values: Vec<Value> = vec![
        id.to_string().into(),
        table.name.as_str().into(),
        row.key.clone().into(),
        table.lane(|target| confirmations.contains_key(target)).into(),
        delay_ms(table, request).into(),
        request.batch.to_string().into(),
        row.rule.into(),
        column.into(),
        row.marker_value.into(),
        row.marker_before.into(),
        targets(table).into(),
        json(&confirmations)?.into(),
        payload.into(),
        request.by.as_str().into(),
        request.reason.clone().into(),
        request.trace_context.clone().into(),
    ];
    let recorded = transaction.query_one_raw(d.statement(sql, values)).await?;
    let recorded = recorded.ok_or(DbErr::RecordNotInserted)?;
    let known: String = recorded.try_get("", "id")?;
    let known = known.parse().map_err(|e: uuid::Error| DbErr::Type(e.to_string()))?;
    Ok(Requested {
        id: known,
        key: row.key,
        created: known == id,
        state: recorded
            .try_get::<String>("", "state")?
            .parse()
            .map_err(|e: crate::state::UnknownState| DbErr::Type(e.to_string()))?,
        fence: Fence(recorded.try_get("", "fence")?),
        due: recorded.try_get("", "due")?,
    })
}

/// Cancels a dead deletion of the row; returns the confirmations that still hold.
async fn supersede(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    row: &Marked,
) -> Result<Confirmations, DbErr> {
    let sql = format!(
        "select id, confirmations, payload from {} where resource = $1 and key = $2 and state in ({})",
        ledger.deletion,
        Event::Superseded.sql_from()
    );
    let values = [table.name.as_str().into(), row.key.as_str().into()];
    let Some(dead) = transaction.query_one_raw(table.dialect.statement(sql, values)).await? else {
        return Ok(Confirmations::new());
    };
    let json_error = |e: serde_json::Error| DbErr::Json(e.to_string());
    let id: String = dead.try_get("", "id")?;
    let id = id.parse().map_err(|e: uuid::Error| DbErr::Type(e.to_string()))?;
    let confirmations: Confirmations =
        serde_json::from_str(&dead.try_get::<String>("", "confirmations")?).map_err(json_error)?;
    let before: Values = serde_json::from_str(&dead.try_get::<String>("", "payload")?).map_err(json_error)?;
    ledger.cancel(transaction, &[id], Event::Superseded).await?;
    Ok(table.still_confirmed(confirmations, &before, &row.payload))
}

impl Table {
    /// Those confirmations whose target would be called in the same way with the new values as with the old.
    #[must_use]
    pub fn still_confirmed(&self, confirmations: Confirmations, before: &Values, now: &Values) -> Confirmations {
        let same = |target: &crate::config::Target| target.columns().iter().all(|c| before.get(c) == now.get(c));
        let unchanged: Vec<_> = self.resource.targets.iter().filter(|t| same(t)).map(|t| t.name.as_str()).collect();
        confirmations.into_iter().filter(|(name, _)| unchanged.contains(&name.as_str())).collect()
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|e| DbErr::Json(e.to_string()))
}

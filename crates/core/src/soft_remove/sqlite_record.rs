//! Recording a deletion on SQLite: what there is already is read first, under the write lock.

use sea_orm::{ConnectionTrait, Value};

use super::{
    request::{Request, Requested, delay_ms, targets},
    sqlite_mark::Marked,
};
use crate::{
    catalog::Table,
    db,
    ids::{DeletionId, Fence},
    ledger::{Confirmations, Ledger, Phase},
    state::{Cancellation, Event, State, UnknownState, next},
    template::Values,
};

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
    former: Vec<Values>,
}

pub(super) async fn record(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    request: &Request,
    row: Marked,
    parent: Option<DeletionId>,
) -> Result<Requested, db::Error> {
    let known = known(transaction, ledger, table, &row.key).await?;
    match known {
        Some(known) if next(known.state, Event::Superseded).is_ok() => {
            ledger.cancel(transaction, &[known.id], Cancellation::Superseded).await?;
            insert(transaction, ledger, table, request, row, Some(known), parent).await
        }
        // Its worker calls with what it read, and completes only a row that still says so.
        Some(known) if next(known.state, Event::Finished).is_ok() => {
            let Known { id, state, fence, .. } = known;
            Ok(Requested { id, key: row.key, created: false, state, fence, due: false })
        }
        Some(known) => refresh(transaction, ledger, table, request, row, known).await,
        None => insert(transaction, ledger, table, request, row, None, parent).await,
    }
}

async fn known(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    key: &str,
) -> Result<Option<Known>, db::Error> {
    let sql = format!(
        "select id, state, fence, phase, confirmations, payload, marker_column, marker_value, marker_before, called_at, former
         from {} where resource = $1 and key = $2",
        ledger.deletion
    );
    let values = [table.name.as_str().into(), key.into()];
    let Some(row) = transaction.query_one_raw(table.dialect.statement(sql, values)).await? else { return Ok(None) };
    let json_error = |e: serde_json::Error| db::Error::unreadable(e.to_string());
    Ok(Some(Known {
        id: row.try_get::<String>("", "id")?.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?,
        state: row
            .try_get::<String>("", "state")?
            .parse()
            .map_err(|e: UnknownState| db::Error::unreadable(e.to_string()))?,
        fence: Fence(row.try_get("", "fence")?),
        phase: row.try_get("", "phase")?,
        confirmations: serde_json::from_str(&row.try_get::<String>("", "confirmations")?).map_err(json_error)?,
        payload: serde_json::from_str(&row.try_get::<String>("", "payload")?).map_err(json_error)?,
        marker_column: row.try_get("", "marker_column")?,
        marker_value: row.try_get("", "marker_value")?,
        marker_before: row.try_get("", "marker_before")?,
        called_at: row.try_get("", "called_at")?,
        former: serde_json::from_str(&row.try_get::<String>("", "former")?).map_err(json_error)?,
    }))
}

/// What the marker column held before it was first marked: a row that still carries our marker was marked by us.
fn before(row: &Marked, known: Option<&Known>) -> Option<String> {
    let ours = |known: &&Known| known.marker_column == row.column && known.marker_value == row.marker_before;
    known.filter(ours).map_or_else(|| row.marker_before.clone(), |known| known.marker_before.clone())
}

/// See [`super::kept::former`].
fn former(table: &Table, known: &Known, row: &Marked) -> Vec<Values> {
    let mut former = known.former.clone();
    let another = known.marker_column.is_none() || known.marker_value != row.marker_before;
    if another && table.has_other_twin(&known.confirmations, &known.payload, &row.payload) {
        former.push(known.payload.clone());
    }
    former
}

async fn insert(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    request: &Request,
    row: Marked,
    superseded: Option<Known>,
    parent: Option<DeletionId>,
) -> Result<Requested, db::Error> {
    let d = table.dialect;
    let sql = format!(
        "insert into {} (id, resource, key, lane, state, run_at, batch_id, marker_rule, marker_column, marker_value,
            marker_before, targets, confirmations, payload, requested_by, reason, trace_context, called_at, parent_id, former)
         values ($1, $2, $3, $4, '{}', {}, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
         returning run_at <= {} as due",
        ledger.deletion,
        State::Pending,
        d.in_ms("$5"),
        d.now(),
    );
    let id = DeletionId::new();
    let marker_before = before(&row, superseded.as_ref());
    if let Some(dead) = &superseded {
        ledger.move_children(transaction, dead.id, id).await?;
    }
    let former = superseded.as_ref().map(|dead| former(table, dead, &row)).unwrap_or_default();
    let called_at = superseded.as_ref().and_then(|dead| dead.called_at.clone());
    let confirmations = superseded
        .map(|dead| table.still_confirmed(dead.confirmations, &dead.payload, &row.payload))
        .unwrap_or_default();
    let values: Vec<Value> = vec![
        id.to_string().into(),
        table.name.as_str().into(),
        row.key.clone().into(),
        table.lane(|target| confirmations.contains_key(target)).as_str().into(),
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
        parent.map(|parent| parent.to_string()).into(),
        json(&former)?.into(),
    ];
    let recorded = transaction.query_one_raw(d.statement(sql, values)).await?;
    let recorded = recorded.ok_or_else(|| db::Error::other("record a deletion", "nothing was inserted"))?;
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
) -> Result<Requested, db::Error> {
    let d = table.dialect;
    let marker_before = before(&row, Some(&known));
    let former = former(table, &known, &row);
    let confirmed = known.confirmations.len();
    let confirmations = table.still_confirmed(known.confirmations, &known.payload, &row.payload);
    let again = known.phase == Phase::Remove.as_str() && confirmations.len() < confirmed;
    let sql = format!(
        "update {} set payload = $2, marker_rule = $3, marker_column = $4, marker_value = $5, marker_before = $6,
            lane = $7, confirmations = $8, former = $11, phase = case when $9 then '{}' else phase end,
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
        table.lane(|target| confirmations.contains_key(target)).as_str().into(),
        json(&confirmations)?.into(),
        again.into(),
        delay_ms(table, request).into(),
        json(&former)?.into(),
    ];
    let updated = transaction.query_one_raw(d.statement(sql, values)).await?;
    let due = updated
        .ok_or_else(|| db::Error::other("refresh a deletion", "it is not there any more"))?
        .try_get("", "due")?;
    let Known { id, state, fence, .. } = known;
    Ok(Requested { id, key: row.key, created: false, state, fence, due })
}

fn json(value: &impl serde::Serialize) -> Result<String, db::Error> {
    serde_json::to_string(value).map_err(|e| db::Error::unreadable(e.to_string()))
}

//! Phase 1 on PostgreSQL: one statement.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::{Map, Value, json};

use super::{
    kept::{former, lane, still_confirmed},
    request::{Recorded, Request, Requested, delay_ms, targets},
};
use crate::{
    catalog::Table,
    db::{self, recordset},
    ids::{DeletionId, Fence},
    key::Key,
    ledger::{COPIED, Ledger, state_after, states_before},
    state::{Event, State},
    store::Store,
};

pub(super) async fn soft_remove(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[(Key, Option<DeletionId>)],
    request: &Request,
) -> Result<Vec<Recorded>, db::Error> {
    let mut new = HashSet::with_capacity(rows.len());
    let records: Vec<Value> = rows
        .iter()
        .map(|(key, parent)| {
            let (id, mut record) = (DeletionId::new(), Map::new());
            new.insert(id);
            record.insert("id".into(), json!(id));
            record.insert("parent".into(), json!(parent));
            key.write(&mut record);
            Value::Object(record)
        })
        .collect();
    let columns: Map<String, Value> =
        table.resource.targets.iter().map(|t| (t.name.to_string(), json!(t.columns()))).collect();
    let values = [
        Value::from(records).to_string().into(),
        table.name.as_str().into(),
        delay_ms(table, request).into(),
        request.batch.to_string().into(),
        targets(table).into(),
        request.by.as_str().into(),
        request.reason.clone().into(),
        request.trace_context.clone().into(),
        Value::Object(columns).to_string().into(),
    ];
    let rows = transaction.query_all_raw(table.dialect.statement(statement(store, table), values)).await?;
    rows.iter()
        .map(|row| {
            let id: String = row.try_get("", "id")?;
            let id = id.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?;
            let requested = Requested {
                id,
                key: row.try_get("", "key")?,
                created: new.contains(&id),
                state: row.try_get::<String>("", "state")?.parse().map_err(type_error)?,
                fence: Fence(row.try_get("", "fence")?),
                due: row.try_get("", "due")?,
            };
            let links: String = row.try_get("", "links")?;
            let links = serde_json::from_str(&links).map_err(|e| db::Error::unreadable(e.to_string()))?;
            let rule = usize::try_from(row.try_get::<i16>("", "marker_rule")?).unwrap_or_default();
            Ok(Recorded { requested, links, rule })
        })
        .collect()
}

fn type_error(error: crate::state::UnknownState) -> db::Error {
    db::Error::unreadable(error.to_string())
}

/// * `before` locks the rows in key order and remembers what the marker columns hold;
/// * `marked` marks them and captures the payload as it is then;
/// * `superseded` takes dead deletions of the same rows out of the way;
/// * `recorded` inserts the new deletions, or refreshes the open ones.
///
/// A running deletion is left alone and not even locked: its worker calls with what it read, and completes only a row
/// that still says so; and a caller's long transaction must not keep a worker from writing back.
///
/// What was committed while `before` waited for a lock is not in the statement's snapshot. `on conflict` meets it all the
/// same, in whatever state it is by then: see [`refreshed`].
///
/// `$1` is an array of `{id, parent, k0, k1, …}`; see [`soft_remove`] for the others.
pub(crate) fn statement(store: &Store, table: &Table) -> String {
    let is_parent = !table.children.is_empty();
    let kept = still_confirmed("s.confirmations", "s.payload", "m.payload");
    format!(
        "with before as materialized (
            select x.id as deletion, x.parent, {row_keys}, {rule} as rule, {marker_before} as marker_before
            from {wanted} join {table} t on {key_equals}
            order by {key_order} for update of t
         ),
         marked as (
            update {table} t set {mark} from before b where {before_equals}
            returning b.deletion, b.parent, b.rule, b.marker_before, {key} as key, {payload} as payload,
                {marker_column} as marker_column, {marker_value} as marker_value
         ),
         running as (
            select d.id, d.key, d.state, d.fence from marked m join {deletion} d on d.resource = $2 and d.key = m.key
            where d.state in ({running})
         ),
         superseded as (
            delete from {deletion} d using marked m
            where d.resource = $2 and d.key = m.key and d.state in ({dead}) returning d.*
         ),
         {moved}
         archived as (
            insert into {done} ({COPIED}, key_hash, confirmations, state, cancelled_by)
            select {copied}, confirmations, {cancelled}, 'superseded' from superseded
         ),
         recorded as (
            insert into {deletion} as d (id, parent_id, resource, key, lane, state, run_at, batch_id, marker_rule, marker_column,
                marker_value, marker_before, targets, confirmations, payload, requested_by, reason, trace_context, called_at, former)
            select m.deletion, m.parent, $2, m.key, {lane}, '{pending}', clock_timestamp() + $3 * interval '1 millisecond', $4::uuid,
                m.rule, m.marker_column, m.marker_value,
                case when s.marker_column = m.marker_column and s.marker_value is not distinct from m.marker_before
                    then s.marker_before {held_before} else m.marker_before end,
                $5::jsonb, kept.confirmations, m.payload, $6, $7, $8, s.called_at, coalesce({former}, '[]')
            from marked m left join superseded s on s.key = m.key {held}
                cross join lateral (select {kept} as confirmations) kept
            where not exists (select 1 from running where running.key = m.key)
            on conflict (resource, key) do update set {refreshed}
            returning d.id, d.key, d.state, d.fence, d.run_at, {links} as links, d.marker_rule
         )
         select id::text as id, key, state, fence, state = '{pending}' and run_at <= clock_timestamp() as due, links, marker_rule from recorded
         union all select id::text, key, state, fence, false, '{{}}', 0::smallint from running",
        row_keys = table.key_parts("t"),
        rule = table.rule_number("t"),
        marker_before = table.marker_text("t", &table.rule_number("t")),
        wanted = recordset(1, &format!("id uuid, parent uuid, {}", table.key_record())),
        table = table.sql,
        key_equals = table.key_equals("t", "x"),
        key_order = table.key_columns("t"),
        mark = table.mark("t", "b.rule"),
        before_equals = table.key_equals("t", "b"),
        key = table.key_text("t"),
        payload = table.payload_json("t"),
        marker_column = table.by_rule("b.rule", |r| format!("{}::text", crate::db::literal(&r.column.name))),
        marker_value = table.marker_text("t", "b.rule"),
        deletion = store.ledger.deletion,
        done = store.ledger.done,
        copied = store.ledger.copied("superseded"),
        running = states_before(Event::Finished),
        held = if store.catalog.is_child(&table.name) { held(&store.ledger, "m") } else { String::new() },
        held_before =
            if store.catalog.is_child(&table.name) { "when held.found then held.marker_before" } else { "" },
        moved = if is_parent { moved(&store.ledger) } else { String::new() },
        links = if is_parent { "d.payload::text" } else { "'{}'" },
        dead = states_before(Event::Superseded),
        cancelled = state_after(Event::Superseded),
        pending = State::Pending,
        lane = lane("kept.confirmations"),
        former = former("s", "m.payload", "m.marker_before"),
        refreshed = refreshed(),
    )
}

/// What a row that was marked as the child of another had in its marker column before: `alias` is the row.
pub(super) fn held(ledger: &Ledger, alias: &str) -> String {
    format!(
        "left join lateral (
            select true as found, o.marker_before from {} o
            where o.resource = $2 and o.key = {alias}.key and o.marker_value = {alias}.marker_before limit 1
         ) held on true",
        ledger.child,
    )
}

/// Marks of children belong to the deletion that takes the place of a superseded one, which waits for nobody any more.
fn moved(ledger: &Ledger) -> String {
    format!(
        "moved as (
            update {} c set deletion_id = m.deletion from superseded s join marked m on m.key = s.key
            where c.deletion_id = s.id
         ),
         unlinked as (delete from {} w using superseded s where w.deletion_id = s.id),",
        ledger.child, ledger.wait
    )
}

/// The assignments to a deletion that is there already, by its state:
/// * pending and waiting: fresh payload and marker; a target whose columns changed is asked again;
/// * dead, since a moment ago (else it were superseded): the request is another try;
/// * running, since a moment ago: nothing.
fn refreshed() -> String {
    let kept = still_confirmed("d.confirmations", "d.payload", "excluded.payload");
    let kept = format!("case when d.payload = excluded.payload then d.confirmations else {kept} end");
    let dead = format!("d.state = '{}'", State::Dead);
    let again = format!("{dead} or (d.phase = 'remove' and {kept} <> d.confirmations)");
    let assignments = [
        ("payload", "excluded.payload".to_owned()),
        ("former", former("d", "excluded.payload", "excluded.marker_before")),
        ("marker_rule", "excluded.marker_rule".to_owned()),
        (
            "marker_before",
            "case when d.marker_column = excluded.marker_column and d.marker_value is not distinct from excluded.marker_before
                then d.marker_before else excluded.marker_before end"
                .to_owned(),
        ),
        ("marker_column", "excluded.marker_column".to_owned()),
        ("marker_value", "excluded.marker_value".to_owned()),
        ("lane", lane(&format!("({kept})"))),
        ("confirmations", kept.clone()),
        ("phase", format!("case when {again} then 'confirm' else d.phase end")),
        ("run_at", format!("case when {again} then excluded.run_at else d.run_at end")),
        ("state", format!("case when {dead} then {} else d.state end", state_after(Event::Retried))),
        ("attempts", format!("case when {dead} then 0 else d.attempts end")),
        ("rescues", format!("case when {dead} then 0 else d.rescues end")),
        ("first_attempt_at", format!("case when {dead} then null else d.first_attempt_at end")),
        ("dead_at", format!("case when {dead} then null else d.dead_at end")),
        ("dead_kind", format!("case when {dead} then null else d.dead_kind end")),
    ];
    let held = states_before(Event::Finished);
    let assignments = assignments
        .into_iter()
        .map(|(column, value)| format!("{column} = case when d.state in ({held}) then d.{column} else {value} end"));
    assignments.collect::<Vec<_>>().join(", ")
}

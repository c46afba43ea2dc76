//! Phase 1 on PostgreSQL: one statement.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Map, Value, json};

use super::request::{Request, Requested, delay_ms, targets};
use crate::{
    catalog::Table,
    ids::{DeletionId, Fence},
    key::Key,
    ledger::{Ledger, recordset},
    state::Event,
};

pub(super) async fn soft_remove(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    keys: &[Key],
    request: &Request,
) -> Result<Vec<Requested>, DbErr> {
    let records: Vec<Value> = keys
        .iter()
        .map(|key| {
            let mut record = Map::new();
            record.insert("id".into(), json!(DeletionId::new()));
            key.write(&mut record);
            Value::Object(record)
        })
        .collect();
    let columns: Map<String, Value> =
        table.resource.targets.iter().map(|t| (t.name.to_string(), json!(t.columns()))).collect();
    let values = [
        Value::from(records).to_string().into(),
        table.name.as_str().into(),
        table.lane(|_| false).into(),
        delay_ms(table, request).into(),
        request.batch.to_string().into(),
        targets(table).into(),
        request.by.as_str().into(),
        request.reason.clone().into(),
        request.trace_context.clone().into(),
        Value::Object(columns).to_string().into(),
    ];
    let rows = transaction.query_all_raw(table.dialect.statement(statement(ledger, table), values)).await?;
    rows.iter()
        .map(|row| {
            let id: String = row.try_get("", "id")?;
            Ok(Requested {
                id: id.parse().map_err(|e: uuid::Error| DbErr::Type(e.to_string()))?,
                key: row.try_get("", "key")?,
                created: row.try_get("", "created")?,
                state: row.try_get::<String>("", "state")?.parse().map_err(type_error)?,
                fence: Fence(row.try_get("", "fence")?),
                due: row.try_get("", "due")?,
            })
        })
        .collect()
}

fn type_error(error: crate::state::UnknownState) -> DbErr {
    DbErr::Type(error.to_string())
}

/// `before` locks the rows in key order and remembers what the marker columns hold; `marked` marks them and captures
/// the payload as it is then; `superseded` takes dead deletions of the same rows out of the way; `recorded` inserts the
/// new ones, or refreshes the payload of those that are open.
fn statement(ledger: &Ledger, table: &Table) -> String {
    let open = "'pending', 'waiting', 'running'";
    format!(
        "with before as materialized (
            select x.id as deletion, {row_keys}, {rule} as rule, {marker_before} as marker_before
            from {wanted} join {table} t on {key_equals}
            order by {key_order} for update of t
         ),
         marked as (
            update {table} t set {mark} from before b where {before_equals}
            returning b.deletion, b.rule, b.marker_before, {key} as key, {payload} as payload, {marker_value} as marker_value
         ),
         superseded as (
            delete from {deletion} d using marked m
            where d.resource = $2 and d.key = m.key and d.state in ({dead}) returning d.*
         ),
         archived as (
            insert into {done} (id, resource, key, fence, attempts, rescues, called_at, batch_id, parent_id, marker_column,
                marker_value, targets, confirmations, requested_at, requested_by, reason, last_error, last_error_kind,
                trace_context, state, cancelled_by)
            select id, resource, key, fence, attempts, rescues, called_at, batch_id, parent_id, marker_column,
                marker_value, targets, confirmations, requested_at, requested_by, reason, last_error, last_error_kind,
                trace_context, {cancelled}, 'superseded' from superseded
         ),
         recorded as (
            insert into {deletion} as d (id, resource, key, lane, state, run_at, batch_id, marker_rule, marker_column,
                marker_value, marker_before, targets, confirmations, payload, requested_by, reason, trace_context)
            select m.deletion, $2, m.key, $3, 'pending', clock_timestamp() + $4 * interval '1 millisecond', $5::uuid,
                m.rule, {marker_column}, m.marker_value, m.marker_before, $6::jsonb,
                coalesce((
                    select jsonb_object_agg(c.key, c.value) from jsonb_each(s.confirmations) c
                    where $10::jsonb ? c.key and not exists (
                        select 1 from jsonb_array_elements_text($10::jsonb -> c.key) used(name)
                        where s.payload -> used.name is distinct from m.payload -> used.name)
                ), '{{}}'),
                m.payload, $7, $8, $9
            from marked m left join superseded s on s.key = m.key
            on conflict (resource, key) where state in ({open}) do update set payload = excluded.payload,
                marker_rule = excluded.marker_rule, marker_column = excluded.marker_column,
                marker_value = excluded.marker_value
            returning d.id::text as id, d.key, xmax = 0 as created, d.state, d.fence,
                d.state = 'pending' and d.run_at <= clock_timestamp() as due
         )
         select * from recorded",
        row_keys = row_keys(table),
        rule = table.rule_number("t"),
        marker_before = table.marker_text("t", &table.rule_number("t")),
        wanted = recordset(1, &format!("id uuid, {}", table.key_record())),
        table = table.sql,
        key_equals = table.key_equals("t", "x"),
        key_order = table.key_columns("t"),
        mark = table.mark("t", "b.rule"),
        before_equals = table.key_equals("t", "b"),
        key = table.key_text("t"),
        payload = table.payload_json("t"),
        marker_value = table.marker_text("t", "b.rule"),
        deletion = ledger.deletion,
        done = ledger.done,
        dead = Event::Superseded.sql_from(),
        cancelled = Event::Superseded.sql_to(),
        marker_column = table.by_rule("m.rule", |r| crate::catalog::literal(&r.column.name)),
    )
}

fn row_keys(table: &Table) -> String {
    let columns = table.key.iter().enumerate();
    columns.map(|(n, (column, _))| format!("{} as k{n}", column.of("t"))).collect::<Vec<_>>().join(", ")
}

//! Phase 1 on PostgreSQL: one statement.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::{Map, Value, json};

use super::{RecordedRow, RowToRecord};
use crate::{
    catalog::Table,
    db::{self, Row, Sql, literal},
    ids::{DeletionId, Fence},
    ledger::COPIED,
    soft_remove::request::{DeletionRequest, Requested, delay_ms, target_names},
    store::Store,
};

pub(super) async fn record(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[RowToRecord],
    request: &DeletionRequest,
) -> Result<Vec<RecordedRow>, db::Error> {
    let mut new_ids = HashSet::with_capacity(rows.len());
    let records = rows.iter().map(|RowToRecord { key, parent }| {
        let (id, mut record) = (DeletionId::new(), Map::new());
        new_ids.insert(id);
        record.insert("id".into(), json!(id));
        record.insert("parent".into(), json!(parent));
        key.write(&mut record);
        Value::Object(record)
    });
    let records: Value = records.collect();
    let sql = table.rendered.get("soft_remove.record", || statement(store, table));
    let query = sql.bind([
        ("rows", records.to_string().into()),
        ("resource", table.name.as_str().into()),
        ("delay_ms", delay_ms(table, request).into()),
        ("batch", request.batch.to_string().into()),
        ("targets", target_names(table).into()),
        ("requested_by", request.by.as_str().into()),
        ("reason", request.reason.clone().into()),
        ("trace_context", request.trace_context.clone().into()),
        ("target_columns", target_columns(table).to_string().into()),
    ]);
    let recorded = query.all(transaction).await?;
    recorded.iter().map(|row| read(row, table, &new_ids)).collect()
}

fn read(row: &Row, table: &Table, new_ids: &HashSet<DeletionId>) -> Result<RecordedRow, db::Error> {
    let id = row.parse("id")?;
    let requested = Requested {
        id,
        key: row.get("key")?,
        created: new_ids.contains(&id),
        state: row.parse("state")?,
        fence: Fence(row.get("fence")?),
        due: row.get("due")?,
    };
    Ok(RecordedRow { key: table.read_key(row)?, requested, links: row.json("links")?, rule: row.count("marker_rule")? })
}

/// The columns that each target uses, by the target's name.
pub(crate) fn target_columns(table: &Table) -> Value {
    let targets = table.resource.targets.iter();
    Value::Object(targets.map(|target| (target.name.to_string(), json!(target.columns()))).collect())
}

/// The statement that marks rows of the table and records their deletions. `sexton_record` in the database runs it,
/// too, and gives the values by their numbers.
///
/// `@rows` is an array of `{id, parent, k0, k1, …}`, `@target_columns` what [`target_columns`] gives.
pub(crate) fn statement(store: &Store, table: &Table) -> Sql {
    let ledger = &store.ledger;
    let rule_number = table.rule_number("t");
    let is_child = store.catalog.is_child(&table.name);
    let is_parent = !table.children.is_empty();
    let words = ledger.words.clone();
    let words = words
        .with([
            ("table", table.sql.clone()),
            ("key_record", table.key_record()),
            ("key_parts", table.key_parts("t")),
            ("key_columns", table.key_columns("t")),
            ("key_is_wanted", table.key_equals("t", "x")),
            ("key_is_before", table.key_equals("t", "b")),
            ("key", table.key_text("t")),
            ("payload", table.payload_json("t")),
            ("marker_by_rule_number", table.marker_text("t", &rule_number)),
            ("rule_number", rule_number),
            ("mark", table.mark("t", "b.rule")),
            ("marker_column", table.by_rule("b.rule", |rule| format!("{}::text", literal(&rule.column.name)))),
            ("marker_value", table.marker_text("t", "b.rule")),
            ("copied_columns", COPIED.to_owned()),
            ("copied_from_superseded", ledger.copied("superseded")),
            ("links", if is_parent { "d.payload::text" } else { "'{}'" }.to_owned()),
        ])
        .with_function("if_child", if is_child { |_, sql| sql.to_owned() } else { |_, _| String::new() })
        .with_function("if_parent", if is_parent { |_, sql| sql.to_owned() } else { |_, _| String::new() });
    let parameters = [
        "rows",
        "resource",
        "delay_ms",
        "batch",
        "targets",
        "requested_by",
        "reason",
        "trace_context",
        "target_columns",
    ];
    words.render_for(include_str!("postgres.sql"), &parameters)
}

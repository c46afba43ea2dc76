//! The statements of phase 1 and of restoring as texts, for the SQL functions of PostgreSQL.
//!
//! `sexton migrate` writes them beside the definition of each resource, and `sexton_soft_remove` and `sexton_restore`
//! run them as they are. So every statement has one source. The functions add the order in which they are run, which is
//! that of [`soft_remove`](crate::soft_remove) and [`restore`](crate::restore).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    catalog::{Catalog, ChildRule, Table},
    children::find_statement,
    config::{AfterConfirmation, ChildThen, Resource},
    db::{Sql, Words, millis},
    ids::ResourceName,
    ledger::{DUE_CHANNEL, Ledger, RowOutcome},
    restore::{lock, unmark},
    soft_remove::{delete_at_once, mark_children, record},
    state::Cancellation,
    store::Store,
};

/// The format that the functions expect in `sexton_resource.statements`; they refuse any other number. A change of the
/// names, the parameters or the results of the statements needs the next number, and a migration that replaces the
/// functions.
const STATEMENTS_FORMAT: u32 = 2;

/// The statements for each resource, with what is needed to run them; none on SQLite, which has no such functions.
///
/// They hold names of tables and columns, configured marker values, and the definitions from which they were made, but
/// no URL and no credential.
#[must_use]
pub fn statements(store: &Store) -> BTreeMap<ResourceName, Value> {
    if !store.ledger.dialect.has_sql_functions() {
        return BTreeMap::new();
    }
    store.catalog.tables().map(|table| (table.name.clone(), of_table(store, table))).collect()
}

fn of_table(store: &Store, table: &Table) -> Value {
    let (ledger, targets) = (&store.ledger, &table.resource.targets);
    json!({
        "format": STATEMENTS_FORMAT,
        "release": env!("CARGO_PKG_VERSION"),
        "definition": definition(&table.resource),
        "resource": table.name,
        "grace_ms": millis(table.resource.grace),
        "targets": targets.iter().map(|target| target.name.to_string()).collect::<Vec<_>>(),
        "columns": record::target_columns(table),
        "key": {
            "columns": table.key.iter().map(|(column, _)| &column.name).collect::<Vec<_>>(),
            "types": table.key.iter().map(|(column, _)| &column.base_type).collect::<Vec<_>>(),
            "statement": canonical_key(table).text(),
        },
        "record": record::statement(store, table).text(),
        "at_once": at_once(&store.catalog, table),
        "children": table.children.iter().filter_map(|rule| of_rule(store, rule)).collect::<Vec<_>>(),
        "lock_rows": lock::rows_statement(ledger, table).text(),
        "unmark_rows": unmark::rows_statement(ledger, table).text(),
        "still_marked": unmark::still_marked_statement(ledger, table).text(),
        "lock_children": unmark::lock_children_statement(ledger, table).text(),
        "unmark_children": unmark::children_statement(ledger, table).text(),
        "ledger": of_ledger(ledger),
    })
}

/// The part of the resource that producers and workers agree on, as `sexton_resource` has it.
fn definition(resource: &Resource) -> Value {
    serde_json::to_value(resource.definition()).unwrap_or_default()
}

/// `@keys` is an array with one `{k0, k1, …}`; returns the key as the ledger keeps it, or fails as the types do.
fn canonical_key(table: &Table) -> Sql {
    let mut rows = table.rows.clone();
    for (n, (column, _)) in rows.key.iter_mut().enumerate() {
        column.name = format!("k{n}");
    }
    let words = Words::new(rows.dialect).with([("key", rows.key_text("x")), ("key_record", rows.key_record())]);
    let text = "-- read a key\nselect {key} as key from jsonb_to_recordset(@keys::jsonb) as x({key_record})";
    words.render_for(text, &["keys"])
}

/// How rows are deleted at once, and for which markers; null where a worker does it:
/// * rows with children, as statements cannot say how many may go in the caller's transaction, and in what order;
/// * rows of a table with another resource that has targets, as its guard would have to be told.
fn at_once(catalog: &Catalog, table: &Table) -> Value {
    if !table.resource.targets.is_empty()
        || !table.children.is_empty()
        || !catalog.tables_deleted_with(table).is_empty()
    {
        return Value::Null;
    }
    let rules = 0..table.rules.len();
    let deleted: Vec<usize> = rules.filter(|rule| table.then(*rule) == AfterConfirmation::Delete).collect();
    json!({ "statement": delete_at_once::statement(table).text(), "rules": deleted })
}

/// How the children of some rows are found or marked; none where phase 1 does nothing.
fn of_rule(store: &Store, rule: &ChildRule) -> Option<Value> {
    let child = rule.resource.as_ref().and_then(|name| store.catalog.table(name))?;
    let statement = match rule.then {
        ChildThen::Delete => mark_children::statement(&store.ledger, rule, child),
        ChildThen::Request => find_statement(store, rule),
        ChildThen::Nullify => return None,
    };
    Some(json!({
        "then": rule.then,
        "resource": child.name,
        "definition": definition(&child.resource),
        "statement": statement.text(),
    }))
}

/// The statements on the ledger alone, which are the same for every resource.
fn of_ledger(ledger: &Ledger) -> Value {
    json!({
        "channel": DUE_CHANNEL,
        "complete_at_once": ledger.complete_at_once_statement(),
        "deleted": RowOutcome::Deleted.as_str(),
        "lock_links": ledger.lock_links_statement(),
        "link_fresh": ledger.link_new_statement(),
        "link_known": ledger.link_known_statement(),
        "hold_back": ledger.mark_waiting_statement(),
        "of_row": ledger.find_statement(),
        "of_batch": ledger.of_batch_statement(),
        "children_to_restore": ledger.children_to_restore_statement(),
        "waiting_for": ledger.waiting_for_statement(),
        "finished_child": ledger.finished_child_statement(),
        "restorable": lock::entries_statement(ledger),
        "cancel": ledger.cancel_statement(Cancellation::Restored),
        "restored": Cancellation::Restored.as_str(),
        "forget_waits": ledger.forget_waits_statement(),
        "forget_marks": ledger.forget_marks_statement(),
        "action": ledger.action_statement(),
    })
}

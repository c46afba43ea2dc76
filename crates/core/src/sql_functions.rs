//! The statements of phase 1 and of restoring as texts, for the SQL functions of PostgreSQL.
//!
//! `sexton migrate` writes them beside the definition of each resource, and `sexton_soft_remove` and `sexton_restore` run
//! them as they are. So there is one source of every statement, whoever runs it; what the functions add is the order in
//! which they are run, which is that of this module's neighbours.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    catalog::{Catalog, ChildRule, Table},
    children::find_statement,
    config::{AfterConfirmation, ChildThen, Resource},
    db::{Dialect, millis, recordset},
    ids::ResourceName,
    ledger::{DUE_CHANNEL, Ledger, RowOutcome},
    restore::{take_back, unmark},
    soft_remove::{at_once, mark_children, postgres},
    state::Cancellation,
    store::Store,
};

/// Of what the functions expect in `sexton_resource.statements`: they refuse any other number. Whoever changes the names,
/// the parameters or the results of the statements gives it the next one, and replaces the functions in a migration.
const STATEMENTS_FORMAT: u32 = 1;

/// The statements for each resource, with what is needed to run them; nothing on SQLite, which has no such functions.
///
/// They hold names of tables and columns, configured marker values, and the definitions from which they were made, but no
/// URL and no credential.
#[must_use]
pub fn statements(store: &Store) -> BTreeMap<ResourceName, Value> {
    if store.ledger.dialect == Dialect::Sqlite {
        return BTreeMap::new();
    }
    store.catalog.tables().map(|table| (table.name.clone(), of_table(store, table))).collect()
}

fn of_table(store: &Store, table: &Table) -> Value {
    let targets = &table.resource.targets;
    let columns: Map<String, Value> = targets.iter().map(|t| (t.name.to_string(), json!(t.columns()))).collect();
    json!({
        "format": STATEMENTS_FORMAT,
        "release": env!("CARGO_PKG_VERSION"),
        "definition": definition(&table.resource),
        "resource": table.name,
        "grace_ms": millis(table.resource.grace),
        "targets": targets.iter().map(|target| target.name.to_string()).collect::<Vec<_>>(),
        "columns": columns,
        "key": {
            "columns": table.key.iter().map(|(column, _)| &column.name).collect::<Vec<_>>(),
            "types": table.key.iter().map(|(column, _)| &column.base_type).collect::<Vec<_>>(),
            "statement": canonical_key(table),
        },
        "record": postgres::statement(store, table),
        "at_once": at_once(&store.catalog, table),
        "children": table.children.iter().filter_map(|rule| of_rule(store, rule)).collect::<Vec<_>>(),
        "lock": take_back::lock(table),
        "unmark": unmark::of_row(&store.ledger, table),
        "lock_children": unmark::lock_children(&store.ledger, table),
        "unmark_children": unmark::of_children(&store.ledger, table),
        "ledger": of_ledger(&store.ledger),
    })
}

/// The part of the resource that producers and workers agree on, as `sexton_resource` has it.
fn definition(resource: &Resource) -> Value {
    serde_json::to_value(resource.definition()).unwrap_or_default()
}

/// `$1` is an array with one `{k0, k1, …}`; returns the key as the ledger keeps it, or fails as the types do.
fn canonical_key(table: &Table) -> String {
    let mut rows = table.rows.clone();
    for (n, (column, _)) in rows.key.iter_mut().enumerate() {
        column.name = format!("k{n}");
    }
    format!("select {} as key from {}", rows.key_text("x"), recordset(1, &rows.key_record()))
}

/// How rows are deleted at once, and for which markers; null where a worker does it. Children are left to workers: how many
/// may go in the caller's transaction, and in what order, is more than statements can say. So are rows of a table with
/// another resource that has targets: its guard would have to be told.
fn at_once(catalog: &Catalog, table: &Table) -> Value {
    if !table.resource.targets.is_empty()
        || !table.children.is_empty()
        || !catalog.tables_deleted_with(table).is_empty()
    {
        return Value::Null;
    }
    let rules = 0..table.rules.len();
    let deleted: Vec<usize> = rules.filter(|rule| table.then(*rule) == AfterConfirmation::Delete).collect();
    json!({ "statement": at_once::statement(table), "rules": deleted })
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
        "statement": statement,
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
        "hold_back": ledger.hold_back_statement(),
        "of_row": ledger.find_statement(),
        "of_batch": ledger.of_batch_statement(),
        "children_to_restore": ledger.children_to_restore_statement(),
        "waiting_for": ledger.waiting_for_statement(),
        "finished_child": ledger.finished_child_statement(),
        "restorable": take_back::restorable(ledger),
        "cancel": ledger.cancel_statement(Cancellation::Restored),
        "restored": Cancellation::Restored.as_str(),
        "forget_waits": ledger.forget_waits_statement(),
        "forget_marks": ledger.forget_marks_statement(),
        "action": ledger.action_statement(),
    })
}

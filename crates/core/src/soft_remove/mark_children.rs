//! Marking the rows that go with others, and remembering for which deletion they were marked.

use sea_orm::ConnectionTrait;

use super::{
    mark_row::{MarkedRow, mark_row},
    record::sqlite::Statements,
};
use crate::{
    catalog::{ChildRule, Table},
    children::{PARENT_COLUMNS, Parent, parents_as_json},
    db::{self, Dialect, Row, Sql, Words, literal},
    ledger::Ledger,
};

/// Marks the children of `parents` by `rule`. Returns them as parents of their own children: also those that were
/// marked for the same deletion before, as some below them may be new.
pub(super) async fn mark_children(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    rule: &ChildRule,
    child: &Table,
    parents: &[Parent],
) -> Result<Vec<Parent>, db::Error> {
    match child.dialect {
        Dialect::Postgres => {
            let mark = rule
                .rows
                .rendered
                .get("mark_children", || statement(ledger, rule, child))
                .bind([("parents", parents_as_json(parents).into())]);
            let marked = |row: &Row| {
                let (label, resource) = (row.get("n")?, child.name.to_string());
                Ok(Parent { label, resource, key: row.get("key")?, values: row.json("links")? })
            };
            mark.all(transaction).await?.iter().map(marked).collect()
        }
        Dialect::Sqlite => {
            let mut marked = Vec::new();
            for parent in parents {
                marked.extend(mark_children_of(transaction, ledger, rule, child, parent).await?);
            }
            Ok(marked)
        }
    }
}

/// The statement that marks the children of parents by a rule (PostgreSQL). `sexton_remove_below` in the database runs
/// it, too. `@parents` is what [`parents_as_json`] gives; it returns deletion, key and links of the children.
pub(crate) fn statement(ledger: &Ledger, rule: &ChildRule, child: &Table) -> Sql {
    let rule_number = child.rule_number("c");
    let words = ledger.words.clone().with([
        ("parent_columns", PARENT_COLUMNS.to_owned()),
        ("is_child_of_parent", rule.matches("c", "x.v")),
        ("is_child_of_any", rule.names_any_of("c", "@parents")),
        ("resource", literal(child.name.as_str())),
        ("table", child.sql.clone()),
        ("key_of_child", child.key_text("c")),
        ("key_parts", child.key_parts("c")),
        ("key_columns", child.key_columns("c")),
        ("key_is_found", child.key_equals("t", "b")),
        ("marker_by_rule_number", child.marker_text("c", &rule_number)),
        ("rule_number", rule_number),
        ("mark", child.mark("t", "b.rule")),
        ("marker_column", child.by_rule("b.rule", |rule| format!("{}::text", literal(&rule.column.name)))),
        ("marker_value", child.marker_text("t", "b.rule")),
        ("links", child.links_json("t")),
    ]);
    words.render_for(include_str!("mark_children.postgres.sql"), &["parents"])
}

/// The same for the children of one parent, one by one (SQLite).
async fn mark_children_of(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    rule: &ChildRule,
    child: &Table,
    parent: &Parent,
) -> Result<Vec<Parent>, db::Error> {
    let Some(values) = rule.parent_values(&parent.values) else { return Ok(Vec::new()) };
    let find = rule.rows.rendered.get("mark_children.find", || {
        let words = Words::new(child.dialect).with([
            ("key", child.key_text("c")),
            ("table", child.sql.clone()),
            ("is_child", rule.names_bound("c")),
            ("key_columns", child.key_columns("c")),
        ]);
        words.render(
            "-- find the children of a row\nselect {key} as key from {table} c where {is_child} order by {key_columns}",
        )
    });
    let mut marked = Vec::new();
    for row in find.bind_all(values).all(transaction).await? {
        let key: String = row.get("key")?;
        let is_itself = parent.resource == child.name.as_str() && parent.key == key;
        let Some(parsed) = child.parse_key(&key).ok().filter(|_| !is_itself) else { continue };
        let Some(row) = mark_row(transaction, child, &parsed).await? else { continue };
        let values = child.links(&row.payload);
        remember(transaction, ledger, (child, &key), row, parent).await?;
        marked.push(Parent { label: parent.label.clone(), resource: child.name.to_string(), key, values });
    }
    Ok(marked)
}

/// Remembers for which deletion a child was marked, and what was in its marker column before it was first marked
/// (SQLite).
async fn remember(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    (child, key): (&Table, &str),
    row: MarkedRow,
    parent: &Parent,
) -> Result<(), db::Error> {
    let statements = ledger.statements::<Statements>();
    let earlier = statements.earlier_mark.bind([
        ("resource", child.name.as_str().into()),
        ("key", key.into()),
        ("marker_value", row.marker_before.clone().into()),
    ]);
    let marker_before: Option<String> = match earlier.one(transaction).await? {
        Some(earlier) => earlier.get("marker_before")?,
        None => row.marker_before,
    };
    let remember = statements.remember.bind([
        ("deletion", parent.label.as_str().into()),
        ("resource", child.name.as_str().into()),
        ("key", key.into()),
        ("marker_rule", i64::try_from(row.rule).unwrap_or_default().into()),
        ("marker_column", row.marker_column.into()),
        ("marker_value", row.marker_value.into()),
        ("marker_before", marker_before.into()),
    ]);
    remember.execute(transaction).await.map(drop)
}

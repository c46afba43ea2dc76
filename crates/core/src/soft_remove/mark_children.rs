//! Marking the rows that go with others, and remembering for which deletion they were marked.

use sea_orm::ConnectionTrait;

use super::sqlite_mark;
use crate::{
    catalog::{ChildRule, Table},
    children::{FRONTIER, Parent, frontier},
    db::{self, Dialect, literal},
    ledger::Ledger,
    template::Values,
};

/// Marks the children of `parents` by `rule`. Returns them as parents of their own children: also those that were marked
/// for the same deletion before, as some below them may be new.
pub(super) async fn mark(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    rule: &ChildRule,
    child: &Table,
    parents: &[Parent],
) -> Result<Vec<Parent>, db::Error> {
    let parent =
        |label: String, key: String, values: Values| Parent { label, resource: child.name.to_string(), key, values };
    match child.dialect {
        Dialect::Postgres => {
            let sql = statement(ledger, rule, child);
            let rows = transaction.query_all_raw(child.dialect.statement(sql, [frontier(parents).into()])).await?;
            let marked = rows.iter().map(|row| {
                let links: String = row.try_get("", "links")?;
                let links = serde_json::from_str(&links).map_err(|e| db::Error::unreadable(e.to_string()))?;
                Ok(parent(row.try_get("", "n")?, row.try_get("", "key")?, links))
            });
            marked.collect()
        }
        Dialect::Sqlite => {
            let mut marked = Vec::new();
            for one in parents {
                for (key, values) in mark_one(transaction, ledger, rule, child, one).await? {
                    marked.push(parent(one.label.clone(), key, values));
                }
            }
            Ok(marked)
        }
    }
}

/// `$1` is an array of parents, see [`FRONTIER`]; returns deletion, key and links of the children. A row that carries its marker already keeps it, and what had been there before the first mark is remembered.
pub(crate) fn statement(ledger: &Ledger, rule: &ChildRule, child: &Table) -> String {
    let key = child.key_text("c");
    format!(
        "with found as materialized (
            select x.n::uuid as deletion, {row_keys}, {key} as key, {rule_number} as rule, {before} as marker_before
            from jsonb_to_recordset($1::jsonb) as x({FRONTIER}) join {table} c on {matches}
            where {among} and not (x.r = {name} and x.k = {key})
            order by {order} for update of c
         ),
         marked as (
            update {table} t set {mark} from (select distinct on (found.key) found.* from found) b where {equals}
            returning b.key, b.rule, b.marker_before, {links} as links, {marker_column} as marker_column,
                {marker_value} as marker_value
         ),
         recorded as (
            insert into {child} as h (deletion_id, resource, key, marker_rule, marker_column, marker_value, marker_before)
            select f.deletion, {name}, f.key, m.rule, m.marker_column, m.marker_value,
                case when held.found then held.marker_before else m.marker_before end
            from (select distinct deletion, key from found) f join marked m on m.key = f.key
                left join lateral (
                    select true as found, o.marker_before from (
                        select o.marker_before from {child} o
                        where o.resource = {name} and o.key = f.key and o.marker_value = m.marker_before
                        union all
                        select o.marker_before from {deletion} o
                        where o.resource = {name} and o.key = f.key and o.marker_value = m.marker_before
                    ) o limit 1
                ) held on true
            on conflict (deletion_id, resource, key) do update set marker_rule = excluded.marker_rule,
                marker_column = excluded.marker_column, marker_value = excluded.marker_value,
                marker_before = excluded.marker_before
            where h.marker_value is distinct from excluded.marker_value
         )
         select f.deletion::text as n, f.key, m.links::text as links
         from (select distinct deletion, key from found) f join marked m on m.key = f.key",
        row_keys = child.key_parts("c"),
        rule_number = child.rule_number("c"),
        before = child.marker_text("c", &child.rule_number("c")),
        table = child.sql,
        matches = rule.matches("c", "x.v"),
        among = rule.among("c"),
        name = literal(child.name.as_str()),
        order = child.key_columns("c"),
        mark = child.mark("t", "b.rule"),
        equals = child.key_equals("t", "b"),
        links = child.links_json("t"),
        marker_column = child.by_rule("b.rule", |r| format!("{}::text", literal(&r.column.name))),
        marker_value = child.marker_text("t", "b.rule"),
        child = ledger.child,
        deletion = ledger.deletion,
    )
}

async fn mark_one(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    rule: &ChildRule,
    child: &Table,
    parent: &Parent,
) -> Result<Vec<(String, Values)>, db::Error> {
    let d = child.dialect;
    let mut values = Vec::new();
    let Some(matches) = rule.matches_one("c", &parent.values, &mut values) else { return Ok(Vec::new()) };
    let key = child.key_text("c");
    let sql = format!("select {key} as key from {} c where {matches} order by {}", child.sql, child.key_columns("c"));
    let mut marked = Vec::new();
    for row in transaction.query_all_raw(d.statement(sql, values)).await? {
        let key: String = row.try_get("", "key")?;
        let itself = parent.resource == child.name.as_str() && parent.key == key;
        let Some(parsed) = child.parse_key(&key).ok().filter(|_| !itself) else { continue };
        let Some(row) = sqlite_mark::mark(transaction, child, &parsed).await? else { continue };
        let sql = format!(
            "select marker_before from (
                select marker_before from {} where resource = $1 and key = $2 and marker_value = $3
                union all
                select marker_before from {} where resource = $1 and key = $2 and marker_value = $3
             ) limit 1",
            ledger.child, ledger.deletion
        );
        let of_row = [child.name.as_str().into(), key.clone().into(), row.marker_before.clone().into()];
        let before: Option<String> = match transaction.query_one_raw(d.statement(sql, of_row)).await? {
            Some(held) => held.try_get("", "marker_before")?,
            None => row.marker_before.clone(),
        };
        let sql = format!(
            "insert into {} (deletion_id, resource, key, marker_rule, marker_column, marker_value, marker_before)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (deletion_id, resource, key) do update set marker_rule = excluded.marker_rule,
                marker_column = excluded.marker_column, marker_value = excluded.marker_value,
                marker_before = excluded.marker_before
             where marker_value is not excluded.marker_value",
            ledger.child
        );
        let links = child.links(&row.payload);
        let record = [
            parent.label.clone().into(),
            child.name.as_str().into(),
            key.clone().into(),
            row.rule.into(),
            row.column.into(),
            row.marker_value.into(),
            before.into(),
        ];
        transaction.execute_raw(d.statement(sql, record)).await?;
        marked.push((key, links));
    }
    Ok(marked)
}

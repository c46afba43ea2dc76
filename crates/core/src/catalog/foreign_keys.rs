//! Foreign keys: who references a table, and what the database does with them when a row goes.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait;

use super::{Problem, table::Table};
use crate::db::{self, Db, Dialect, quote};

/// What the database does with a referencing row when the referenced one is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDelete {
    /// Refuses (`restrict`, `no action`).
    Refuse,
    /// Deletes it, too.
    Cascade,
    /// Clears the reference (`set null`, `set default`).
    Clear,
}

/// A foreign key that references a table.
#[derive(Debug, Clone)]
pub(super) struct ForeignKey {
    /// The referencing table's qualified, quoted name.
    pub(super) sql: String,
    /// The same for people.
    pub(super) table: String,
    /// The referencing columns.
    pub(super) columns: Vec<String>,
    /// The columns that they reference, in the same order; on SQLite none if they are those of the primary key.
    pub(super) references: Vec<String>,
    /// The operators that compare them, the referenced column on the left; `=` where there is no other.
    pub(super) equals: Vec<String>,
    /// Why it keeps no row from being deleted as others do, if so.
    pub(super) lax: Option<&'static str>,
    pub(super) on_delete: OnDelete,
}

/// Also those that reference a part of the table, or a table of which it is a part: the rows are the same. What a partition
/// has of its parent is the same foreign key.
const POSTGRES: &str = "
with recursive part (oid) as (
    select $1::text::regclass::oid
    union select i.inhrelid from pg_inherits i join part on part.oid = i.inhparent
), key as (
    select f.*, to_jsonb(f) as facts from pg_constraint f where f.contype = 'f' and f.confrelid in (select oid from part)
)
select n.nspname::text as schema, c.relname::text as name, f.confdeltype::text as on_delete,
       not coalesce((f.facts ->> 'conenforced')::boolean, true) as unenforced,
       coalesce((f.facts ->> 'conperiod')::boolean, false) as period,
       (select json_agg(a.attname order by k.place) from unnest(f.conkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number)::text as columns,
       (select json_agg(a.attname order by k.place) from unnest(f.confkey) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number)::text as references,
       (select json_agg(format('operator(%I.%s)', s.nspname, o.oprname) order by k.place)
        from unnest(f.conpfeqop) with ordinality k(number, place)
        join pg_operator o on o.oid = k.number join pg_namespace s on s.oid = o.oprnamespace)::text as equals
from key f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
where not exists (select 1 from key p where p.oid = f.conparentid)
order by 1, 2, f.conname";

const SQLITE: &str = "
select s.name, f.id, f.\"from\" as column_name, f.\"to\" as referenced, f.on_delete
from sqlite_schema s, pragma_foreign_key_list(s.name) f
where s.type = 'table' and '\"' || replace(f.\"table\", '\"', '\"\"') || '\"' = $1 collate nocase
order by s.name, f.id, f.seq";

/// The foreign keys that reference the table `sql`.
pub(super) async fn referencing(db: &Db, sql: &str) -> Result<Vec<ForeignKey>, db::Error> {
    match db.dialect {
        Dialect::Postgres => postgres(db, sql).await,
        Dialect::Sqlite => sqlite(db, sql).await,
    }
}

async fn postgres(db: &Db, sql: &str) -> Result<Vec<ForeignKey>, db::Error> {
    let rows = db.conn.query_all_raw(db.dialect.statement(POSTGRES, [sql.into()])).await?;
    let key = |row: &sea_orm::QueryResult| {
        let (schema, name): (String, String) = (row.try_get("", "schema")?, row.try_get("", "name")?);
        let columns: String = row.try_get("", "columns")?;
        let references: String = row.try_get("", "references")?;
        let names = |text: &str| serde_json::from_str(text).map_err(|e| db::Error::unreadable(e.to_string()));
        let on_delete: String = row.try_get("", "on_delete")?;
        Ok(ForeignKey {
            sql: format!("{}.{}", quote(&schema), quote(&name)),
            table: if schema == "public" { name } else { format!("{schema}.{name}") },
            columns: names(&columns)?,
            references: names(&references)?,
            equals: names(&row.try_get::<String>("", "equals")?)?,
            lax: match (row.try_get("", "unenforced")?, row.try_get("", "period")?) {
                (true, _) => Some("is NOT ENFORCED"),
                (_, true) => Some("compares periods"),
                _ => None,
            },
            on_delete: match on_delete.as_str() {
                "c" => OnDelete::Cascade,
                "n" | "d" => OnDelete::Clear,
                _ => OnDelete::Refuse,
            },
        })
    };
    rows.iter().map(key).collect()
}

async fn sqlite(db: &Db, sql: &str) -> Result<Vec<ForeignKey>, db::Error> {
    let mut keys: BTreeMap<(String, i64), ForeignKey> = BTreeMap::new();
    for row in db.conn.query_all_raw(db.dialect.statement(SQLITE, [sql.into()])).await? {
        let table: String = row.try_get("", "name")?;
        let on_delete: String = row.try_get("", "on_delete")?;
        let key = keys.entry((table.clone(), row.try_get("", "id")?)).or_insert_with(|| ForeignKey {
            sql: quote(&table),
            table,
            columns: Vec::new(),
            references: Vec::new(),
            equals: Vec::new(),
            lax: None,
            on_delete: match on_delete.to_ascii_uppercase().as_str() {
                "CASCADE" => OnDelete::Cascade,
                "SET NULL" | "SET DEFAULT" => OnDelete::Clear,
                _ => OnDelete::Refuse,
            },
        });
        key.columns.push(row.try_get("", "column_name")?);
        key.equals.push("=".to_owned());
        key.references.extend(row.try_get::<Option<String>>("", "referenced")?);
    }
    Ok(keys.into_values().collect())
}

/// Whether rows of the table `sql` may go because others of it do, by foreign keys that cascade.
pub(super) async fn goes_with_itself(db: &Db, sql: &str) -> Result<bool, db::Error> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![sql.to_owned()]);
    while let Some(referenced) = open.pop() {
        for key in referencing(db, &referenced).await?.into_iter().filter(|key| key.on_delete == OnDelete::Cascade) {
            if key.sql == sql {
                return Ok(true);
            }
            if seen.insert(key.sql.clone()) {
                open.push(key.sql);
            }
        }
    }
    Ok(false)
}

/// Whether a child rule of `table` looks after the rows that reference it by `key`.
pub(super) fn has_rule(table: &Table, key: &ForeignKey) -> bool {
    let by = |rule: &super::ChildRule| rule.rows.sql == key.sql && key.columns.contains(&rule.link.column().name);
    table.children.iter().any(by)
}

/// The foreign keys by which deleting a row of a resource would delete rows behind Sexton's back that have twins.
pub(super) async fn cascades(db: &Db, tables: &[&Table]) -> Result<Vec<Problem>, db::Error> {
    let mut problems = Vec::new();
    for table in tables {
        let mut seen = BTreeSet::from([table.rows.sql.clone()]);
        let mut open = vec![(table.rows.sql.clone(), Vec::<String>::new())];
        while let Some((sql, way)) = open.pop() {
            let here = tables.iter().filter(|known| known.rows.sql == sql);
            let rules: Vec<&&Table> = here.collect();
            for key in referencing(db, &sql).await? {
                if key.on_delete != OnDelete::Cascade || rules.iter().any(|table| has_rule(table, &key)) {
                    continue;
                }
                let mut way = way.clone();
                way.push(format!("{}.{}", key.table, key.columns.join("+")));
                let victim =
                    tables.iter().find(|other| other.rows.sql == key.sql && !other.resource.targets.is_empty());
                if let Some(victim) = victim {
                    problems.push(Problem {
                        path: format!("resources.{}.table", table.name),
                        message: format!(
                            "deleting its rows also deletes rows of resource `{}` by ON DELETE CASCADE ({}), whose targets \
                             would never hear of it; add a [[resources.{}.children]] for it, or make the foreign key RESTRICT",
                            victim.name,
                            way.join(" → "),
                            rules.first().map_or(&table.name, |table| &table.name),
                        ),
                    });
                }
                if seen.insert(key.sql.clone()) {
                    open.push((key.sql, way));
                }
            }
        }
    }
    Ok(problems)
}

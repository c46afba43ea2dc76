//! Holding `unreferenced` against the foreign keys of the table. Where one is missing from it, the sweep would delete rows
//! that are still referenced.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;

use super::{
    Column, Problem, Rows,
    bind::bind_rows,
    describe,
    foreign_keys::{ForeignKey, OnDelete, referencing},
    pages::Paging,
    table::{Description, Table},
};
use crate::{
    config::{AfterConfirmation, Resource, Unreferenced as Settings},
    db::{self, Db, Dialect, quote},
    ids::ResourceName,
};

/// A table of which unreferenced rows go.
#[derive(Debug, Clone)]
pub struct Unreferenced {
    /// The resource.
    pub name: ResourceName,
    /// The table, as configured.
    pub table: String,
    /// Its settings.
    pub settings: Settings,
    /// Where its rows are.
    pub rows: Rows,
    /// The column that says since when a row has been unreferenced.
    pub since: Column,
    /// The foreign keys that reference it.
    pub references: Vec<Reference>,
    /// Why its rows are left alone: foreign keys that are not as configured, or not as they have to be.
    pub problems: Vec<Problem>,
    paging: Vec<usize>,
}

/// A foreign key, resolved.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The referencing table's qualified, quoted name.
    pub sql: String,
    /// What is compared.
    pub columns: Vec<Pair>,
}

/// A referencing column and the one that it references.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The referencing column.
    pub from: String,
    /// The referenced one.
    pub to: String,
    /// The operator by which the foreign key compares them, with the referenced one on the left: another would take its
    /// types or its collation for something else.
    pub equals: String,
}

impl Reference {
    /// Whether the row `row` of the referencing table names the row `referenced`.
    #[must_use]
    pub fn names(&self, row: &str, referenced: &str) -> String {
        let pair =
            |pair: &Pair| format!("{referenced}.{} {} {row}.{}", quote(&pair.to), pair.equals, quote(&pair.from));
        self.columns.iter().map(pair).collect::<Vec<_>>().join(" and ")
    }
}

impl Unreferenced {
    /// Resolves the table and its foreign keys as they are now. None if the resource does not speak of such rows.
    ///
    /// # Errors
    /// Whatever the database says; inside, what is wrong with the table itself.
    pub async fn load(
        db: &Db,
        name: &ResourceName,
        resource: &Resource,
    ) -> Result<Option<Result<Self, Vec<Problem>>>, db::Error> {
        let Some(settings) = &resource.unreferenced else { return Ok(None) };
        let found = describe(db, &resource.table).await?;
        let (rows, paging) = match bind_rows(db, name, resource, found.as_ref()) {
            Ok(bound) => bound,
            Err(problems) => return Ok(Some(Err(problems))),
        };
        let Some(found) = found else { return Ok(None) };
        let mut binder = Binder { db, name, resource, settings, found: &found, problems: Vec::new() };
        let since = binder.since();
        let (Some(since), true) = (since, binder.problems.is_empty()) else { return Ok(Some(Err(binder.problems))) };
        let references = binder.references().await?;
        Ok(Some(Ok(Self {
            name: name.clone(),
            table: resource.table.clone(),
            settings: settings.clone(),
            rows,
            since,
            references,
            problems: binder.problems,
            paging,
        })))
    }

    /// How the table is gone through.
    pub(crate) fn paging(&self) -> Paging<'_> {
        Paging { rows: &self.rows, by: &self.paging }
    }

    /// Whether any row references the row `t`. Not `exists`, which may be answered by reading the referencing table as a
    /// whole first.
    #[must_use]
    pub fn referenced(&self) -> String {
        let by = |reference: &Reference| {
            format!("(select true from {} r where {} limit 1) is not null", reference.sql, reference.names("r", "t"))
        };
        format!("({})", self.references.iter().map(by).collect::<Vec<_>>().join(" or "))
    }

    /// Whether a row of `table` may be deleted as it is, without a record: nothing has to be called, no child looked after,
    /// and it has no time to stay.
    #[must_use]
    pub fn goes_at_once(table: Option<&Table>) -> bool {
        let goes = |table: &Table| {
            let resource = &table.resource;
            let deleted = table.rules.iter().all(|rule| rule.then == AfterConfirmation::Delete);
            resource.targets.is_empty() && table.children.is_empty() && resource.grace.is_zero() && deleted
        };
        table.is_none_or(goes)
    }
}

struct Binder<'b> {
    db: &'b Db,
    name: &'b ResourceName,
    resource: &'b Resource,
    settings: &'b Settings,
    found: &'b Description,
    problems: Vec<Problem>,
}

impl Binder<'_> {
    fn problem(&mut self, key: &str, message: String) {
        self.problems.push(Problem { path: format!("resources.{}.unreferenced.{key}", self.name), message });
    }

    fn since(&mut self) -> Option<Column> {
        let (name, table) = (&self.settings.since, &self.resource.table);
        let Some(column) = self.found.columns.iter().find(|column| column.name == *name).cloned() else {
            let known: Vec<_> = self.found.columns.iter().map(|c| c.name.as_str()).collect();
            self.problem("since", format!("`{table}` has no column `{name}`; its columns are {}", known.join(", ")));
            return None;
        };
        let wrong = if !column.is_time() {
            Some(format!("is {} and cannot hold a time; use a timestamp column", column.type_name))
        } else if column.not_null {
            Some("is NOT NULL, but a referenced row has no such time; drop the constraint".to_owned())
        } else if column.generated {
            Some("is computed by the database and cannot be written".to_owned())
        } else if self.resource.key.contains(name) {
            Some("is a key column".to_owned())
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.problem("since", format!("`{name}` {wrong}"));
        }
        Some(column)
    }

    /// The foreign keys of the database, each of them named by the configuration, and the other way round.
    async fn references(&mut self) -> Result<Vec<Reference>, db::Error> {
        let keys = referencing(self.db, &self.found.sql).await?;
        let mut named = BTreeMap::new();
        for (number, wanted) in self.settings.by.iter().enumerate() {
            let found = describe(self.db, &wanted.table).await?;
            let Some(found) = found else {
                self.problem(&format!("by[{number}].table"), format!("there is no table `{}`", wanted.table));
                continue;
            };
            if found.row_security {
                let message = format!(
                    "row-level security applies to our role on `{}`, and a hidden reference would be missed",
                    wanted.table
                );
                self.problem(&format!("by[{number}].table"), message);
            }
            // There may be two constraints that say the same.
            let places = keys.iter().enumerate();
            let places = places.filter(|(_, key)| key.sql == found.sql && same(&key.columns, &wanted.column));
            let places: Vec<usize> = places.map(|(place, _)| place).collect();
            named.extend(places.iter().map(|place| (*place, number)));
            if places.is_empty() {
                let message = format!(
                    "there is no foreign key from `{}` ({}) to `{}`: without one a row could be deleted in the moment in \
                     which it is referenced; add the constraint",
                    wanted.table,
                    wanted.column.join(", "),
                    self.resource.table
                );
                self.problem(&format!("by[{number}]"), message);
            }
        }
        for (place, key) in keys.iter().enumerate() {
            match named.get(&place) {
                Some(number) => self.usable(*number, key).await?,
                None => self.missing(key),
            }
        }
        Ok(named.keys().filter_map(|place| self.resolve(keys.get(*place)?)).collect())
    }

    fn missing(&mut self, key: &ForeignKey) {
        let columns: Vec<_> = key.columns.iter().map(|column| format!("\"{column}\"")).collect();
        let message = format!(
            "`{}` references `{}` by ({}), which is not named here: rows that only it references would be taken for \
             unreferenced; add {{ table = \"{}\", columns = [{}] }}",
            key.table,
            self.resource.table,
            key.columns.join(", "),
            key.table,
            columns.join(", ")
        );
        self.problem("by", message);
    }

    async fn usable(&mut self, number: usize, key: &ForeignKey) -> Result<(), db::Error> {
        let (path, columns) = (format!("by[{number}]"), key.columns.join(", "));
        let does = match key.on_delete {
            OnDelete::Refuse => None,
            OnDelete::Cascade => Some("ON DELETE CASCADE, and would delete the referencing row"),
            OnDelete::Clear => Some("ON DELETE SET NULL or SET DEFAULT, and would clear the reference"),
        };
        if let Some(does) = does {
            let message = format!(
                "the foreign key of `{}` ({columns}) is {does}, where somebody references a row in the moment in which it is \
                 deleted; make it RESTRICT or NO ACTION",
                key.table
            );
            self.problem(&path, message);
        }
        if let Some(lax) = key.lax {
            let message = format!(
                "the foreign key of `{}` ({columns}) {lax}, and keeps no row from being deleted while it is referenced",
                key.table
            );
            self.problem(&path, message);
        }
        let has_index = match self.db.dialect {
            Dialect::Postgres => has_index(self.db, key).await?,
            Dialect::Sqlite => self.looks_by_index(key).await?,
        };
        if !has_index {
            let index: Vec<_> = key.columns.iter().map(|column| quote(column)).collect();
            let concurrently = if self.db.dialect == Dialect::Postgres { " concurrently" } else { "" };
            let message = format!(
                "`{}` ({columns}) has no index: every look at a row would read the whole table; \
                 `create index{concurrently} on {} ({})`",
                key.table,
                key.sql,
                index.join(", ")
            );
            self.problem(&path, message);
        }
        Ok(())
    }

    /// Whether a look like that of the sweep uses an index (SQLite).
    async fn looks_by_index(&self, key: &ForeignKey) -> Result<bool, db::Error> {
        let Some(reference) = self.resolve(key) else { return Ok(true) };
        let (table, names) = (&self.found.sql, reference.names("r", "t"));
        let sql =
            format!("explain query plan select (select 1 from {} r where {names} limit 1) from {table} t", key.sql);
        let plan = self.db.conn.query_all_raw(self.db.dialect.statement(sql, [])).await?;
        let steps: Vec<String> = plan.iter().map(|row| row.try_get("", "detail")).collect::<Result<_, _>>()?;
        Ok(!steps.iter().any(|step| step.starts_with("SCAN r")))
    }

    /// On SQLite a foreign key may leave it to the primary key what it references.
    fn resolve(&self, key: &ForeignKey) -> Option<Reference> {
        let to = if key.references.is_empty() { &self.found.primary_key } else { &key.references };
        let pairs = key.columns.iter().zip(to).zip(&key.equals);
        let pair = |((from, to), equals): ((&String, &String), &String)| Pair {
            from: from.clone(),
            to: to.clone(),
            equals: equals.clone(),
        };
        let columns: Vec<Pair> = pairs.map(pair).collect();
        (columns.len() == key.columns.len()).then(|| Reference { sql: key.sql.clone(), columns })
    }
}

/// Whether an index begins with columns of the foreign key, for all rows in which they are not null (PostgreSQL). Not by a
/// plan: one that reads a whole index looks like one that does not, and making one waits for locks.
async fn has_index(db: &Db, key: &ForeignKey) -> Result<bool, db::Error> {
    let sql = "select exists (
        select 1 from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = $1::text::regclass and i.indisvalid and m.amname in ('btree', 'hash')
            and a.attname::text in (select jsonb_array_elements_text($2::jsonb))
            and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))) as found";
    let columns = serde_json::Value::from(key.columns.clone()).to_string();
    let row = db.conn.query_one_raw(db.dialect.statement(sql, [key.sql.as_str().into(), columns.into()])).await?;
    row.map_or(Ok(false), |row| row.try_get("", "found").map_err(db::Error::from))
}

/// Whether both name the same columns, in any order.
fn same(key: &[String], wanted: &[String]) -> bool {
    key.len() == wanted.len() && wanted.iter().all(|column| key.contains(column))
}

//! Holding `unreferenced` against the foreign keys of the table. Where one is missing from it, the sweep would delete rows
//! that are still referenced.

use sea_orm::DbErr;

use super::{
    Column, Problem, Rows,
    advice::reads_all,
    bind::bind_rows,
    describe,
    foreign_keys::{ForeignKey, OnDelete, referencing},
    pages::Paging,
    table::{Description, Table, literal},
};
use crate::{
    config::{Resource, Unreferenced as Settings},
    db::{Db, Dialect, quote},
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
    /// The referencing columns, each with the one that it references.
    pub columns: Vec<(String, String)>,
}

impl Reference {
    /// Whether the row `row` of the referencing table names the row `referenced`.
    #[must_use]
    pub fn names(&self, row: &str, referenced: &str) -> String {
        let pair = |(from, to): &(String, String)| format!("{row}.{} = {referenced}.{}", quote(from), quote(to));
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
    ) -> Result<Option<Result<Self, Vec<Problem>>>, DbErr> {
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

    /// Whether a row of `table` may be deleted as it is, without a record: nothing has to be called and no child looked
    /// after.
    #[must_use]
    pub fn goes_at_once(table: Option<&Table>) -> bool {
        table.is_none_or(|table| table.resource.targets.is_empty() && table.children.is_empty())
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
    async fn references(&mut self) -> Result<Vec<Reference>, DbErr> {
        let keys = referencing(self.db, &self.found.sql).await?;
        let mut named = Vec::new();
        for (number, wanted) in self.settings.by.iter().enumerate() {
            let found = describe(self.db, &wanted.table).await?;
            let is_it = |key: &&ForeignKey| {
                found.as_ref().is_some_and(|found| found.sql == key.sql) && same(&key.columns, &wanted.column)
            };
            let columns = wanted.column.join(", ");
            match (&found, keys.iter().position(|key| is_it(&key))) {
                (None, _) => {
                    self.problem(&format!("by[{number}].table"), format!("there is no table `{}`", wanted.table))
                }
                (Some(_), None) => {
                    let message = format!(
                        "there is no foreign key from `{}` ({columns}) to `{}`: without one a row could be deleted in the \
                         moment in which it is referenced; add the constraint",
                        wanted.table, self.resource.table
                    );
                    self.problem(&format!("by[{number}]"), message);
                }
                (Some(found), Some(_)) if found.row_security => {
                    let message = format!(
                        "row-level security applies to our role on `{}`, and a hidden reference would be missed",
                        wanted.table
                    );
                    self.problem(&format!("by[{number}].table"), message);
                }
                (Some(_), Some(place)) => named.push((number, place)),
            }
        }
        for (place, key) in keys.iter().enumerate() {
            let Some((number, _)) = named.iter().find(|(_, named)| *named == place) else {
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
                continue;
            };
            self.usable(*number, key).await?;
        }
        Ok(named.into_iter().filter_map(|(_, place)| self.resolve(keys.get(place)?)).collect())
    }

    async fn usable(&mut self, number: usize, key: &ForeignKey) -> Result<(), DbErr> {
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
        if reads_all(self.db, &key.sql, &self.equals_something(key)).await? {
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

    /// A condition like those of the sweep, on values that the planner does not know.
    fn equals_something(&self, key: &ForeignKey) -> String {
        let referenced = self.resolve(key).map(|reference| reference.columns).unwrap_or_default();
        let equals = |(from, to): &(String, String)| {
            let column = self.found.columns.iter().find(|column| column.name == *to);
            let value = match (self.db.dialect, column) {
                (Dialect::Postgres, Some(column)) => format!("(select null::{})", column.type_name),
                _ => literal("x"),
            };
            format!("c.{} = {value}", quote(from))
        };
        referenced.iter().map(equals).collect::<Vec<_>>().join(" and ")
    }

    /// On SQLite a foreign key may leave it to the primary key what it references.
    fn resolve(&self, key: &ForeignKey) -> Option<Reference> {
        let to = if key.references.is_empty() { &self.found.primary_key } else { &key.references };
        let columns: Vec<_> = key.columns.iter().cloned().zip(to.iter().cloned()).collect();
        (columns.len() == key.columns.len()).then(|| Reference { sql: key.sql.clone(), columns })
    }
}

/// Whether both name the same columns, in any order.
fn same(key: &[String], wanted: &[String]) -> bool {
    key.len() == wanted.len() && wanted.iter().all(|column| key.contains(column))
}

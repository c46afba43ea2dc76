//! `unreferenced`: the column with the time, and the foreign keys that reference the table. If the configuration left
//! one out, the sweep would delete rows that are still referenced.

use std::collections::BTreeMap;

use crate::{
    catalog::{
        Column, ConfigProblem, Pair, ResolvedReference, UnreferencedTable,
        describe::{Description, describe},
        foreign_keys::{ForeignKey, OnDelete, referencing},
    },
    config::{Resource, Unreferenced as Settings},
    db::{self, Db, Dialect, Words, quote},
    ids::ResourceName,
};

/// What was found for `unreferenced`.
struct BoundRule {
    since: Column,
    references: Vec<ResolvedReference>,
    /// What is wrong with the foreign keys.
    problems: Vec<ConfigProblem>,
}

impl UnreferencedTable {
    /// Resolves the table and its foreign keys as they are now. None if the resource has no `unreferenced`; inside,
    /// what is wrong with the table itself.
    ///
    /// # Errors
    /// [`db::Error`] when the catalogue cannot be read.
    pub async fn load(
        db: &Db,
        name: &ResourceName,
        resource: &Resource,
    ) -> Result<Option<Result<Self, Vec<ConfigProblem>>>, db::Error> {
        let Some(settings) = &resource.unreferenced else { return Ok(None) };
        let found = describe(db, &resource.table).await?;
        let (rows, paging) = match super::rows(db, name, resource, found.as_ref()) {
            Ok(bound) => bound,
            Err(problems) => return Ok(Some(Err(problems))),
        };
        let Some(found) = found else { return Ok(None) };
        let bound = match unreferenced(db, name, resource, settings, &found).await? {
            Ok(bound) => bound,
            Err(problems) => return Ok(Some(Err(problems))),
        };
        Ok(Some(Ok(Self {
            name: name.clone(),
            table: resource.table.clone(),
            settings: settings.clone(),
            rows,
            since: bound.since,
            references: bound.references,
            problems: bound.problems,
            paging,
        })))
    }
}

/// Resolves `settings` for the table `found`; inside, what is wrong with its own columns.
async fn unreferenced(
    db: &Db,
    name: &ResourceName,
    resource: &Resource,
    settings: &Settings,
    found: &Description,
) -> Result<Result<BoundRule, Vec<ConfigProblem>>, db::Error> {
    let mut binder = UnreferencedBinder { db, name, resource, settings, found, problems: Vec::new() };
    let since = binder.since();
    let (Some(since), true) = (since, binder.problems.is_empty()) else { return Ok(Err(binder.problems)) };
    let references = binder.references().await?;
    Ok(Ok(BoundRule { since, references, problems: binder.problems }))
}

struct UnreferencedBinder<'b> {
    db: &'b Db,
    name: &'b ResourceName,
    resource: &'b Resource,
    settings: &'b Settings,
    found: &'b Description,
    problems: Vec<ConfigProblem>,
}

impl UnreferencedBinder<'_> {
    fn problem(&mut self, key: &str, message: String) {
        self.problems.push(ConfigProblem { path: format!("resources.{}.unreferenced.{key}", self.name), message });
    }

    fn since(&mut self) -> Option<Column> {
        let (name, table) = (&self.settings.since, &self.resource.table);
        let Some(column) = self.found.column(name).cloned() else {
            let known = self.found.column_names();
            self.problem("since", format!("`{table}` has no column `{name}`; its columns are {known}"));
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

    /// The foreign keys that the configuration names. It must name exactly those that the database has.
    async fn references(&mut self) -> Result<Vec<ResolvedReference>, db::Error> {
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
            if let Some(heir) = &found.inherited_by {
                let message = format!(
                    "`{heir}` inherits from `{}`, but not its foreign key and its guard: a reference in it would be \
                     missed; give it a foreign key of its own instead of the inheritance",
                    wanted.table
                );
                self.problem(&format!("by[{number}].table"), message);
            }
            // There may be two constraints that say the same.
            let matching = keys.iter().enumerate();
            let matching = matching.filter(|(_, key)| key.sql == found.sql && same(&key.columns, &wanted.column));
            let matching: Vec<usize> = matching.map(|(position, _)| position).collect();
            named.extend(matching.iter().map(|position| (*position, number)));
            if matching.is_empty() {
                let message = format!(
                    "there is no foreign key from `{}` ({}) to `{}`: without one a row could be deleted while it is \
                     being referenced; add the constraint",
                    wanted.table,
                    wanted.column.join(", "),
                    self.resource.table
                );
                self.problem(&format!("by[{number}]"), message);
            }
        }
        for (position, key) in keys.iter().enumerate() {
            match named.get(&position) {
                Some(number) => self.check_usable(*number, key).await?,
                None => self.report_missing(key),
            }
        }
        Ok(named.keys().filter_map(|position| self.resolve(keys.get(*position)?)).collect())
    }

    fn report_missing(&mut self, key: &ForeignKey) {
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

    async fn check_usable(&mut self, number: usize, key: &ForeignKey) -> Result<(), db::Error> {
        let (path, columns) = (format!("by[{number}]"), key.columns.join(", "));
        let does = match key.on_delete {
            OnDelete::Refuse => None,
            OnDelete::Cascade => Some(("ON DELETE CASCADE", "would delete the referencing row")),
            OnDelete::Clear => Some(("ON DELETE SET NULL or SET DEFAULT", "would clear the reference")),
        };
        if let Some((action, effect)) = does {
            let message = format!(
                "the foreign key of `{}` ({columns}) is {action}, and {effect} if a row is referenced while it is \
                 being deleted; make it RESTRICT or NO ACTION",
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
            Dialect::Sqlite => self.finds_by_index(key).await?,
        };
        if !has_index {
            let index: Vec<_> = key.columns.iter().map(|column| quote(column)).collect();
            let concurrently = match self.db.dialect {
                Dialect::Postgres => " concurrently",
                Dialect::Sqlite => "",
            };
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

    /// Whether the sweep's query for references uses an index (SQLite).
    async fn finds_by_index(&self, key: &ForeignKey) -> Result<bool, db::Error> {
        let Some(reference) = self.resolve(key) else { return Ok(true) };
        let words = Words::new(self.db.dialect).with([
            ("table", self.found.sql.clone()),
            ("referencing", key.sql.clone()),
            ("names", reference.names("r", "t")),
        ]);
        let explain = "-- explain how references are found
            explain query plan select (select 1 from {referencing} r where {names} limit 1) from {table} t";
        let plan = words.render(explain).bind([]).all(&self.db.conn).await?;
        let steps = plan.iter().map(|row| row.get::<String>("detail")).collect::<Result<Vec<_>, _>>()?;
        Ok(!steps.iter().any(|step| step.starts_with("SCAN r")))
    }

    /// On SQLite a foreign key may leave it to the primary key what it references.
    fn resolve(&self, key: &ForeignKey) -> Option<ResolvedReference> {
        let to = if key.references.is_empty() { &self.found.primary_key } else { &key.references };
        let pairs = key.columns.iter().zip(to).zip(&key.equals);
        let pair = |((from, to), equals): ((&String, &String), &String)| Pair {
            from: from.clone(),
            to: to.clone(),
            equals: equals.clone(),
        };
        let columns: Vec<Pair> = pairs.map(pair).collect();
        (columns.len() == key.columns.len()).then(|| ResolvedReference { sql: key.sql.clone(), columns })
    }
}

/// Whether an index begins with columns of the foreign key, for all rows in which they are not null (PostgreSQL). Not
/// by a plan: one that reads a whole index looks like one that does not, and making one waits for locks.
async fn has_index(db: &Db, key: &ForeignKey) -> Result<bool, db::Error> {
    let find = Words::new(db.dialect).render(include_str!("unreferenced.has_index.postgres.sql"));
    let columns = serde_json::Value::from(key.columns.clone()).to_string();
    let row = find.bind([("table", key.sql.as_str().into()), ("columns", columns.into())]).one(&db.conn).await?;
    row.map_or(Ok(false), |row| row.get("found"))
}

/// Whether both name the same columns, in any order.
fn same(key: &[String], wanted: &[String]) -> bool {
    key.len() == wanted.len() && wanted.iter().all(|column| key.contains(column))
}

//! A resolved table, and the SQL fragments that statements on its rows are made of.

use std::sync::Arc;

use sea_orm::ConnectionTrait;

use super::{
    child_rule::ChildRule,
    column::Column,
    key::Key,
    marker_rule::{self, MarkerRule},
    row_filter::Among,
    rows::Rows,
};
use crate::{
    config::{AfterConfirmation, Child, Resource},
    db::{self, Dialect, RowLocks, Sql, literal},
    ids::{Lane, ResourceName},
    template::Values,
};

/// A resource whose table was found and fits.
#[derive(Debug, Clone)]
pub struct Table {
    /// The resource.
    pub name: ResourceName,
    /// Its configuration.
    pub resource: Resource,
    /// Where its rows are.
    pub rows: Rows,
    /// The positions in the key of the columns by which pages of the table follow each other.
    pub(crate) paging: Vec<usize>,
    /// The captured columns, in alphabetical order.
    pub payload: Vec<Column>,
    /// The ways of marking a row; the last is for all.
    pub rules: Vec<MarkerRule>,
    /// Which rows of which tables are children of a row.
    pub children: Vec<ChildRule>,
    /// Whether the database may delete rows of it because others of it are deleted (`on delete cascade`).
    pub cascades_to_itself: bool,
    pub(super) statements: Arc<TableStatements>,
}

/// The statements on the table that are the same for every call.
#[derive(Debug)]
pub(super) struct TableStatements {
    /// Which of some keys have a row.
    pub(super) existing: Sql,
    /// Which have one without a marker.
    pub(super) live: Sql,
    /// Which have one with its marker.
    pub(super) marked: Sql,
}

impl Table {
    /// What a log may say of an error about its rows: with `hash_key` nothing of their content.
    #[must_use]
    pub fn loggable_error(&self, error: &db::Error) -> String {
        if self.resource.hash_key { error.without_row_content() } else { error.to_string() }
    }

    /// The key of one of its rows, if a log may have it.
    #[must_use]
    pub fn loggable_key(&self, key: &Key) -> Option<String> {
        (!self.resource.hash_key).then(|| key.to_string())
    }
}

impl TableStatements {
    pub(super) fn render(rows: &Rows, rules: &[MarkerRule]) -> Self {
        let filter = |condition: &str| rows.filter(&Among { source: &rows.sql, condition, locks: RowLocks::None });
        Self {
            existing: filter("true"),
            live: filter(&marker_rule::live(rules, "t")),
            marked: filter(&marker_rule::marked(rules, "t")),
        }
    }
}

impl std::ops::Deref for Table {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        &self.rows
    }
}

impl Table {
    /// The lanes of this resource: its own, and one for each target.
    pub fn lanes(&self) -> Vec<Lane> {
        self.resource.lanes(&self.name)
    }

    /// The lane of a deletion whose confirmed targets are those that `confirmed` knows.
    pub fn lane(&self, confirmed: impl Fn(&str) -> bool) -> Lane {
        let mut open = self.resource.targets.iter().filter(|target| !confirmed(target.name.as_str()));
        open.next().map_or_else(|| Lane::of_resource(&self.name), |target| Lane::of_target(&self.name, &target.name))
    }

    /// What becomes of a row that was marked by rule number `rule`.
    #[must_use]
    pub fn then(&self, rule: usize) -> AfterConfirmation {
        self.rules.get(rule).map_or(self.resource.then, |rule| rule.then)
    }

    /// The captured columns as a JSON object of texts.
    #[must_use]
    pub fn payload_json(&self, alias: &str) -> String {
        self.object(alias, |_| true)
    }

    /// What is known of a row that is gone, as a JSON object of texts: the captured columns without those that only
    /// mark.
    #[must_use]
    pub(crate) fn twin_json(&self, alias: &str) -> String {
        let markers = self.resource.marker_columns();
        let used = |name: &str| {
            self.resource.targets.iter().any(|target| target.columns().iter().any(|column| column == name))
        };
        self.object(alias, |column| !markers.contains(&column.name) || used(&column.name))
    }

    /// The columns by which children name a row, as a JSON object of texts.
    #[must_use]
    pub fn links_json(&self, alias: &str) -> String {
        let links: Vec<&str> = self.resource.children.iter().flat_map(Child::parent_columns).collect();
        self.object(alias, |column| links.contains(&column.name.as_str()))
    }

    /// Those of `values` by which children name a row.
    #[must_use]
    pub fn links(&self, values: &Values) -> Values {
        let links = self.resource.children.iter().flat_map(Child::parent_columns);
        links.filter_map(|name| values.get_key_value(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn object(&self, alias: &str, wanted: impl Fn(&Column) -> bool) -> String {
        let columns: Vec<&Column> = self.payload.iter().filter(|column| wanted(column)).collect();
        let (function, none) = match self.dialect {
            Dialect::Postgres => ("jsonb_build_object", "'{}'::jsonb"),
            Dialect::Sqlite => ("json_object", "'{}'"),
        };
        let pairs: Vec<_> = columns.iter().map(|c| format!("{}, {}", literal(&c.name), c.text(alias))).collect();
        // A function takes at most 100 arguments.
        let objects: Vec<_> = pairs.chunks(40).map(|chunk| format!("{function}({})", chunk.join(", "))).collect();
        match (self.dialect, &objects[..]) {
            (_, []) => none.to_owned(),
            (Dialect::Postgres, _) => objects.join(" || "),
            (Dialect::Sqlite, [one]) => one.clone(),
            // `json_patch` would leave out what is null.
            (Dialect::Sqlite, _) => {
                let rows: Vec<_> = pairs.iter().map(|pair| format!("({pair})")).collect();
                format!("(select json_group_object(column1, column2) from (values {}))", rows.join(", "))
            }
        }
    }

    /// Whether every captured column still has the value that `payload` (a `jsonb` expression) says (PostgreSQL).
    #[must_use]
    pub fn unchanged(&self, alias: &str, payload: &str) -> String {
        let same = |c: &Column| format!("{} is not distinct from {payload} ->> {}", c.text(alias), literal(&c.name));
        let all: Vec<_> = self.payload.iter().map(same).collect();
        if all.is_empty() { "true".to_owned() } else { all.join(" and ") }
    }
}

impl Table {
    /// Those of `keys` whose row is there, live or marked.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn existing(&self, conn: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        self.filter_keys(conn, keys, &self.statements.existing).await
    }

    /// Those of `keys` whose row is there and carries no marker.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn live_among(&self, conn: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        self.filter_keys(conn, keys, &self.statements.live).await
    }

    /// Those of `keys` whose row is there and carries its marker.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn marked_among(&self, conn: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        self.filter_keys(conn, keys, &self.statements.marked).await
    }
}

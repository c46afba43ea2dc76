//! The children of some rows by one rule, in one statement (PostgreSQL) or one a parent (SQLite).

use sea_orm::ConnectionTrait;

use super::parent::{PARENT_COLUMNS, Parent, parents_as_json};
use crate::{
    catalog::{ChildRule, Table},
    config::ChildThen,
    db::{self, Dialect, Function, Row, RowLocks, Sql, Words, literal},
    ids::DeletionId,
    ledger::Ending,
    state::State,
    store::Store,
    template::Values,
};

/// A row that was found.
#[derive(Debug, Clone)]
pub(crate) struct FoundChild {
    /// The parent's label.
    pub(crate) label: String,
    pub(crate) key: String,
    /// The columns by which its own children reference it; empty for a table that is no resource.
    pub(crate) values: Values,
    /// Its own deletion, if it has one that is open or dead.
    pub(crate) deletion: Option<(DeletionId, State)>,
}

/// Reads all children of `parents` by `rule`; of a rule that requests deletions those that are not finished yet.
pub(crate) async fn find_children(
    conn: &impl ConnectionTrait,
    store: &Store,
    rule: &ChildRule,
    parents: &[Parent],
    locks: RowLocks,
) -> Result<Vec<FoundChild>, db::Error> {
    Find { store, rule, locks, limit: None }.run(conn, parents).await
}

/// The same, but at most `limit` rows; on SQLite of each parent.
pub(crate) async fn find_first_children(
    conn: &impl ConnectionTrait,
    store: &Store,
    rule: &ChildRule,
    parents: &[Parent],
    limit: usize,
) -> Result<Vec<FoundChild>, db::Error> {
    Find { store, rule, locks: RowLocks::None, limit: Some(limit) }.run(conn, parents).await
}

/// The statement by which the database finds children (PostgreSQL). `sexton_remove_below` in the database runs it, too.
/// `@parents` is what [`parents_as_json`] gives; it returns label, key, links, and the child's own deletion.
pub(crate) fn statement(store: &Store, rule: &ChildRule) -> Sql {
    Find { store, rule, locks: RowLocks::None, limit: None }.postgres()
}

/// How children are looked for.
pub(super) struct Find<'f> {
    pub(super) store: &'f Store,
    pub(super) rule: &'f ChildRule,
    pub(super) locks: RowLocks,
    /// Most rows that are read; on SQLite of each parent.
    pub(super) limit: Option<usize>,
}

impl Find<'_> {
    pub(super) async fn run(
        &self,
        conn: &impl ConnectionTrait,
        parents: &[Parent],
    ) -> Result<Vec<FoundChild>, db::Error> {
        match self.rule.rows.dialect {
            Dialect::Postgres => {
                let find = self.rule.rows.rendered.get(self.name(), || self.postgres());
                let values = vec![("parents", parents_as_json(parents).into()), ("limit", self.limit().into())];
                find.bind_all(values).all(conn).await?.iter().map(|row| found(row, row.get("label")?)).collect()
            }
            Dialect::Sqlite => {
                let mut all = Vec::new();
                for parent in parents {
                    all.extend(self.of_parent(conn, parent).await?);
                }
                Ok(all)
            }
        }
    }

    /// The children of one parent (SQLite).
    async fn of_parent(&self, conn: &impl ConnectionTrait, parent: &Parent) -> Result<Vec<FoundChild>, db::Error> {
        let Some(mut values) = self.rule.parent_values(&parent.values) else { return Ok(Vec::new()) };
        values.push(("parent_resource".into(), parent.resource.as_str().into()));
        values.push(("parent_key".into(), parent.key.as_str().into()));
        values.push(("limit".into(), self.limit().into()));
        let find = self.rule.rows.rendered.get(self.name(), || {
            let words = self.words().with([("is_child_of_parent", self.rule.names_bound("c"))]);
            words.render(include_str!("find.sqlite.sql"))
        });
        let rows = find.bind_all(values).all(conn).await?;
        let mut children = Vec::with_capacity(rows.len());
        let mut marked = Vec::new();
        for row in rows {
            let child = found(&row, parent.label.clone())?;
            marked.extend(row.get::<Option<String>>("marker")?.map(|marker| (child.key.clone(), marker)));
            children.push(child);
        }
        if let Some(child) = self.child().filter(|child| self.is_requested() && child.resource.hash_key) {
            let ledger = &self.store.ledger;
            let finished = ledger.finished_under_hash(conn, child.name.as_str(), &marked, Ending::Over).await?;
            children.retain(|child| child.deletion.is_some() || !finished.contains(&child.key));
        }
        Ok(children)
    }

    /// The name of this statement among those of the rule.
    fn name(&self) -> String {
        let which = if self.limit.is_some() { "first" } else { "all" };
        format!("children.find_{which}.{}", self.locks.as_str())
    }

    fn postgres(&self) -> Sql {
        let words = self.words().with([
            ("parent_columns", PARENT_COLUMNS.to_owned()),
            ("is_child_of_parent", self.rule.matches("c", "x.v")),
            ("is_child_of_any", self.rule.names_any_of("c", "@parents")),
            ("locks", self.locks.clause("c")),
        ]);
        words.render_for(include_str!("find.postgres.sql"), &["parents"])
    }

    /// What both texts say of the table `c` in which children are looked for.
    fn words(&self) -> Words {
        const KEEP: Function = |_, sql| sql.to_owned();
        const DROP: Function = |_, _| String::new();
        let (ledger, rule, child) = (&self.store.ledger, self.rule, self.child());
        let (key, resource) = (rule.rows.key_text("c"), rule.resource.as_ref().map_or("", |name| name.as_str()));
        let resource = literal(resource);
        let words = ledger.words.clone().with([
            ("table", rule.rows.sql.clone()),
            ("key_columns", rule.rows.key_columns("c")),
            ("links", child.map_or_else(|| self.no_links(), |child| child.links_json("c"))),
            ("marker", child.map_or_else(|| "null".to_owned(), |t| t.marker_text("c", &t.rule_number("c")))),
            ("is_kept_under_key", ledger.is_kept_as("f", &resource, &key)),
            ("key", key),
            ("resource", resource),
            ("limit", self.limit.map_or("", |_| "limit @limit").to_owned()),
        ]);
        let is_requested = child.is_some() && self.is_requested();
        words
            .with_function("if_resource", if child.is_some() { KEEP } else { DROP })
            .with_function("if_no_resource", if child.is_some() { DROP } else { KEEP })
            .with_function("if_requested", if is_requested { KEEP } else { DROP })
    }

    fn no_links(&self) -> String {
        self.rule.rows.dialect.cast("'{}'", "jsonb")
    }

    fn limit(&self) -> Option<i64> {
        self.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX))
    }

    /// The resource that the children are rows of.
    fn child(&self) -> Option<&Table> {
        self.rule.resource.as_ref().and_then(|name| self.store.catalog.table(name)).map(AsRef::as_ref)
    }

    fn is_requested(&self) -> bool {
        self.rule.then == ChildThen::Request
    }
}

fn found(row: &Row, label: String) -> Result<FoundChild, db::Error> {
    let deletion = row.parse_opt("id")?.zip(row.parse_opt("state")?);
    Ok(FoundChild { label, key: row.get("key")?, values: row.json("links")?, deletion })
}

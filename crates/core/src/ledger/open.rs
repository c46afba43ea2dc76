//! Finding the ledger in the database.

use std::{collections::HashSet, sync::Arc};

use serde_json::json;

use super::statements::{self, Statements};
use crate::db::{self, Db, Dialect, Rendered, Words, quote};

/// Where Sexton's tables are.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) dialect: Dialect,
    pub(crate) done: String,
    /// SQLite only: see [`crate::guard`].
    pub(crate) deleting: String,
    pub(crate) schema: Option<String>,
    /// What texts of statements on these tables may say.
    pub(crate) words: Words,
    pub(super) sql: Arc<Statements>,
    /// Statements on these tables of modules that the ledger does not know.
    rendered: Rendered,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The tables are not there.
    #[error("the database has no ledger ({searched}): run `sexton migrate` first")]
    NotMigrated {
        /// Where they were looked for.
        searched: String,
    },
    /// The tables are those of an earlier release.
    #[error("the ledger is older than this program and lacks {}: run `sexton migrate` first", .missing.join(", "))]
    Outdated {
        /// The migrations that were not applied.
        missing: Vec<String>,
    },
    /// The database did not answer.
    #[error("cannot look for the ledger: {0}")]
    Database(#[from] db::Error),
}

impl Ledger {
    /// Finds the ledger in the schemas of the role's search path.
    ///
    /// # Errors
    /// [`OpenError::NotMigrated`] when it is in none of them.
    pub async fn open(db: &Db) -> Result<Self, OpenError> {
        let words = Words::new(db.dialect);
        let find = words.pick(
            "-- look for the ledger
             select n.nspname::text as schema
             from jsonb_array_elements_text(@schemas::jsonb) with ordinality s(schema, place)
             join pg_namespace n on n.nspname = s.schema
             join pg_class c on c.relnamespace = n.oid and c.relname = 'sexton_deletion'
             order by s.place limit 1",
            "-- look for the ledger
             select null as schema from sqlite_schema where type = 'table' and name = 'sexton_deletion'",
        );
        let schemas = json!(db.search_path.0).to_string();
        let Some(found) = words.render(find).bind([("schemas", schemas.into())]).one(&db.conn).await? else {
            let searched = match db.dialect {
                Dialect::Postgres => format!("searched the schemas {}", db.search_path.0.join(", ")),
                Dialect::Sqlite => "no table sexton_deletion".to_owned(),
            };
            return Err(OpenError::NotMigrated { searched });
        };
        Ok(Self::in_schema(db.dialect, found.get("schema")?))
    }

    /// Makes sure that all of `migrations` (their names) were applied. A role that may not read the list of them is let
    /// through; a ledger that is newer is accepted, because a release removes nothing that the one before reads.
    ///
    /// # Errors
    /// [`OpenError::Outdated`] when one is missing, [`OpenError::Database`] when the database does not answer.
    pub async fn require(&self, db: &Db, migrations: impl Iterator<Item = String>) -> Result<(), OpenError> {
        let applied = self.words.render("-- read which migrations were applied\nselect version from {migration}");
        let rows = match applied.bind([]).all(&db.conn).await {
            Ok(rows) => rows,
            Err(error) if error.refusal().is_some() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let applied = rows.iter().map(|row| row.get("version")).collect::<Result<HashSet<String>, _>>()?;
        let missing: Vec<String> = migrations.filter(|name| !applied.contains(name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(OpenError::Outdated { missing }) }
    }

    /// Reads from the ledger, to see whether that is possible; what `/readyz` asks.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn ping(&self, db: &Db) -> Result<(), db::Error> {
        let sql = self.words.render("-- read the ledger\nselect id from {deletion} limit 0");
        sql.bind([]).all(&db.conn).await.map(drop)
    }

    /// The statements that another module has on these tables.
    pub(crate) fn statements<T: db::Statements>(&self) -> Arc<T> {
        self.rendered.get(&self.words)
    }

    /// Puts the words of each dialect into the texts of `T`; panics where a text has a word that there is not.
    #[cfg(test)]
    pub(crate) fn render_for_every_dialect<T: db::Statements>() {
        for dialect in Dialect::ALL {
            drop(Self::in_schema(dialect, None).statements::<T>());
        }
    }

    pub(super) fn in_schema(dialect: Dialect, schema: Option<String>) -> Self {
        let table = |name: &str| match &schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(name)),
            None => quote(name),
        };
        let words = statements::words(dialect, table);
        Self {
            sql: Arc::new(Statements::render(&words)),
            rendered: Rendered::default(),
            words,
            dialect,
            done: table("sexton_deletion_done"),
            deleting: table("sexton_deleting"),
            schema,
        }
    }
}

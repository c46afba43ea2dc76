//! A fresh SQLite file per test, with the ledger's tables or empty, for [`crate::Server`].

use std::path::PathBuf;

use sea_orm::DatabaseConnection;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::OnceCell;

use crate::{
    test_db::{connect, migrate},
    workdir::Workdir,
};

/// A database file in a directory of its own. Removed with this value.
#[derive(Debug)]
pub struct SqliteDb {
    url: String,
    pool: SqlitePool,
    dir: Workdir,
}

impl SqliteDb {
    /// A database with the ledger's tables.
    pub async fn new() -> Self {
        static MIGRATED: OnceCell<Vec<u8>> = OnceCell::const_new();
        let migrated = MIGRATED.get_or_init(|| async {
            let db = Self::empty();
            migrate(db.url()).await;
            std::fs::read(db.path()).expect("the file was written")
        });
        let db = Self::empty();
        std::fs::write(db.path(), migrated.await).expect("the directory can be written to");
        db
    }

    /// An empty database.
    #[must_use]
    pub fn empty() -> Self {
        let dir = Workdir::new("sexton-sqlite-");
        let url = format!("sqlite://{}?mode=rwc", dir.path().join("test.db").display());
        let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy(&url).expect("the URL is well-formed");
        Self { url, pool, dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("test.db")
    }

    /// `sqlite://PATH?mode=rwc`
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new pool, as an application would have it.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await
    }

    /// Runs statements, separated by semicolons, which the database may refuse.
    ///
    /// # Errors
    /// What it says.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await;
        done.map(drop).map_err(|error| error.to_string())
    }

    /// The rows of a query with every value as SQLite casts it to text, whatever its type; `None` is null.
    pub async fn query_text(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{error}, in:\n{sql}"));
        // Unchecked, because the check compares types, and `sqlite3_value_text` converts them all.
        let text = |row: &sqlx::sqlite::SqliteRow, column| {
            row.try_get_unchecked::<Option<String>, usize>(column).expect("a value in UTF-8")
        };
        rows.iter().map(|row| (0..row.len()).map(|column| text(row, column)).collect()).collect()
    }
}

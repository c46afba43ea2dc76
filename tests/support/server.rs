//! The database of a test, PostgreSQL or SQLite, with the same plain-text looks into it.

use sea_orm::DatabaseConnection;

use crate::{Postgres, eventually, sqlite_db::SqliteDb, test_db::TestDb};

/// A database with the ledger's tables, unless it is an [`EmptyServer`](crate::EmptyServer). It goes with this value.
#[derive(Debug)]
pub enum Server {
    /// A database on the server that all tests share.
    Postgres(TestDb),
    /// A file.
    Sqlite(SqliteDb),
}

impl Server {
    /// A database on PostgreSQL.
    pub async fn postgres() -> Self {
        Self::Postgres(TestDb::new().await)
    }

    /// A database on the newest PostgreSQL.
    pub async fn newest_postgres() -> Self {
        Self::Postgres(TestDb::on(Postgres::newest().await).await)
    }

    /// A database on SQLite.
    pub async fn sqlite() -> Self {
        Self::Sqlite(SqliteDb::new().await)
    }

    /// An empty database on PostgreSQL.
    pub async fn empty_postgres() -> Self {
        Self::Postgres(TestDb::empty().await)
    }

    /// An empty database on SQLite.
    #[must_use]
    pub fn empty_sqlite() -> Self {
        Self::Sqlite(SqliteDb::empty())
    }

    /// The URL for its owner.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Postgres(db) => db.url(),
            Self::Sqlite(db) => db.url(),
        }
    }

    /// A new pool, as an application has it.
    pub async fn connect(&self) -> DatabaseConnection {
        match self {
            Self::Postgres(db) => db.connect().await,
            Self::Sqlite(db) => db.connect().await,
        }
    }

    /// Whether it is PostgreSQL.
    #[must_use]
    pub const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// What only PostgreSQL has.
    ///
    /// # Panics
    /// On SQLite.
    #[must_use]
    pub fn as_postgres(&self) -> &TestDb {
        match self {
            Self::Postgres(db) => db,
            Self::Sqlite(_) => panic!("this test is for PostgreSQL"),
        }
    }

    /// Runs statements, separated by semicolons. `TIME_TYPE` is the type of a time.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap_or_else(|error| panic!("{error}, in:\n{sql}"));
    }

    /// The same, for statements that the database may refuse.
    ///
    /// # Errors
    /// What the database says.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        match self {
            Self::Postgres(db) => db.try_execute(&sql.replace("TIME_TYPE", "timestamptz")).await,
            Self::Sqlite(db) => db.try_execute(&sql.replace("TIME_TYPE", "text")).await,
        }
    }

    /// The rows of a query with every value as text; `None` is null.
    pub async fn query_text(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match self {
            Self::Postgres(db) => db.query_text(sql).await,
            Self::Sqlite(db) => db.query_text(sql).await,
        }
    }

    /// The rows of a query as text, columns joined by `|`, null as `-`.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let text = |row: &Vec<Option<String>>| {
            row.iter().map(|value| value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")
        };
        self.query_text(sql).await.iter().map(text).collect()
    }

    /// The first row of a query.
    ///
    /// # Panics
    /// When there is none.
    pub async fn one(&self, sql: &str) -> String {
        self.rows(sql).await.into_iter().next().unwrap_or_else(|| panic!("no row, in:\n{sql}"))
    }

    /// Waits until a query's only row is as wanted.
    pub async fn until(&self, sql: &str, wanted: &str) {
        let mut rows = Vec::new();
        let what = format!("{sql}\ngives {wanted}");
        eventually(&what, async || {
            rows = self.rows(sql).await;
            rows == [wanted]
        })
        .await;
    }

    /// Waits until `n` sessions of this database wait for a lock (PostgreSQL).
    pub async fn until_waiting_for_locks(&self, n: usize) {
        let sql =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        self.until(sql, &n.to_string()).await;
    }
}

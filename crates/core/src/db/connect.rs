//! Opening the pool with sessions that mean the same on every server.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr};
use sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{ConnectError, Dialect, Error, Words};

/// The schemas in which the role finds tables without naming one, in order. Empty on SQLite.
#[derive(Debug, Clone, Default)]
pub struct SearchPath(pub Vec<String>);

/// An open pool.
#[derive(Debug, Clone)]
pub struct Db {
    /// The pool.
    pub conn: DatabaseConnection,
    /// Its dialect.
    pub dialect: Dialect,
    /// Where the role's own settings would look for tables; our sessions themselves have an empty search path.
    pub search_path: SearchPath,
}

impl Db {
    /// Wraps an application's own pool, whose sessions keep the application's settings.
    ///
    /// # Errors
    /// [`Error`] when the search path cannot be read.
    pub async fn of_application(conn: DatabaseConnection) -> Result<Self, Error> {
        let dialect = Dialect::of(&conn);
        let search_path = search_path(&conn, dialect).await?;
        Ok(Self { conn, dialect, search_path })
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once: a deferred transaction that reads
    /// first fails with "database is locked" when it then writes, whatever `busy_timeout` says.
    ///
    /// # Errors
    /// [`Error`] when there is no connection, or the lock was not to be had in time.
    pub async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        match self.dialect {
            Dialect::Postgres => self.conn.begin().await.map_err(begin),
            Dialect::Sqlite => {
                let mode = Some(SqliteTransactionMode::Immediate);
                let options = TransactionOptions { sqlite_transaction_mode: mode, ..TransactionOptions::default() };
                self.conn.begin_with_options(options).await.map_err(begin)
            }
        }
    }

    /// The same for a transaction that gives way to others: it waits 100 ms at most for a lock (PostgreSQL).
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(crate) async fn begin_giving_way(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_with(GIVE_WAY).await
    }

    /// The same for a transaction that besides finds a bounded number of rows in tables of any size: by index, whatever the
    /// planner estimates. Each statement sees what was committed before it, whatever the session's default is.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(crate) async fn begin_giving_way_by_index(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_with(&format!("set transaction isolation level read committed; {GIVE_WAY}; {BY_INDEX}")).await
    }

    async fn begin_with(&self, settings: &str) -> Result<DatabaseTransaction, Error> {
        let transaction = self.begin().await?;
        if self.dialect == Dialect::Postgres {
            transaction.execute_unprepared(settings).await?;
        }
        Ok(transaction)
    }
}

/// For statements on a bounded number of rows. Statistics may be old or missing, and tables of any size.
pub(super) const BY_INDEX: &str =
    "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off";

/// For transactions that give way to the application: they wait for a lock for less than PostgreSQL's `deadlock_timeout`, so
/// that the application wins.
pub(super) const GIVE_WAY: &str = "set local lock_timeout = '100ms'";

/// Opens a pool of at most `max_connections`.
///
/// On PostgreSQL, sessions run with `row_security = off` (a row that a policy hides must be an error, not "gone"), an
/// empty `search_path`, READ COMMITTED whatever the role's default is, and limits on statements and locks.
///
/// # Errors
/// [`ConnectError`] when the URL is wrong or the database cannot be reached within five seconds.
pub async fn connect(url: &SecretString, max_connections: u32) -> Result<Db, ConnectError> {
    let parsed = Url::parse(url.expose_secret()).map_err(|_| ConnectError::Url)?;
    let place = place(&parsed);
    let unreachable = |source| ConnectError::Unreachable { place: place.clone(), source: Box::new(source) };
    // SeaORM knows only one of the two schemes that libpq knows.
    let text = url.expose_secret().replacen("postgresql://", "postgres://", 1);
    if parsed.scheme() == "sqlite" {
        let conn = Database::connect(sqlite_options(&text, max_connections)).await.map_err(unreachable)?;
        return Ok(Db { conn, dialect: Dialect::Sqlite, search_path: SearchPath::default() });
    }
    let probe = Database::connect(options(&text, 1)).await.map_err(&unreachable)?;
    let path = search_path(&probe, Dialect::Postgres).await.map_err(|error| unreachable(error.into_source()))?;
    probe.close().await.map_err(&unreachable)?;
    let mut options = options(&text, max_connections);
    options.map_sqlx_postgres_opts(|pg| {
        pg.application_name("sexton").options([
            ("search_path", ""),
            ("row_security", "off"),
            ("default_transaction_isolation", "read committed"),
            ("statement_timeout", "30s"),
            ("lock_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "60s"),
            ("TimeZone", "UTC"),
            // Times that were read as text are compared as text.
            ("DateStyle", "ISO"),
            // Literals are written for it; a database may still have the old default.
            ("standard_conforming_strings", "on"),
        ])
    });
    let conn = Database::connect(options).await.map_err(unreachable)?;
    Ok(Db { conn, dialect: Dialect::Postgres, search_path: path })
}

fn begin(source: DbErr) -> Error {
    Error::new("begin a transaction", None, source)
}

fn options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .max_connections(max_connections)
        .connect_timeout(Duration::from_secs(5))
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .sqlx_logging(false);
    options
}

fn sqlite_options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = options(url, max_connections);
    // Foreign keys are off by default and per connection (SQLite, "Foreign Key Support", §2).
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .foreign_keys(true)
            .journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(10))
    });
    options
}

async fn search_path(conn: &DatabaseConnection, dialect: Dialect) -> Result<SearchPath, Error> {
    if dialect == Dialect::Sqlite {
        return Ok(SearchPath::default());
    }
    let path = Words::new(dialect)
        .render("-- read the search path\nselect to_json(current_schemas(false))::text as path")
        .bind([])
        .one(conn)
        .await?;
    path.map_or_else(|| Ok(SearchPath::default()), |row| row.json("path").map(SearchPath))
}

/// Where the database is, without user and password.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{host}{port}{}", url.path())
}

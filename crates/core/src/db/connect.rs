//! Opening the pool with sessions that mean the same on every server.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr,
    sqlx::{self, Connection, Executor, PgConnection, PgPool, Row, postgres::PgConnectOptions},
};
use sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    ConnectError, Dialect, Error, Words,
    dialect::literal,
    error::reason,
    failover,
    pgpool::{Front, ensure_primary},
    session,
};

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
    /// The role's own search path, as it is set. None where sessions have it anyway.
    own_path: Option<Arc<str>>,
    front: Front,
}

impl Db {
    /// Wraps an application's own pool, whose sessions keep the application's settings.
    ///
    /// # Errors
    /// [`Error`] when the search path cannot be read.
    pub async fn of_application(conn: DatabaseConnection) -> Result<Self, Error> {
        let dialect = Dialect::of(&conn);
        let search_path = search_path(&conn, dialect).await?;
        Ok(Self { conn, dialect, search_path, own_path: None, front: Front::Other })
    }

    /// A pool of one connection besides those of this one, for listening (PostgreSQL).
    #[must_use]
    pub fn listening_pool(&self) -> PgPool {
        failover::listening_pool((*self.conn.get_postgres_connection_pool().connect_options()).clone(), self.front)
    }

    /// Begins a transaction that writes to tables of the application. Their triggers, defaults, checks and functions,
    /// and the operators of their types, find in it what they find in sessions of the role itself: without it, `insert
    /// into audit …` in a trigger would fail. What is read from the catalogue belongs into others, where every name is
    /// printed with its schema.
    ///
    /// # Errors
    /// [`Error`], as [`Self::begin`].
    pub async fn begin_on_rows(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_with("").await
    }

    /// The statement that gives a transaction the role's own search path; empty where sessions have it.
    pub(super) fn own_path(&self) -> String {
        let set = |path: &Arc<str>| {
            let path = literal(path);
            format!("select set_config('search_path', {path}, true);")
        };
        self.own_path.as_ref().map_or_else(String::new, set)
    }

    /// Begins a transaction that writes to Sexton's own tables. On SQLite it takes the write lock at once: a deferred
    /// transaction that reads first fails with "database is locked" when it then writes, whatever `busy_timeout` says.
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

    /// [`Self::begin_on_rows`] for a transaction that gives way to others: it waits 100 ms at most for a lock
    /// (PostgreSQL).
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(crate) async fn begin_giving_way(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_with(GIVE_WAY).await
    }

    /// The same for a transaction that besides finds a bounded number of rows in tables of any size: by index, whatever
    /// the planner estimates. Each statement sees what was committed before it, whatever the session's default is.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(crate) async fn begin_giving_way_by_index(&self) -> Result<DatabaseTransaction, Error> {
        self.begin_with(&format!("set transaction isolation level read committed; {GIVE_WAY}; {BY_INDEX}")).await
    }

    async fn begin_with(&self, settings: &str) -> Result<DatabaseTransaction, Error> {
        let transaction = self.begin().await?;
        let settings = format!("{}{settings}", self.own_path());
        if self.dialect.has_settings() && !settings.is_empty() {
            transaction.execute_unprepared(&settings).await?;
        }
        Ok(transaction)
    }
}

/// How long connecting, and waiting for a connection of the pool, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// For statements on a bounded number of rows. Statistics may be old or missing, and tables of any size.
pub(super) const BY_INDEX: &str =
    "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off";

/// For transactions that give way to the application: they wait for a lock for less than PostgreSQL's
/// `deadlock_timeout`, so that the application wins.
pub(super) const GIVE_WAY: &str = "set local lock_timeout = '100ms'";

/// Opens a pool of at most `max_connections`.
///
/// On PostgreSQL every session has what `db/session.rs` lists:
/// * `row_security = off`: a row that a policy hides must be an error, not "gone";
/// * an empty `search_path`;
/// * READ COMMITTED, whatever the role's default is, and commits that are on disk;
/// * limits on statements and locks.
///
/// # Errors
/// [`ConnectError`] when the URL is wrong, the database cannot be reached within five seconds, or its sessions cannot
/// be set up: it is a standby, it is read-only, or a pooler drops settings or reads elsewhere.
pub async fn connect(url: &SecretString, max_connections: u32) -> Result<Db, ConnectError> {
    let parsed = Url::parse(url.expose_secret()).map_err(|_| ConnectError::Url)?;
    // A `/`, `?` or `#` in the password ends what a URL takes for the host: then user and password would be shown as that.
    let ends_early = parsed.path().contains('@')
        || parsed.fragment().is_some()
        || parsed.query().is_some_and(|query| query.contains('@'));
    if parsed.scheme() != "sqlite" && ends_early {
        return Err(ConnectError::Url);
    }
    let address = address(&parsed);
    // SeaORM knows only one of the two schemes that libpq knows.
    let text = url.expose_secret().replacen("postgresql://", "postgres://", 1);
    if parsed.scheme() == "sqlite" {
        let unreachable = |source| ConnectError::Unreachable { address, reason: reason(&source) };
        let conn = Database::connect(sqlite_options(&text, max_connections)).await.map_err(unreachable)?;
        return Ok(Db {
            conn,
            dialect: Dialect::Sqlite,
            search_path: SearchPath::default(),
            own_path: None,
            front: Front::Other,
        });
    }
    let (search_path, own_path, front) = probe(&text, &address).await?;
    let mut options = options(&text, max_connections);
    options.map_sqlx_postgres_opts(startup).map_sqlx_postgres_pool_opts(move |options| failover::pool(options, front));
    let unreachable = |source| ConnectError::Unreachable { address, reason: reason(&source) };
    let conn = Database::connect(options).await.map_err(unreachable)?;
    Ok(Db { conn, dialect: Dialect::Postgres, search_path, own_path: Some(own_path), front })
}

/// What is said to the server before the session begins: nothing that a pooler would refuse.
fn startup(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("sexton").extra_float_digits(None)
}

/// Opens one connection, because a pool tries until its time is up and then says only that. Returns the schemas of the
/// role's own search path, that path as it is set, and what the connection goes through.
async fn probe(url: &str, address: &str) -> Result<(SearchPath, Arc<str>, Front), ConnectError> {
    let unreachable = |source: sqlx::Error| ConnectError::Unreachable {
        address: address.to_owned(),
        reason: reason(&DbErr::Conn(RuntimeErr::SqlxError(Arc::new(source)))),
    };
    let options: PgConnectOptions = startup(url.parse().map_err(|_| ConnectError::Url)?);
    let connecting = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await;
    let mut connection = connecting.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(unreachable)?;
    let unfit = |source| ConnectError::Unfit { address: address.to_owned(), source };
    // Where the server has no room for one more, there is none for a pooler's other clients either.
    if let Ok(Ok(mut other)) = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options)).await {
        session::ensure_own(&mut connection, &mut other).await.map_err(unfit)?;
        other.close().await.map_err(unreachable)?;
    }
    let front = ensure_primary(&mut connection).await.map_err(unfit)?;
    let schemas = "select array(select unnest(current_schemas(false))::text), current_setting('search_path')";
    let row = connection.fetch_one(schemas).await.map_err(unreachable)?;
    let search_path = SearchPath(row.try_get(0).map_err(unreachable)?);
    let own_path: String = row.try_get(1).map_err(unreachable)?;
    session::prepare(&mut connection).await.map_err(unfit)?;
    connection.close().await.map_err(unreachable)?;
    Ok((search_path, own_path.into(), front))
}

fn begin(source: DbErr) -> Error {
    Error::new("begin a transaction", None, source)
}

fn options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .max_connections(max_connections)
        .connect_timeout(PATIENCE)
        .acquire_timeout(PATIENCE)
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
    let text = match dialect {
        Dialect::Postgres => "-- read the search path\nselect to_json(current_schemas(false))::text as path",
        Dialect::Sqlite => return Ok(SearchPath::default()),
    };
    let path = Words::new(dialect).render(text).bind([]).one(conn).await?;
    path.map_or_else(|| Ok(SearchPath::default()), |row| row.json("path").map(SearchPath))
}

/// Where the database is, without user and password.
fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{host}{port}{}", url.path())
}

//! What every session on PostgreSQL has, made by statements on each new connection and checked.
//!
//! The settings do not travel in the startup packet: PgBouncer refuses them there, or drops them without a word where
//! `ignore_startup_parameters` lists them. A session that lacks one is not used. Without `row_security = off`, a row
//! that a policy hides looks deleted.

use sea_orm::sqlx::{self, Executor, PgConnection, Row};

/// Each setting, its value in `set`, and what `current_setting` then says.
const SETTINGS: [(&str, &str, &str); 9] = [
    ("search_path", "''", "\"\""),
    ("row_security", "off", "off"),
    ("default_transaction_isolation", "'read committed'", "read committed"),
    ("statement_timeout", "'30s'", "30s"),
    ("lock_timeout", "'5s'", "5s"),
    ("idle_in_transaction_session_timeout", "'1min'", "1min"),
    ("TimeZone", "'UTC'", "UTC"),
    // Times that were read as text are compared as text.
    ("DateStyle", "'ISO, MDY'", "ISO, MDY"),
    // Literals are written for it; a database may still have the old default.
    ("standard_conforming_strings", "on", "on"),
];

/// A claim that is committed must be on disk, and with it every request before it: calls follow. A role that asks for
/// more than the server's disk (PostgreSQL §20.5.1) keeps it.
const DURABLE: &str = "select set_config('synchronous_commit',
    case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, false)";

/// Why a session cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The server replays another's log: it may lag, and takes no writes.
    #[error("the server is a standby (in recovery); connect to the primary")]
    Standby,
    /// Whatever is written is refused.
    #[error("the database is read-only (default_transaction_read_only is on for this role or database)")]
    ReadOnly,
    /// Reads and writes go to different servers.
    #[error(
        "a proxy between Sexton and the primary sends reads to a standby, which may lag; \
         connect to the primary itself, or to a proxy that does not divide them"
    )]
    ReadsElsewhere,
    /// pgpool-II answers reads from elsewhere than the primary.
    #[error(
        "pgpool has `{setting} = {value}`: what is read may be older than what was written; \
         connect to the primary itself, or to a pgpool with `load_balance_mode = off` and `memory_cache_enabled = off`"
    )]
    Pgpool {
        /// Its setting.
        setting: &'static str,
        /// What it is.
        value: String,
    },
    /// A setting was made and does not hold.
    #[error(
        "the session does not keep `{name} = {wanted}` (it has `{found}`); \
         a pooler between Sexton and the server must work in session mode"
    )]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it was set to.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// Two clients at once had one server connection: settings would reach the sessions of others.
    #[error("a pooler lends one server connection to several clients; it must work in session mode")]
    Shared,
    /// The statements failed.
    #[error("the session cannot be set up: {0}")]
    Database(#[from] sqlx::Error),
}

/// Makes sure that two connections that are open at once are two sessions of the server. A pooler in transaction mode
/// lends both the same one, and then settings of ours would change what other applications find there.
///
/// # Errors
/// [`SessionError::Shared`], or [`SessionError::Database`] when a connection was lost.
pub(super) async fn ensure_own(one: &mut PgConnection, other: &mut PgConnection) -> Result<(), SessionError> {
    let process = "select pg_backend_pid()";
    let (one, other): (i32, i32) =
        (one.fetch_one(process).await?.try_get(0)?, other.fetch_one(process).await?.try_get(0)?);
    if one == other { Err(SessionError::Shared) } else { Ok(()) }
}

/// Sets a new session up and checks it.
///
/// # Errors
/// [`SessionError`]; the session must not be used.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<(), SessionError> {
    let set: Vec<_> = SETTINGS.iter().map(|(name, value, _)| format!("set {name} = {value}")).collect();
    connection.execute(sqlx::AssertSqlSafe(format!("{}; {DURABLE}", set.join("; ")))).await?;
    check(connection).await
}

/// Asks for the settings in a statement of its own: where a pooler hands statements to any server connection, it may be
/// another one.
async fn check(connection: &mut PgConnection) -> Result<(), SessionError> {
    let settings: Vec<_> = SETTINGS.iter().map(|(name, ..)| format!("current_setting('{name}')")).collect();
    let settings = settings.join(", ");
    // Without a volatile function, so that a proxy which divides reads from writes takes it for a read.
    let sql = format!(
        "select array[{settings}], current_setting('synchronous_commit'), current_setting('transaction_read_only')"
    );
    let row = connection.fetch_one(sqlx::AssertSqlSafe(sql)).await?;
    let (found, synchronous_commit, read_only): (Vec<String>, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if read_only == "on" {
        return Err(why_read_only(connection).await?);
    }
    for ((name, _, wanted), found) in SETTINGS.into_iter().zip(found) {
        if found != wanted {
            return Err(SessionError::Setting { name, wanted, found });
        }
    }
    if !["on", "remote_apply"].contains(&synchronous_commit.as_str()) {
        return Err(SessionError::Setting { name: "synchronous_commit", wanted: "on", found: synchronous_commit });
    }
    Ok(())
}

/// A server in recovery is read-only whatever its settings are. Proxies take a volatile function for a write, and so
/// ask the primary.
async fn why_read_only(connection: &mut PgConnection) -> Result<SessionError, sqlx::Error> {
    let sql = "select pg_is_in_recovery(), current_setting('default_transaction_read_only')";
    let row = connection.fetch_one(sql).await?;
    let (standby, read_only): (bool, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (standby, &*read_only) {
        (true, _) => SessionError::Standby,
        (false, "on") => SessionError::ReadOnly,
        (false, _) => SessionError::ReadsElsewhere,
    })
}

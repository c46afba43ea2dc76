//! pgpool-II between Sexton and the server.
//!
//! With `load_balance_mode` it sends reads to a standby, which is behind: a row that is removed there is live. With
//! `memory_cache_enabled` it answers with what a table had. No statement can ask for better: its `/*NO LOAD BALANCE*/`
//! counts for as much as any comment before a `select`, which is nothing with `allow_sql_comments = on`, and the cache
//! ignores comments (`is_select_query` and `pool_is_likely_select` of pgpool 4.3 to 4.7). Both settings are fixed when
//! pgpool starts, so a session that began without them keeps the promise.

use sea_orm::sqlx::{self, Executor, PgConnection, Row};

use super::SessionError;

/// Each makes reads come from elsewhere than the primary.
const SETTINGS: [&str; 2] = ["load_balance_mode", "memory_cache_enabled"];

/// What a connection goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// pgpool-II.
    Pgpool,
    /// Nothing, or another pooler.
    Other,
}

/// Makes sure that pgpool, if it is there, reads from the primary. PostgreSQL itself has no setting of that name and
/// writes that to its log, so that it is asked once, and not on each connection.
///
/// # Errors
/// [`SessionError::Pgpool`], or [`SessionError::Database`] when the connection was lost or pgpool does not say.
pub(super) async fn ensure_primary(connection: &mut PgConnection) -> Result<Front, SessionError> {
    match connection.fetch_one("show pool_version").await {
        Ok(_) => {}
        Err(sqlx::Error::Database(_)) => return Ok(Front::Other),
        Err(error) => return Err(error.into()),
    }
    for setting in SETTINGS {
        let row = connection.fetch_one(sqlx::AssertSqlSafe(format!("pgpool show {setting}"))).await?;
        let value: String = row.try_get_unchecked(0)?;
        if value != "off" {
            return Err(SessionError::Pgpool { setting, value });
        }
    }
    Ok(Front::Pgpool)
}

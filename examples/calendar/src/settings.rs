//! `sexton.toml` and the tables: what an operator would write, with shorter waits, so that there is something to watch.

use std::{path::Path, time::Duration};

use anyhow::Context;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend};
use sexton_core::config::{self, Config};
use url::Url;

use crate::calendar_api::{CalendarApi, TOKEN};

/// In PostgreSQL, everything is in here.
const SCHEMA: &str = "calendar_demo";

/// Writes `sexton.toml` and reads it back, as the daemon and the command line do.
///
/// # Errors
/// The file cannot be written, or a URL from the command line is not accepted.
pub(crate) fn write_config(
    path: &Path,
    database: &str,
    redis: Option<&str>,
    calendar: &CalendarApi,
) -> anyhow::Result<Config> {
    let queue = redis.map(|url| format!("[queue]\nurl = \"{url}\"\nname = \"calendar-demo\"\n\n")).unwrap_or_default();
    let base = calendar.base();
    let text = format!(
        r#"# Written by examples/calendar for one demonstration: its waits are much shorter than sensible ones.

[database]
url = "{database}"

{queue}[worker]
concurrency = 32
lease = "10s"

[retry]
max_attempts = 8
initial_interval = "250ms"
max_interval = "2s"
give_up_after = "60s"

[console]
listen = "127.0.0.1:0"

[resources.block]
table = "block"
key = "id"
marker = {{ column = "deleted_at" }}

[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "{base}/{{calendar_id}}/events/{{gcal_id}}"
headers = {{ Authorization = "Bearer {TOKEN}" }}
skip_when_null = ["gcal_id"]   # never synced: there is nothing to delete
gone = [404, 410]              # these calendars are ours, so 404 means that the event is gone
timeout = "1s"
allow_private = true           # the stand-in listens on the loopback address
"#
    );
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(config::load(path)?)
}

/// The URL of PostgreSQL for sessions that see only the demonstration's schema, which is dropped and created.
///
/// # Errors
/// The URL is not one, or the database cannot be reached.
pub(crate) async fn fresh_schema(url: &str) -> anyhow::Result<String> {
    let mut parsed = Url::parse(url).context("--database: not a URL")?;
    let conn = connect(url).await?;
    conn.execute_unprepared(&format!("drop schema if exists {SCHEMA} cascade; create schema {SCHEMA}")).await?;
    conn.close().await?;
    parsed.query_pairs_mut().append_pair("options", &format!("-csearch_path={SCHEMA}"));
    Ok(parsed.into())
}

/// The application's own pool.
///
/// # Errors
/// The database cannot be reached.
pub(crate) async fn connect(url: &str) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url.replacen("postgresql://", "postgres://", 1));
    options.max_connections(4).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|sqlite| {
        // One writer at a time: wait for the daemon rather than fail.
        sqlite.journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal).busy_timeout(Duration::from_secs(10))
    });
    Database::connect(options).await.context("cannot connect to the database")
}

/// Creates the application's table.
///
/// # Errors
/// The database does not answer or refuses.
pub(crate) async fn create_table(conn: &DatabaseConnection) -> anyhow::Result<()> {
    let time = if conn.get_database_backend() == DbBackend::Postgres { "timestamptz" } else { "text" };
    let sql = format!(
        "create table block (
            id bigint primary key,
            title text not null,
            calendar_id text not null,
            gcal_id text,
            deleted_at {time}
         )"
    );
    conn.execute_unprepared(&sql).await.context("cannot create the table `block`")?;
    Ok(())
}

//! Leaving a server that takes no more writes.
//!
//! After a failover the address leads to another server, but connections that are open stay where they are: a former
//! primary may answer for as long as they live, and what is read there is old.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::sqlx::{
    self, Executor, PgConnection, PgPool, Row,
    pool::PoolConnectionMetadata,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::watch, time::timeout};

use super::{
    connect,
    pgpool::{Front, ensure_primary},
    session::prepare,
};

/// When a server last said that it takes no writes or is going away. No connection made before is used any more.
static LEFT: LazyLock<watch::Sender<Option<Instant>>> = LazyLock::new(|| watch::Sender::new(None));

/// A connection that was not used for this long is asked whether its server still takes writes, and so whether it is
/// still there. One that is in use learns it from its statements.
const RESTED: Duration = Duration::from_secs(2);

/// Whatever its connections do, a process asks one of them as often as this: those of an idle one rest for less, and
/// read what a former primary answers as well.
const EVERY: Duration = Duration::from_secs(1);

static ASKED: Mutex<Option<Instant>> = Mutex::new(None);

/// Whether it is time to ask a connection that has not rested; then it counts as asked.
fn is_time_to_ask() -> bool {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_time = asked.is_none_or(|asked| asked.elapsed() >= EVERY);
    if is_time {
        *asked = Some(Instant::now());
    }
    is_time
}

/// How long its answer may take. Then there is still time for another connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// To be silent is the task of one that listens. PostgreSQL 13 has no such setting.
const STAY: &str = "select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout'";

/// A pool whose connections are set up, checked, and given up once the server behind them changed.
///
/// * `front`: what the first connection went through. pgpool is asked on each, as it may have been started again with
///   other settings.
pub(super) fn pool(options: PgPoolOptions, front: Front) -> PgPoolOptions {
    options
        .after_connect(move |connection, _| Box::pin(set_up(connection, front)))
        .before_acquire(|connection, known| Box::pin(async move { Ok(is_usable(connection, &known).await) }))
}

/// A pool of one connection for listening.
pub(super) fn listening_pool(connect: PgConnectOptions, front: Front) -> PgPool {
    let options = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    pool(options.acquire_timeout(connect::PATIENCE), front)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                set_up(connection, front).await?;
                connection.execute(STAY).await.map(drop)
            })
        })
        .connect_lazy_with(connect)
}

async fn set_up(connection: &mut PgConnection, front: Front) -> Result<(), sqlx::Error> {
    let checked = async {
        if front == Front::Pgpool {
            ensure_primary(connection).await?;
        }
        prepare(connection).await
    };
    checked.await.map_err(|error| sqlx::Error::Configuration(error.into()))
}

/// Takes note of an SQLSTATE: `read_only_sql_transaction` (25006: the server became a standby, or was fenced), and those
/// of class 57P (it stops, or starts).
pub(super) fn note(sqlstate: &str) {
    if sqlstate == "25006" || sqlstate.starts_with("57P") {
        LEFT.send_replace(Some(Instant::now()));
    }
}

/// Waits until connections that are open at the time of this call are not to be used any more.
pub fn server_left() -> impl Future<Output = ()> {
    let mut left = LEFT.subscribe();
    async move {
        // The sender is never dropped.
        left.changed().await.ok();
    }
}

async fn is_usable(connection: &mut PgConnection, known: &PoolConnectionMetadata) -> bool {
    if LEFT.borrow().is_some_and(|left| left.elapsed() < known.age) {
        return false;
    }
    if known.idle_for < RESTED && !is_time_to_ask() {
        return true;
    }
    match timeout(PATIENCE, takes_writes(connection)).await {
        Ok(Ok(true)) => true,
        Ok(Ok(false)) => {
            note("25006");
            false
        }
        // Servers (`idle_session_timeout`), poolers and firewalls close those that are idle.
        Ok(Err(_)) | Err(_) => false,
    }
}

/// Whether the server of this connection still takes writes.
///
/// # Errors
/// The connection was lost.
pub async fn takes_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let row = connection.fetch_one("select current_setting('transaction_read_only')").await?;
    Ok(row.try_get::<String, _>(0)? == "off")
}

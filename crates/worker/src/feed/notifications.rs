//! Listening on the database for deletions that were requested without a hint: by SQL, or by a process without Redis.
//!
//! It costs one connection besides the pool's. Where notifications do not arrive (no free connection), deletions are
//! found later, by a look into the ledger.

use std::{convert::Infallible, time::Duration};

use sea_orm::sqlx::{
    self, Executor, PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use sexton_core::{db::Db, ledger::DUE_CHANNEL};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Between attempts to listen.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// A connection that was silent for this long is tested: the network may have dropped it without a word.
const SILENCE: Duration = Duration::from_secs(60);
/// How long connecting may take, and testing.
const PATIENCE: Duration = Duration::from_secs(5);

/// To be silent is its task. PostgreSQL 13 has no such setting.
const STAY: &str = "select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout'";

/// Calls `on_notification` at each notification until `stop`. For PostgreSQL only.
pub(crate) async fn listen(db: &Db, on_notification: impl Fn(), stop: CancellationToken) {
    let options = db.conn.get_postgres_connection_pool().connect_options();
    // A pool, because that is how the listener connects again. Its connection is never idle in it.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).max_lifetime(None).idle_timeout(None);
    let pool = pool.after_connect(|connection, _| Box::pin(async move { connection.execute(STAY).await.map(drop) }));
    let pool = pool.connect_lazy_with((*options).clone());
    let mut failing = false;
    loop {
        let failure = tokio::select! {
            () = stop.cancelled() => return,
            failure = listen_once(&pool, &on_notification, &mut failing) => failure,
        };
        if let Err(error) = failure
            && !failing
        {
            tracing::warn!(%error, "cannot listen on {DUE_CHANNEL}; what comes without a hint is found by looking");
            failing = true;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }
}

/// Listens until the connection fails for good.
async fn listen_once(
    pool: &PgPool,
    on_notification: &impl Fn(),
    failing: &mut bool,
) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(DUE_CHANNEL).await?;
    tracing::debug!("listening on {DUE_CHANNEL}");
    *failing = false;
    // For notifications that came before.
    on_notification();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            // None says that the connection was lost and is back: notifications may have been missed.
            Ok(received) => drop(received?),
            Err(_) => match timeout(PATIENCE, listener.execute("select 1")).await {
                Ok(answer) => {
                    answer?;
                    continue;
                }
                Err(_) => return Err(sqlx::Error::PoolTimedOut),
            },
        }
        on_notification();
    }
}

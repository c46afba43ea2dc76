//! Listening on the database for deletions that were requested without a hint: by SQL, or by a process without Redis.
//!
//! It costs one connection besides the pool's. Where notifications do not arrive (a pooler in transaction mode, no
//! connection to be had), it only takes longer until a look into the ledger finds what is due.

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
/// A connection that was silent for this long is tried: what lies between may have dropped it without a word.
const SILENCE: Duration = Duration::from_secs(60);
/// How long connecting, and trying, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls `told` at each notification until `stop`. For PostgreSQL only.
pub(crate) async fn listen(db: &Db, told: impl Fn(), stop: CancellationToken) {
    let options = db.conn.get_postgres_connection_pool().connect_options();
    // A pool, because that is how the listener connects again. Its connection is never idle in it.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).max_lifetime(None).idle_timeout(None);
    let pool = pool.connect_lazy_with((*options).clone());
    let mut failing = false;
    loop {
        let failure = tokio::select! {
            () = stop.cancelled() => return,
            failure = follow(&pool, &told, &mut failing) => failure,
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
async fn follow(pool: &PgPool, told: &impl Fn(), failing: &mut bool) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(DUE_CHANNEL).await?;
    tracing::debug!("listening on {DUE_CHANNEL}");
    *failing = false;
    // For what was notified while nobody listened.
    told();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            // Nothing is received when the connection was lost and is back: what was notified meanwhile nobody knows.
            Ok(received) => drop(received?),
            Err(_) => match timeout(PATIENCE, listener.execute("select 1")).await {
                Ok(answer) => {
                    answer?;
                    continue;
                }
                Err(_) => return Err(sqlx::Error::PoolTimedOut),
            },
        }
        told();
    }
}

//! Listening on the database for deletions that were requested without a hint: by SQL, or by a process without Redis.
//!
//! It costs one connection besides the pool's. Where notifications do not arrive (no free connection), deletions are
//! found later, by a look into the ledger.

use std::{convert::Infallible, time::Duration};

use sea_orm::sqlx::{self, Acquire, PgPool, postgres::PgListener};
use sexton_core::{
    db::{Db, server_left, takes_writes},
    ledger::DUE_CHANNEL,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Between attempts to listen.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// A connection that was silent for this long is tested: the network may have dropped it without a word.
const SILENCE: Duration = Duration::from_secs(60);
/// How long connecting may take, and testing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls `on_notification` at each notification until `stop`. For PostgreSQL only.
pub(crate) async fn listen(db: &Db, on_notification: impl Fn(), stop: CancellationToken) {
    // A pool, because that is how the listener connects again.
    let pool = db.listening_pool();
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

/// Listens until the connection fails for good, or its server takes no more writes: no notification comes from there.
async fn listen_once(
    pool: &PgPool,
    on_notification: &impl Fn(),
    failing: &mut bool,
) -> Result<Infallible, sqlx::Error> {
    let left = server_left();
    tokio::pin!(left);
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(DUE_CHANNEL).await?;
    tracing::debug!("listening on {DUE_CHANNEL}");
    *failing = false;
    // For notifications that came before.
    on_notification();
    loop {
        let received = tokio::select! {
            () = &mut left => return Err(moved()),
            received = timeout(SILENCE, listener.try_recv()) => received,
        };
        match received {
            // None says that the connection was lost and is back: notifications may have been missed.
            Ok(received) => drop(received?),
            Err(_) => match timeout(PATIENCE, takes_writes(listener.acquire().await?)).await {
                Ok(Ok(true)) => continue,
                Ok(Ok(false)) => return Err(moved()),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(sqlx::Error::PoolTimedOut),
            },
        }
        on_notification();
    }
}

fn moved() -> sqlx::Error {
    sqlx::Error::Protocol("the server takes no more writes".to_owned())
}

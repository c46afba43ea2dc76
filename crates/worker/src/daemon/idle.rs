//! Waiting until nothing is left to do: `sexton run --until-idle`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sexton_core::db;

use super::Daemon;
use crate::engine::Engine;

/// How often the ledger is asked.
const INTERVAL: Duration = Duration::from_millis(100);
/// A database that is away for longer than this ends the wait.
const DATABASE_AWAY: Duration = Duration::from_secs(60);

impl Daemon {
    /// Waits until nothing is running and nothing will be due without time passing; grace and `delete_after` are not
    /// waited for.
    ///
    /// # Errors
    /// [`db::Error`] when the database has failed for a minute.
    pub async fn wait_until_idle(&self) -> Result<(), db::Error> {
        wait_until_idle(Arc::clone(&self.engine)).await
    }

    /// [`Self::wait_until_idle`] as a future of its own, to wait for besides [`Self::failed`].
    pub fn until_idle(&self) -> impl Future<Output = Result<(), db::Error>> + Send + use<> {
        wait_until_idle(Arc::clone(&self.engine))
    }
}

async fn wait_until_idle(engine: Arc<Engine>) -> Result<(), db::Error> {
    let context = &engine.context;
    let mut failing_since: Option<Instant> = None;
    loop {
        if engine.in_flight() == 0 {
            // What waits for an operator will not be due by itself.
            let lanes = context.gates.lanes_without_operator();
            match context.store.ledger.is_idle(&context.store.db, &lanes).await {
                Ok(true) => return Ok(()),
                Ok(false) => failing_since = None,
                // The database may be restarting; the rest of the daemon bears that as well.
                Err(error) if failing_since.get_or_insert_with(Instant::now).elapsed() > DATABASE_AWAY => {
                    return Err(error);
                }
                Err(error) => tracing::debug!(%error, "cannot ask the ledger whether anything is left to do"),
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

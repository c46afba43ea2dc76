//! Opens what a command needs.

use std::path::Path;

use sexton_core::{
    config::{self, Config},
    db::{Db, connect},
    ledger::Ledger,
    store::Store,
    transport::HintQueue,
};

use super::error::{Error, Result};
use crate::{connector::Connectors, daemon::StartError, gate::Gates, hint_queue::hint_queue, schema::open_ledger};

pub(super) fn config(path: &Path) -> Result<Config> {
    Ok(config::load(path)?)
}

/// An installation of Sexton: its configuration, database and ledger.
pub(super) struct Installation {
    pub(super) config: Config,
    pub(super) db: Db,
    pub(super) ledger: Ledger,
}

pub(super) async fn installation(path: &Path) -> Result<Installation> {
    let config = config(path)?;
    let fail = |error: StartError| Error::start(error, path);
    let db = connect(&config.database.url, 2).await.map_err(|e| fail(e.into()))?;
    let ledger = open_ledger(&db).await.map_err(|e| fail(e.into()))?;
    Ok(Installation { config, db, ledger })
}

/// The store of an installation: the configured tables as well.
pub(super) async fn store(path: &Path, opened: &Installation) -> Result<Store> {
    let loaded = Store::load(opened.db.clone(), opened.ledger.clone(), &opened.config).await;
    loaded.map_err(|error| Error::catalog(error, &path.display().to_string()))
}

impl Installation {
    /// The queue for hints, if there is one.
    pub(super) async fn hint_queue(&self, path: &Path) -> Result<Option<HintQueue>> {
        let queue = hint_queue(&self.config.queue, &self.db, &self.ledger).await;
        queue.map_err(|error| Error::start(error, path))
    }

    /// The connectors and gates that targets are called with, within the limits that all processes share.
    pub(super) async fn targets(&self, path: &Path) -> Result<(Connectors, Gates)> {
        let connectors = Connectors::new(&self.config).map_err(|error| Error::start(error.into(), path))?;
        Ok((connectors, Gates::new(&self.config, self.hint_queue(path).await?.as_ref())))
    }
}

/// Who runs the command, without `--by`.
pub(super) fn default_user() -> String {
    let names = ["SEXTON_USER", "USER", "LOGNAME"];
    names.iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "unknown".to_owned())
}

//! Starting: connect, check that configuration, database and ledger fit, and assemble the parts.

use std::{net::SocketAddr, sync::Arc};

use sexton_core::{catalog, config::Config, db::connect, rights::missing_rights, store::Store};

use super::{StartError, http::Addresses, services::Services};
use crate::{
    api::{self, ApiState},
    connector::Connectors,
    console,
    engine::{Context, Engine},
    feed::Wake,
    gate::Gates,
    hint_queue::hint_queue,
    metrics,
    requests::Hints,
    schema::open_ledger,
    server::descriptor_shortage,
    transport,
};

/// How a daemon differs from what its configuration says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Start although resources are defined otherwise than `migrate` wrote them.
    pub allow_drift: bool,
}

/// A running worker process.
pub struct Daemon {
    pub(super) engine: Arc<Engine>,
    pub(super) services: Services,
    console: SocketAddr,
}

impl Daemon {
    /// Connects, checks that configuration, database and ledger fit, and starts working.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config, options: Options) -> Result<Self, StartError> {
        crate::tls::install();
        let store = open_store(&config, &options).await?;
        let addresses = Addresses::bind(&config).await?;
        if let Some(shortage) = descriptor_shortage(&config) {
            tracing::warn!("{shortage}");
        }
        let queue = hint_queue(&config.queue, &store.db, &store.ledger).await?;
        let hints = Hints::new(queue.clone(), config.queue.window);
        let worker = transport::process_name(&host_name());
        let connectors = Connectors::new(&config)?;
        let gates = Gates::new(&config, queue.as_ref());
        // Before anything is claimed.
        gates.refresh(&store).await?;
        let context = Arc::new(Context { store, config, worker, connectors, gates });
        // Before anything is counted.
        let recorder = metrics::install_recorder();
        let engine = Engine::start(Arc::clone(&context));
        let wake = Arc::new(Wake::default());
        let mut services = Services::default();
        let activity = queue.map(|queue| services.start_redis(&engine, queue, &wake));
        services.start_work(&engine, activity.as_ref(), &wake);
        let api = ApiState::new(&context, hints, wake).map(|api| api::router(&api));
        let (console, api_address) = (addresses.console(), api.as_ref().map(|_| addresses.api()));
        let console_router = console::router(Arc::clone(&engine), activity, recorder);
        addresses.serve(&mut services, console_router, api);
        let api_address = api_address.map(tracing::field::display);
        tracing::info!(worker = context.worker, %console, api = api_address, "working");
        Ok(Self { engine, services, console })
    }

    /// Where the console listens.
    #[must_use]
    pub const fn console(&self) -> SocketAddr {
        self.console
    }
}

async fn open_store(config: &Config, options: &Options) -> Result<Store, StartError> {
    let db = connect(&config.database.url, config.database.max_connections).await?;
    let ledger = open_ledger(&db).await?;
    let store = Store::load(db, ledger, config).await?;
    let missing: Vec<_> = missing_rights(&store).await?.into_iter().map(|right| right.problem).collect();
    if !missing.is_empty() {
        return Err(StartError::Catalog(catalog::Error::Problems(missing)));
    }
    for problem in store.catalog.unreferenced_problems() {
        tracing::warn!("unreferenced rows are not looked at: {problem}");
    }
    let drift = store.ledger.drift(&store.db, &config.resources).await?;
    if !drift.is_empty() && !options.allow_drift {
        return Err(StartError::Drift(drift));
    }
    if let Err(error) = store.ledger.create_partitions(&store.db).await {
        tracing::warn!(%error, "cannot create partitions ahead; finished deletions go to the default partition");
    }
    Ok(store)
}

/// The machine's name: in Kubernetes the pod's.
fn host_name() -> String {
    let name = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "worker".to_owned())
}

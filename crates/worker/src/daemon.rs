//! The daemon: everything that runs in one worker process, started and stopped together.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use secrecy::ExposeSecret;
use sexton_core::{
    catalog,
    config::Config,
    db::{self, ConnectError, Dialect, connect},
    ledger::{Drift, OpenError},
    store::Store,
    transport::HintQueue,
};
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::Api,
    connector::{Connectors, SetupError},
    console,
    engine::{Context, Engine},
    feed::{self, Wake},
    gate::Gates,
    requests::Hints,
    schema::open_ledger,
    sweep,
    transport::{self, Activity, HousekeepingOptions, IntakeOptions},
    upkeep,
};

/// A database that is away for longer than this ends a run that waits to become idle.
const DATABASE_AWAY: Duration = Duration::from_secs(60);

/// How a daemon differs from what its configuration says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Start although resources are defined otherwise than `migrate` wrote them.
    pub allow_drift: bool,
}

/// Why a daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No database.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No ledger in it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The configuration does not fit the database.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// Producers and this worker would not agree.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Drift(Vec<Drift>),
    /// A connector cannot be set up.
    #[error(transparent)]
    Connector(#[from] SetupError),
    /// The queue's name or URL is wrong.
    #[error("queue: {0}")]
    Queue(#[from] sexton_core::transport::Error),
    /// The console's or the API's address is taken, or not ours.
    #[error("{setting}: cannot listen on {address}: {source}")]
    Listen {
        /// The setting with the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] db::Error),
}

/// A part of the daemon ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It returned an error, or just returned.
    #[error("{0} ended: {1}")]
    Ended(&'static str, String),
    /// It panicked.
    #[error("a part of the daemon panicked: {0}")]
    Panicked(#[from] JoinError),
}

/// A running worker process.
pub struct Daemon {
    engine: Arc<Engine>,
    services: JoinSet<(&'static str, Result<(), String>)>,
    /// Stops what brings in work.
    stop_feeding: CancellationToken,
    /// Stops the rest: leases are renewed until nothing is in flight any more.
    stop: CancellationToken,
    address: SocketAddr,
}

impl Daemon {
    /// Connects, checks that configuration, database and ledger fit, and starts working.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config, options: Options) -> Result<Self, StartError> {
        crate::tls::install();
        let db = connect(&config.database.url, config.database.max_connections).await?;
        let ledger = open_ledger(&db).await?;
        let store = Store::load(db, ledger, &config).await?;
        for problem in store.catalog.unreferenced_problems() {
            tracing::warn!("unreferenced rows are left alone: {problem}");
        }
        let drift = store.ledger.drift(&store.db, &config.resources).await?;
        if !drift.is_empty() && !options.allow_drift {
            return Err(StartError::Drift(drift));
        }
        if let Err(error) = store.ledger.create_partitions(&store.db).await {
            tracing::warn!(%error, "cannot create partitions ahead; finished deletions go to the default partition");
        }
        let (listener, address) = bind("console.listen", config.console.listen).await?;
        let of_api = match config.api.listen {
            Some(listen) => Some(bind("api.listen", listen).await?),
            None => None,
        };
        let hints = Hints::new(&config.queue)?;
        let queue = match &config.queue.url {
            Some(url) => Some((HintQueue::new(url.expose_secret(), &config.queue.name)?, url.clone())),
            None => None,
        };
        let worker = transport::process_name(&host_name());
        let connectors = Connectors::new(&config)?;
        let gates = Gates::new(&config, queue.as_ref().map(|(queue, _)| queue));
        // Before anything is claimed.
        gates.read(&store).await?;
        let context = Arc::new(Context { store, config, worker, connectors, gates });
        let (stop, stop_feeding) = (CancellationToken::new(), CancellationToken::new());
        // Before anything is counted.
        let metrics = console::recorder();
        let engine = Engine::start(Arc::clone(&context));
        let wake = Arc::new(Wake::default());
        let mut daemon = Self { engine, services: JoinSet::new(), stop_feeding, stop, address };
        let activity = queue.map(|(queue, url)| daemon.attach(&context, queue, url.expose_secret(), &wake));
        let api = Api::new(&context, hints, Arc::clone(&wake)).map(|api| api.router());
        let api_address = api.is_some().then(|| of_api.as_ref().map_or(address, |(_, address)| *address));
        daemon.work(&context, activity.clone(), wake);
        daemon.answer(listener, console::router(Arc::clone(&daemon.engine), activity, metrics), api, of_api);
        let api_address = api_address.map(tracing::field::display);
        tracing::info!(worker = context.worker, console = %address, api = api_address, "working");
        Ok(daemon)
    }

    /// Starts what connects this process to Redis.
    fn attach(&mut self, context: &Arc<Context>, queue: HintQueue, url: &str, wake: &Arc<Wake>) -> Arc<Activity> {
        let activity = Arc::new(Activity::new());
        let concurrency = context.config.worker.concurrency;
        let intake = IntakeOptions {
            url: url.to_owned(),
            name: context.config.queue.name.clone(),
            worker_name: context.worker.clone(),
            concurrency,
        };
        let housekeeping =
            HousekeepingOptions { queue: queue.clone(), worker_name: context.worker.clone(), concurrency };
        let handler = Arc::new(feed::Hints(Arc::clone(&self.engine)));
        let (stop, seen) = (self.stop_feeding.clone(), Arc::clone(&activity));
        self.spawn("the intake", async move {
            transport::intake::run(intake, handler, seen, stop).await.map_err(|error| error.to_string())
        });
        let (stop, seen) = (self.stop.clone(), Arc::clone(&activity));
        self.spawn("housekeeping", async move {
            transport::housekeeping::run(housekeeping, seen, stop).await;
            Ok(())
        });
        let (stop, seen, context) = (self.stop_feeding.clone(), Arc::clone(&activity), Arc::clone(context));
        let wake = Arc::clone(wake);
        self.spawn("the dispatcher", async move {
            feed::dispatch(context, queue, seen, wake, stop).await;
            Ok(())
        });
        activity
    }

    /// Starts what works on deletions, with or without Redis.
    fn work(&mut self, context: &Arc<Context>, activity: Option<Arc<Activity>>, wake: Arc<Wake>) {
        if context.store.db.dialect == Dialect::Postgres {
            let (context, wake, stop) = (Arc::clone(context), Arc::clone(&wake), self.stop_feeding.clone());
            self.spawn("listening on the database", async move {
                let told = || {
                    wake.now();
                    context.gates.look();
                };
                feed::listen(&context.store.db, told, stop).await;
                Ok(())
            });
        }
        let (engine, stop) = (Arc::clone(&self.engine), self.stop_feeding.clone());
        self.spawn("the direct feed", async move {
            feed::feed_directly(engine, activity, wake, stop).await;
            Ok(())
        });
        let (engine, stop) = (Arc::clone(&self.engine), self.stop_feeding.clone());
        self.spawn("the gates", async move {
            upkeep::probe(engine, stop).await;
            Ok(())
        });
        let (engine, stop) = (Arc::clone(&self.engine), self.stop_feeding.clone());
        self.spawn("the feed of rescued deletions", async move {
            feed::feed_rescued(engine, stop).await;
            Ok(())
        });
        let (engine, stop) = (Arc::clone(&self.engine), self.stop.clone());
        self.spawn("the renewal of leases", async move {
            upkeep::renew_leases(engine, stop).await;
            Ok(())
        });
        let (context, stop) = (Arc::clone(context), self.stop.clone());
        self.spawn("rescue", async move {
            upkeep::rescue(context, stop).await;
            Ok(())
        });
        let (sweeping, stop) = (Arc::clone(&self.engine.context), self.stop_feeding.clone());
        self.spawn("the sweeps", async move {
            sweep::schedule(sweeping, stop).await;
            Ok(())
        });
        let (engine, stop) = (Arc::clone(&self.engine), self.stop.clone());
        self.spawn("what waits for children", async move {
            upkeep::advance_waiting(engine, stop).await;
            Ok(())
        });
        let (engine, stop) = (Arc::clone(&self.engine), self.stop.clone());
        self.spawn("the figures", async move {
            upkeep::refresh_gauges(engine, stop).await;
            Ok(())
        });
    }

    /// Starts the HTTP addresses: the console's, which is the API's as well unless it has its own.
    fn answer(
        &mut self,
        listener: TcpListener,
        console: Router,
        api: Option<Router>,
        of_api: Option<(TcpListener, SocketAddr)>,
    ) {
        let mut addresses = Vec::new();
        match (api, of_api) {
            (Some(api), Some((its_own, _))) => {
                addresses.extend([("the console", listener, console), ("the API", its_own, api)]);
            }
            (Some(api), None) => addresses.push(("the console", listener, console.merge(api))),
            (None, _) => addresses.push(("the console", listener, console)),
        }
        for (name, listener, router) in addresses {
            let stop = self.stop.clone();
            self.spawn(
                name,
                async move { console::serve(listener, router, stop).await.map_err(|error| error.to_string()) },
            );
        }
    }

    fn spawn(&mut self, name: &'static str, work: impl Future<Output = Result<(), String>> + Send + 'static) {
        self.services.spawn(async move { (name, work.await) });
    }

    /// Where the console listens.
    #[must_use]
    pub const fn console(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when a part of the daemon ends although nobody asked it to: the process should end with an error.
    pub async fn failed(&mut self) -> Failed {
        match self.services.join_next().await {
            Some(Ok((name, Ok(())))) => Failed::Ended(name, "without a reason".to_owned()),
            Some(Ok((name, Err(why)))) => Failed::Ended(name, why),
            Some(Err(panic)) => Failed::Panicked(panic),
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing is running and nothing will be due without time passing; grace and `delete_after` are not
    /// waited for.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn wait_until_idle(&self) -> Result<(), db::Error> {
        idle(Arc::clone(&self.engine)).await
    }

    /// [`Self::wait_until_idle`] as a future of its own, to wait for besides [`Self::failed`].
    pub fn until_idle(&self) -> impl Future<Output = Result<(), db::Error>> + Send + use<> {
        idle(Arc::clone(&self.engine))
    }

    /// Stops bringing in work, lets calls in flight finish within `worker.shutdown_grace`, hands the rest back, and
    /// ends.
    pub async fn shutdown(mut self) {
        tracing::info!(in_flight = self.engine.in_flight(), "stopping");
        self.stop_feeding.cancel();
        let left = self.engine.close(self.engine.context.config.worker.shutdown_grace).await;
        if !left.is_empty() {
            tracing::warn!(left = left.len(), "deletions could not be handed back; their leases will free them");
        }
        self.stop.cancel();
        // Redis may be away, and its farewell is only a courtesy.
        let farewell = async { while self.services.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(5), farewell).await.is_err() {
            tracing::debug!("not every part of the daemon ended in time");
        }
        tracing::info!("stopped");
    }
}

/// Binds the address of a setting.
async fn bind(setting: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { setting, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn idle(engine: Arc<Engine>) -> Result<(), db::Error> {
    let context = &engine.context;
    let mut failing: Option<Instant> = None;
    loop {
        if engine.in_flight() == 0 {
            // What an operator holds will not be due by itself.
            match context.store.ledger.is_idle(&context.store.db, &context.gates.not_held()).await {
                Ok(true) => return Ok(()),
                Ok(false) => failing = None,
                // The database may be restarting; whatever else runs here bears that as well.
                Err(error) if failing.get_or_insert_with(Instant::now).elapsed() > DATABASE_AWAY => return Err(error),
                Err(error) => tracing::debug!(%error, "cannot ask the ledger whether anything is left to do"),
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The machine's name: in Kubernetes the pod's.
fn host_name() -> String {
    let name = std::env::var("HOSTNAME").ok().or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "worker".to_owned())
}

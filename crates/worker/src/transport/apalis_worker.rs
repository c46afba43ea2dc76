//! One run of an apalis worker: from registration to its first error, or to our stop.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use apalis::prelude::WorkerBuilderExt;
use apalis_core::{
    backend::ext::{BackendExt, poll_strategy::Strategy},
    error::WorkerError,
    worker::{builder::WorkerBuilder, context::WorkerContext, event::Event, ext::event_listener::EventListenerExt},
};
use apalis_redis::RedisStorage;
use futures::StreamExt;
use sexton_core::transport::{Error, HintQueue};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Activity,
    backend::{RawBytes, config},
    reception::Reception,
    wake_subscription::pass_on_wakes,
};

/// How often an idle worker looks for hints without being woken. apalis-redis 1.0.0 by itself looks at each heartbeat.
const POLL: Duration = Duration::from_millis(150);

/// Why a worker ended by itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerEnd {
    #[error(transparent)]
    Connect(#[from] Error),
    #[error("the apalis worker failed: {0}")]
    Worker(#[from] WorkerError),
    #[error("the apalis worker ended without an error")]
    Silently,
}

/// An apalis worker to run.
pub(super) struct ApalisWorker {
    pub(super) queue: HintQueue,
    /// Never used before.
    pub(super) name: String,
    pub(super) concurrency: usize,
}

/// Runs until the worker fails, or until `shutdown`. Then it fetches nothing more, lets handlers finish and acks their
/// hints, and returns fetched hints that were not begun with to the list.
///
/// # Errors
/// [`WorkerEnd`]: it ended before `shutdown`.
pub(super) async fn run(
    worker: ApalisWorker,
    reception: Arc<Reception>,
    activity: Arc<Activity>,
    shutdown: CancellationToken,
) -> Result<(), WorkerEnd> {
    let ApalisWorker { queue, name, concurrency } = worker;
    // Its own connection, gone with this worker: apalis never recovers from an error of its backend.
    let connection = queue.connection().dedicated().await?;
    let (woken, wakes) = futures::channel::mpsc::channel(1);
    let _subscription = AbortOnDropHandle::new(tokio::spawn(pass_on_wakes(queue.clone(), woken)));

    let backend = RedisStorage::<Vec<u8>, _>::new(connection)
        .with_config(config(queue.keys().name(), concurrency))
        .with_codec(RawBytes)
        .poll_with_strategy(Strategy::new().stream(wakes).interval(POLL));
    let context = Arc::new(OnceLock::<WorkerContext>::new());
    let started = Arc::clone(&context);
    let worker = WorkerBuilder::new(name.as_str())
        .backend(backend)
        .concurrency(concurrency.max(1))
        .on_event(move |context, event| match event {
            Event::Start => drop(started.set(context.clone())),
            Event::HeartBeat => activity.note_connected(), // The first comes with registration.
            _ => {}
        })
        .build(move |payload: Vec<u8>| {
            let reception = Arc::clone(&reception);
            async move { reception.receive(payload).await }
        });

    // Not `Worker::run_until`: when the worker ends by itself, that waits for the signal all the same.
    let mut events = std::pin::pin!(worker.stream());
    let mut stopping = false;
    loop {
        tokio::select! {
            biased; // Else a busy worker could go on for a while.
            () = shutdown.cancelled(), if !stopping && context.get().is_some() => {
                stopping = true;
                if let Some(context) = context.get() {
                    context.stop()?;
                }
            }
            event = events.next() => match event {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None if stopping => return Ok(()),
                None => return Err(WorkerEnd::Silently),
            },
        }
    }
}

//! A hint that travels the whole way, for `sexton check`: it is pushed, fetched and acked in a queue of its own, and
//! what that leaves in Redis is removed. Whatever right, command or room is missing shows where it is needed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use redis::{Cmd, RedisError, Value, cmd};
use sexton_core::{
    hint::Hint,
    ids::{DeletionId, Fence},
    transport::{Error, HintQueue, connection::CONNECT_TIMEOUT},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Activity, HintHandler, Leader,
    apalis_worker::{self, ApalisWorker},
    drop_acked_tasks::drop_acked_tasks,
    drop_broken_hints::drop_broken_hints,
    drop_worker::drop_worker,
    reception::Reception,
    registry,
};

/// How long the hint may take. A worker looks for hints several times a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where apalis-redis 1.0.0 lists its queues.
const QUEUES_OF_APALIS: &str = "core:apalis:queues:list";

/// Why the hint did not arrive, or what is needed besides.
#[derive(Debug)]
pub(super) enum ProbeFailure {
    /// Redis refused something.
    Refused { action: &'static str, error: Error },
    /// Redis refused something to apalis, or to the subscription.
    Failed { action: &'static str, reason: String },
}

/// Sends a hint through a queue beside that of `queue`.
pub(super) async fn probe(queue: &HintQueue) -> Result<(), ProbeFailure> {
    let probe = queue.probe();
    let worker = registry::new_worker_name("check");
    let hint = Hint::new(DeletionId::new(), Fence(0));
    let result = travel(&probe, &worker, hint).await;
    clean_up(&probe, &worker, &hint).await;
    result
}

/// Commands that the scripts run. Of a script Redis says only that some command of it is not allowed, so each is tried
/// by itself first.
fn commands(probe: &HintQueue) -> Vec<(&'static str, Cmd)> {
    let keys = probe.keys();
    let mut set = cmd("SET");
    set.arg(keys.dispatcher()).arg("check").arg("PX").arg(1000);
    vec![
        ("run TIME", cmd("TIME")),
        ("push to lists", cmd("RPUSH").arg(keys.active()).arg("check").to_owned()),
        ("write hashes", cmd("HSET").arg(keys.data()).arg("check").arg("1").to_owned()),
        ("write keys with a time to live", set),
        ("write sorted sets", cmd("ZADD").arg(keys.alive()).arg(0).arg("check").to_owned()),
        ("write sets", cmd("SADD").arg(keys.done()).arg("check").to_owned()),
        ("write core:apalis:queues:list", cmd("ZADD").arg(QUEUES_OF_APALIS).arg(0).arg(keys.workers()).to_owned()),
        (
            "remove keys",
            cmd("DEL")
                .arg(keys.active())
                .arg(keys.data())
                .arg(keys.dispatcher())
                .arg(keys.alive())
                .arg(keys.done())
                .to_owned(),
        ),
        ("publish to the channel NAME:wake", cmd("PUBLISH").arg(keys.wake()).arg(0).to_owned()),
    ]
}

async fn travel(probe: &HintQueue, worker: &str, hint: Hint) -> Result<(), ProbeFailure> {
    let refused = |action| move |error| ProbeFailure::Refused { action, error };
    for (action, command) in commands(probe) {
        probe.connection().query::<Value>(action, &command).await.map_err(refused(action))?;
    }
    registry::beat(probe, "check", 1).await.map_err(refused("beat"))?;
    let leader = Leader::new(probe.clone(), "check");
    leader.try_lead().await.map_err(refused("take the lead of dispatching"))?;
    subscribe(probe).await.map_err(|error| ProbeFailure::Failed {
        action: "subscribe to the channel NAME:wake",
        reason: error.to_string(),
    })?;
    let pushed = probe.enqueue(&[hint], 1).await.map_err(refused("push hints"))?;
    if pushed.accepted != 1 {
        return Err(ProbeFailure::Failed { action: "push hints", reason: format!("it took {} of 1", pushed.accepted) });
    }
    fetch(probe, worker).await?;
    drop_acked_tasks(probe).await.map_err(refused("remove acked hints"))?;
    drop_broken_hints(probe).await.map_err(refused("remove broken hints"))?;
    drop_worker(probe, worker).await.map_err(refused("remove workers"))?;
    leader.resign().await.map_err(refused("give the lead back"))?;
    registry::unregister(probe, "check").await.map_err(refused("leave"))
}

async fn subscribe(probe: &HintQueue) -> Result<(), RedisError> {
    let subscribe = async {
        let mut subscription = probe.connection().client().get_async_pubsub().await?;
        subscription.subscribe(probe.keys().wake()).await
    };
    tokio::time::timeout(CONNECT_TIMEOUT, subscribe)
        .await
        .unwrap_or_else(|_| Err(RedisError::from((redis::ErrorKind::Io, "no answer"))))
}

/// Says that the hint arrived.
struct Arrival(Arc<Notify>);

#[async_trait]
impl HintHandler for Arrival {
    async fn handle(&self, _: Hint) {
        self.0.notify_one();
    }
}

/// Runs a worker until it has fetched and acked the hint.
async fn fetch(probe: &HintQueue, name: &str) -> Result<(), ProbeFailure> {
    let failed = |reason: String| ProbeFailure::Failed { action: "fetch and ack hints", reason };
    let (arrived, activity, stop) = (Arc::new(Notify::new()), Arc::new(Activity::new()), CancellationToken::new());
    let reception = Arc::new(Reception::new(Arc::new(Arrival(Arc::clone(&arrived))), Arc::clone(&activity), 1));
    let worker = ApalisWorker { queue: probe.clone(), name: name.to_owned(), concurrency: 1 };
    let run = apalis_worker::run(worker, reception, activity, stop.clone());
    let begun = Instant::now();
    let watch = async {
        if tokio::time::timeout(PATIENCE, arrived.notified()).await.is_err() {
            return Err(failed(format!("a hint that was pushed did not arrive within {PATIENCE:?}")));
        }
        // Acked is what is no longer in flight.
        let inflight = cmd("SCARD").arg(probe.keys().inflight(name)).to_owned();
        while begun.elapsed() < PATIENCE {
            match probe.connection().query::<u64>("look at hints in flight", &inflight).await {
                Ok(0) => return Ok(()),
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => return Err(ProbeFailure::Refused { action: "look at hints in flight", error }),
            }
        }
        Err(failed("a hint that arrived could not be acked".to_owned()))
    };
    tokio::pin!(run);
    let seen = tokio::select! {
        ended = &mut run => return Err(failed(ended.map_or_else(|end| end.to_string(), |()| "it ended".to_owned()))),
        seen = watch => seen,
    };
    stop.cancel();
    tokio::time::timeout(PATIENCE, run).await.ok();
    seen
}

/// What is left if this fails is a few small keys.
async fn clean_up(probe: &HintQueue, worker: &str, hint: &Hint) {
    let keys = probe.keys();
    let mut delete = cmd("DEL");
    for key in [
        keys.active(),
        keys.data(),
        keys.signal(),
        keys.done(),
        keys.dead(),
        keys.scheduled(),
        keys.workers(),
        keys.alive(),
        keys.concurrency(),
        keys.dispatcher(),
        keys.inflight(worker),
        keys.worker_metadata(worker),
        keys.seen(hint),
    ] {
        delete.arg(key);
    }
    probe.connection().query::<u64>("remove the probe", &delete).await.ok();
    let forget = cmd("ZREM").arg(QUEUES_OF_APALIS).arg(keys.workers()).to_owned();
    probe.connection().query::<u64>("forget the probe's queue", &forget).await.ok();
}

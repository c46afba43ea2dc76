//! How many calls a target gets: a rate, and a most in flight, across all processes through Redis; while Redis is away,
//! each process keeps to them by itself.

use std::{
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use redis::Script;
use sexton_core::{
    config::Target,
    ids::{DeletionId, Lane},
    transport::{Error, HintQueue},
};

use super::bucket::Bucket;

/// How long Redis has to answer: a call waits for it.
const ANSWER: Duration = Duration::from_millis(250);
/// For how long Redis is not asked after it did not answer.
const AWAY: Duration = Duration::from_secs(1);
/// How soon to look again when too many calls are in flight.
const FULL: Duration = Duration::from_millis(100);
/// Calls that will be let through so soon may be waited for.
pub(super) const SOON: Duration = Duration::from_millis(100);

static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("admit.lua")));

/// The limits of one target.
pub(super) struct Limit {
    lane: Lane,
    /// Without a rate there is none.
    bucket: Option<Mutex<Bucket>>,
    /// What this process has hinted at, while it dispatches.
    hinted: Option<Mutex<Bucket>>,
    interval: Duration,
    burst: u32,
    max_in_flight: Option<usize>,
    in_flight: AtomicUsize,
    /// After this a call in flight is over, even if nobody said so.
    longest: Duration,
    shared: Option<HintQueue>,
    /// Until when Redis is not asked.
    away: Mutex<Option<Instant>>,
}

/// A call that was let through; it counts as in flight while this lives.
pub(crate) struct Place {
    limit: Arc<Limit>,
    id: DeletionId,
    shared: bool,
}

impl Limit {
    /// The limits of `target`; none if it has none.
    pub(super) fn new(lane: &Lane, target: &Target, queue: Option<&HintQueue>) -> Option<Arc<Self>> {
        if target.rate_limit.is_none() && target.max_in_flight.is_none() {
            return None;
        }
        let interval = target.rate_limit.map_or(Duration::ZERO, |limit| limit.interval());
        let burst = target.rate_limit.map_or(1, |limit| limit.burst);
        Some(Arc::new(Self {
            lane: lane.to_owned(),
            bucket: target.rate_limit.map(|_| Mutex::new(Bucket::new(interval, burst, Instant::now()))),
            hinted: target.rate_limit.map(|_| Mutex::new(Bucket::new(interval, burst, Instant::now()))),
            interval,
            burst,
            max_in_flight: target.max_in_flight,
            in_flight: AtomicUsize::new(0),
            longest: target.timeout + Duration::from_secs(5),
            shared: queue.cloned(),
            away: Mutex::default(),
        }))
    }

    /// Lets a call through, or says how long to wait.
    pub(super) async fn admit(self: &Arc<Self>, id: DeletionId) -> Result<Place, Duration> {
        let shared = match self.shared.as_ref().filter(|_| !self.redis_is_away()) {
            Some(queue) => match tokio::time::timeout(ANSWER, self.ask(queue, id)).await {
                Ok(Ok(answer)) => {
                    answer?;
                    true
                }
                Ok(Err(error)) => self.left_alone(&error.to_string()),
                Err(_) => self.left_alone("no answer in time"),
            },
            None => false,
        };
        if !shared {
            if self.max_in_flight.is_some_and(|most| self.in_flight.load(Ordering::Acquire) >= most) {
                return Err(FULL);
            }
            if let Some(bucket) = &self.bucket {
                bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())?;
            }
        }
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        Ok(Place { limit: Arc::clone(self), id, shared })
    }

    async fn ask(&self, queue: &HintQueue, id: DeletionId) -> Result<Result<(), Duration>, Error> {
        let mut call = ADMIT.prepare_invoke();
        let (rate, flying) = self.keys(queue);
        call.key(rate).key(flying);
        call.arg(self.interval.as_micros() as u64).arg(self.burst);
        call.arg(self.max_in_flight.unwrap_or(0)).arg(id.to_string()).arg(self.longest.as_millis() as u64);
        let (wait, ahead): (i64, u64) = queue.connection().invoke("ask whether a call may begin", &call).await?;
        // So that this process knows how many it may claim.
        if let Some(bucket) = self.bucket.as_ref().filter(|_| wait >= 0) {
            let next = Instant::now() + Duration::from_micros(ahead);
            bucket.lock().unwrap_or_else(PoisonError::into_inner).follow(next);
        }
        Ok(match wait {
            0 => Ok(()),
            -1 => Err(FULL),
            wait => Err(Duration::from_micros(wait.unsigned_abs())),
        })
    }

    fn keys(&self, queue: &HintQueue) -> (String, String) {
        let name = queue.keys().name();
        (format!("{name}:rate:{}", self.lane), format!("{name}:calls:{}", self.lane))
    }

    /// How many calls will be let through soon, as far as this process knows.
    pub(super) fn available(&self) -> usize {
        let by_rate = self.bucket.as_ref().map(available);
        let in_flight = self.in_flight.load(Ordering::Acquire);
        let by_place = self.max_in_flight.map(|most| most.saturating_sub(in_flight));
        by_rate.into_iter().chain(by_place).min().unwrap_or(usize::MAX)
    }

    /// How many deletions may be hinted at: what will be let through, without what was hinted at already.
    pub(super) fn to_hint(&self) -> usize {
        self.hinted.as_ref().map_or(usize::MAX, available).min(self.available())
    }

    /// Takes note of hints.
    pub(super) fn hinted(&self, hints: usize) {
        if let Some(bucket) = &self.hinted {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).take_anyway(hints, Instant::now());
        }
    }

    fn redis_is_away(&self) -> bool {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn left_alone(&self, why: &str) -> bool {
        tracing::debug!(
            why,
            lane = %self.lane,
            "Redis does not say how many calls {} may get; counting alone",
            self.lane
        );
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + AWAY);
        false
    }
}

fn available(bucket: &Mutex<Bucket>) -> usize {
    bucket.lock().unwrap_or_else(PoisonError::into_inner).available(Instant::now(), SOON)
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limit.in_flight.fetch_sub(1, Ordering::AcqRel);
        let Some(queue) = self.limit.shared.clone().filter(|_| self.shared && self.limit.max_in_flight.is_some())
        else {
            return;
        };
        let (_, flying) = self.limit.keys(&queue);
        let id = self.id.to_string();
        tokio::spawn(async move {
            let mut leave = redis::cmd("ZREM");
            leave.arg(flying).arg(id);
            let left: Result<u64, Error> = queue.connection().query("give a place back", &leave).await;
            if let Err(error) = left {
                tracing::debug!(%error, "cannot give a place back; it is free again when its call would be over");
            }
        });
    }
}

//! How many calls a target gets: a rate, and a limit on calls in flight.
//!
//! Through Redis they hold for all processes together. While Redis is away, each process keeps to them by itself.

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

use super::bucket::RateBucket;

/// How long Redis has to answer: the call waits for it.
const ANSWER: Duration = Duration::from_millis(250);
/// For how long Redis is not asked after it did not answer.
const AWAY: Duration = Duration::from_secs(1);
/// How soon to ask once more when too many calls are in flight.
const FULL: Duration = Duration::from_millis(100);
/// Calls that will be let through within this time may be waited for.
pub(super) const SOON: Duration = Duration::from_millis(100);

static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("admit.lua")));

/// The limits of one target.
pub(super) struct Limit {
    lane: Lane,
    /// Without a rate there is none.
    bucket: Option<Mutex<RateBucket>>,
    /// What this process has hinted at, while it dispatches.
    hinted: Option<Mutex<RateBucket>>,
    interval: Duration,
    burst: u32,
    max_in_flight: Option<usize>,
    in_flight: AtomicUsize,
    /// After this a call in flight is over, even if its process did not say so.
    longest_call: Duration,
    queue: Option<HintQueue>,
    /// Until when Redis is not asked.
    redis_away_until: Mutex<Option<Instant>>,
}

/// A call that was let through; it counts as in flight while this lives.
pub(super) struct LimitedCall {
    limit: Arc<Limit>,
    id: DeletionId,
    /// Whether Redis counts it.
    is_shared: bool,
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
            bucket: target.rate_limit.map(|_| Mutex::new(RateBucket::new(interval, burst, Instant::now()))),
            hinted: target.rate_limit.map(|_| Mutex::new(RateBucket::new(interval, burst, Instant::now()))),
            interval,
            burst,
            max_in_flight: target.max_in_flight,
            in_flight: AtomicUsize::new(0),
            longest_call: target.timeout + Duration::from_secs(5),
            queue: queue.cloned(),
            redis_away_until: Mutex::default(),
        }))
    }

    /// The time between two calls in the long run; zero without a rate.
    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// Lets a call through, or says how long to wait.
    pub(super) async fn admit(self: &Arc<Self>, id: DeletionId) -> Result<LimitedCall, Duration> {
        let is_shared = match self.queue.as_ref().filter(|_| !self.redis_is_away()) {
            Some(queue) => match tokio::time::timeout(ANSWER, self.ask_redis(queue, id)).await {
                Ok(Ok(answer)) => {
                    answer?;
                    true
                }
                Ok(Err(error)) => {
                    self.note_redis_away(&error.to_string());
                    false
                }
                Err(_) => {
                    self.note_redis_away("no answer in time");
                    false
                }
            },
            None => false,
        };
        if !is_shared {
            if self.max_in_flight.is_some_and(|most| self.in_flight.load(Ordering::Acquire) >= most) {
                return Err(FULL);
            }
            if let Some(bucket) = &self.bucket {
                bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())?;
            }
        }
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        Ok(LimitedCall { limit: Arc::clone(self), id, is_shared })
    }

    /// What Redis says: go ahead, or wait for this long.
    async fn ask_redis(&self, queue: &HintQueue, id: DeletionId) -> Result<Result<(), Duration>, Error> {
        let mut call = ADMIT.prepare_invoke();
        let (rate, in_flight) = self.keys(queue);
        call.key(rate).key(in_flight);
        call.arg(self.interval.as_micros() as u64).arg(self.burst);
        call.arg(self.max_in_flight.unwrap_or(0)).arg(id.to_string()).arg(self.longest_call.as_millis() as u64);
        let (wait, ahead): (i64, u64) = queue.connection().invoke("ask whether a call may begin", &call).await?;
        // So that this process knows how many it may claim.
        if let Some(bucket) = self.bucket.as_ref().filter(|_| wait >= 0) {
            let next = Instant::now() + Duration::from_micros(ahead);
            bucket.lock().unwrap_or_else(PoisonError::into_inner).set_next(next);
        }
        Ok(match wait {
            0 => Ok(()),
            -1 => Err(FULL),
            wait => Err(Duration::from_micros(wait.unsigned_abs())),
        })
    }

    /// The Redis keys of the rate and of the calls in flight.
    fn keys(&self, queue: &HintQueue) -> (String, String) {
        let name = queue.keys().name();
        (format!("{name}:rate:{}", self.lane), format!("{name}:calls:{}", self.lane))
    }

    /// How many calls will be let through soon, as far as this process knows.
    pub(super) fn available(&self) -> usize {
        let by_rate = self.bucket.as_ref().map(available);
        let in_flight = self.in_flight.load(Ordering::Acquire);
        let by_in_flight = self.max_in_flight.map(|most| most.saturating_sub(in_flight));
        by_rate.into_iter().chain(by_in_flight).min().unwrap_or(usize::MAX)
    }

    /// How many deletions may be hinted at: calls that will be let through soon, less those that were hinted at.
    pub(super) fn available_to_hint(&self) -> usize {
        self.hinted.as_ref().map_or(usize::MAX, available).min(self.available())
    }

    /// Takes note of hints.
    pub(super) fn note_hints(&self, hints: usize) {
        if let Some(bucket) = &self.hinted {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).take_in_advance(hints, Instant::now());
        }
    }

    fn redis_is_away(&self) -> bool {
        let until = *self.redis_away_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note_redis_away(&self, why: &str) {
        tracing::debug!(
            why,
            lane = %self.lane,
            "Redis does not say how many calls {} may get; counting alone",
            self.lane
        );
        *self.redis_away_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + AWAY);
    }
}

fn available(bucket: &Mutex<RateBucket>) -> usize {
    bucket.lock().unwrap_or_else(PoisonError::into_inner).available(Instant::now(), SOON)
}

impl Drop for LimitedCall {
    fn drop(&mut self) {
        self.limit.in_flight.fetch_sub(1, Ordering::AcqRel);
        let is_counted = self.is_shared && self.limit.max_in_flight.is_some();
        let Some(queue) = self.limit.queue.clone().filter(|_| is_counted) else { return };
        let (_, in_flight) = self.limit.keys(&queue);
        let id = self.id.to_string();
        tokio::spawn(async move {
            let mut remove = redis::cmd("ZREM");
            remove.arg(in_flight).arg(id);
            let removed: Result<u64, Error> = queue.connection().query("end a call in flight", &remove).await;
            if let Err(error) = removed {
                tracing::debug!(%error, "the call counts as in flight until its timeout has passed");
            }
        });
    }
}

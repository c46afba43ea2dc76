//! The generic cell rate algorithm (ITU-T I.371) of one process; `admit.lua` is the same for all of them.

use std::time::{Duration, Instant};

/// When the next call may be made: at most `burst` at once, and one an `interval` in the long run.
#[derive(Debug)]
pub(super) struct RateBucket {
    interval: Duration,
    burst: u32,
    /// When the next call would come if they came evenly.
    next: Instant,
}

impl RateBucket {
    pub(super) fn new(interval: Duration, burst: u32, now: Instant) -> Self {
        Self { interval, burst, next: now }
    }

    /// Takes a call, or says how long to wait for one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let next = self.next.max(now);
        let early = (next + self.interval).saturating_duration_since(now + self.interval * self.burst);
        if early > Duration::ZERO {
            return Err(early);
        }
        self.next = next + self.interval;
        Ok(())
    }

    /// How many calls can be taken from now until `soon` has passed.
    pub(super) fn available(&self, now: Instant, soon: Duration) -> usize {
        let taken = self.next.saturating_duration_since(now);
        let free = (self.interval * self.burst + soon).saturating_sub(taken);
        // What is missing to a whole call by less than this is rounding.
        let calls = (free.as_secs_f64() + 1e-9) / self.interval.as_secs_f64();
        calls as usize
    }

    /// Takes calls in advance: they need not be available.
    pub(super) fn take_in_advance(&mut self, calls: usize, now: Instant) {
        self.next = self.next.max(now) + self.interval * u32::try_from(calls).unwrap_or(u32::MAX);
    }

    /// Takes over what all processes together have taken: the next call comes at `next`.
    pub(super) fn set_next(&mut self, next: Instant) {
        self.next = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut bucket = RateBucket::new(TENTH, 3, start);
        assert_eq!(bucket.available(start, Duration::ZERO), 3);
        assert_eq!(bucket.available(start, TENTH * 2), 5);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(TENTH));
        assert_eq!(bucket.available(start, Duration::ZERO), 0);
        assert_eq!(bucket.available(start + TENTH, Duration::ZERO), 1);
        assert_eq!(bucket.take(start + TENTH), Ok(()));
        assert_eq!(bucket.take(start + TENTH * 3 / 2), Err(TENTH / 2));
    }

    #[test]
    fn no_window_has_more_than_the_burst_and_the_rate() {
        let start = Instant::now();
        let mut bucket = RateBucket::new(TENTH, 5, start);
        let mut taken = Vec::new();
        for ms in 0..10_000u64 {
            let now = start + Duration::from_millis(ms);
            while bucket.take(now).is_ok() {
                taken.push(ms);
            }
        }
        for (n, from) in taken.iter().enumerate() {
            let in_a_second = taken[n..].iter().take_while(|at| **at < from + 1000).count();
            assert!(in_a_second <= 5 + 10, "{in_a_second} from {from} ms on");
        }
        assert_eq!(taken.len(), 5 + 99);
    }

    #[test]
    fn what_is_taken_in_advance_is_missing_later() {
        let start = Instant::now();
        let mut bucket = RateBucket::new(TENTH, 1, start);
        bucket.take_in_advance(3, start);
        assert_eq!(bucket.available(start, TENTH), 0);
        assert_eq!(bucket.available(start + 2 * TENTH, TENTH), 1);
    }

    #[test]
    fn a_quiet_time_saves_up_no_more_than_a_burst() {
        let start = Instant::now();
        let mut bucket = RateBucket::new(TENTH, 2, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..10).filter(|_| bucket.take(later).is_ok()).count(), 2);
    }
}

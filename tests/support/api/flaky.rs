//! A system that fails a share of its calls, in every way that real ones document.

use std::time::{Duration, SystemTime};

use super::answer::{Answer, google_rate_limit, throttled_until};

/// Fails `rate` of all calls, chosen by a generator with a seed; the failures go round all ways of failing. In order of
/// arrival everything repeats with the same seed. What does not fail gets 204.
#[derive(Clone, Debug)]
pub struct Flaky {
    rate: f64,
    random: u64,
    failures: usize,
    faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Status(u16),
    Unavailable,
    Throttled,
    ThrottledUntil,
    GoogleThrottled,
    Reset,
    Hang,
}

/// Short enough for a test that waits for it, and more than zero, which some clients take for "no header".
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Flaky {
    /// `rate` between 0 (never fails) and 1 (always fails).
    #[must_use]
    pub fn new(rate: f64, seed: u64) -> Self {
        assert!((0.0..=1.0).contains(&rate), "a rate is between 0 and 1, not {rate}");
        let faults = vec![
            Fault::Status(500),
            Fault::Status(502),
            Fault::Unavailable,
            Fault::Throttled,
            Fault::ThrottledUntil,
            Fault::GoogleThrottled,
            Fault::Reset,
            Fault::Hang,
            Fault::Status(410),
        ];
        Self { rate, random: seed, failures: 0, faults }
    }

    /// Answers 404 in its turn too. Not part of the default: unless a target accepts it, it is permanent.
    #[must_use]
    pub fn with_404(mut self) -> Self {
        self.faults.push(Fault::Status(404));
        self
    }

    /// Never hangs: for tests that cannot wait for their client's timeout.
    #[must_use]
    pub fn without_hanging(mut self) -> Self {
        self.faults.retain(|fault| !matches!(fault, Fault::Hang));
        self
    }

    pub(super) fn next(&mut self) -> Answer {
        if self.fraction() >= self.rate {
            return Answer::Status(204);
        }
        let fault = self.faults[self.failures % self.faults.len()];
        self.failures += 1;
        let retry_after = || vec![("retry-after".to_owned(), RETRY_AFTER.as_secs().to_string())];
        match fault {
            Fault::Status(status) => Answer::Status(status),
            Fault::Unavailable => Answer::WithHeaders(503, retry_after()),
            Fault::Throttled => Answer::WithHeaders(429, retry_after()),
            Fault::ThrottledUntil => throttled_until(SystemTime::now() + RETRY_AFTER),
            Fault::GoogleThrottled => google_rate_limit("rateLimitExceeded"),
            Fault::Reset => Answer::Reset,
            Fault::Hang => Answer::Hang,
        }
    }

    /// splitmix64, which needs no dependency and gives a good sequence for every seed; as a fraction in 0..1.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let high = u32::try_from(mixed >> 32).expect("32 bits are left");
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

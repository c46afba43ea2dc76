//! When and how the calendar misbehaves. Only the seed, the event and the number of the call decide, so that a
//! run can be repeated with its calls in any order.

use std::time::Duration;

use super::EventId;

/// Longer than the daemon waits.
pub(super) const TOO_LATE: Duration = Duration::from_millis(2_500);

/// A way of misbehaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// 403 `rateLimitExceeded`.
    RateLimit,
    /// 403 `userRateLimitExceeded`.
    UserRateLimit,
    /// 429 with `Retry-After`.
    TooManyRequests,
    /// 500.
    BackendError,
    /// 503.
    Unavailable,
    /// 503 with `Retry-After`.
    UnavailableFor,
    /// It deletes, and answers after the caller's timeout.
    TooLate,
    /// It deletes, and answers 500.
    LostAnswer,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::RateLimit,
        Self::UserRateLimit,
        Self::TooManyRequests,
        Self::BackendError,
        Self::Unavailable,
        Self::UnavailableFor,
        Self::TooLate,
        Self::LostAnswer,
    ];

    /// Whether the event is deleted all the same.
    pub(super) const fn deletes(self) -> bool {
        matches!(self, Self::TooLate | Self::LostAnswer)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    share: f64,
    seed: u64,
}

impl Faults {
    pub(super) const fn new(share: f64, seed: u64) -> Self {
        Self { share, seed }
    }

    /// The fault in the answer to this call, if there is one.
    pub(super) fn of(&self, id: &EventId, call: u32) -> Option<Fault> {
        let draw = self.draw(id, call, 1);
        // 53 bits are what a double holds exactly.
        let misbehaves = ((draw >> 11) as f64) < self.share * (1_u64 << 53) as f64;
        misbehaves.then(|| Fault::ALL[(self.draw(id, call, 2) % 8) as usize])
    }

    /// How long the answer takes: 5 to 36 ms.
    pub(super) fn latency(&self, id: &EventId, call: u32) -> Duration {
        Duration::from_millis(5 + self.draw(id, call, 3) % 32)
    }

    /// FNV-1a over what is asked, then the finalizer of SplitMix64, which spreads it over all bits.
    fn draw(&self, id: &EventId, call: u32, purpose: u8) -> u64 {
        let seed = self.seed.to_le_bytes();
        let call = call.to_le_bytes();
        let bytes = seed.iter().chain(id.calendar.as_bytes()).chain(&[0xff]).chain(id.event.as_bytes());
        let hash = bytes
            .chain(&call)
            .chain(&[purpose])
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(share: f64, seed: u64) -> Vec<Option<Fault>> {
        let event = |n| EventId { calendar: "room".into(), event: format!("event{n}") };
        (0..10_000).map(|n| Faults::new(share, seed).of(&event(n), 1)).collect()
    }

    #[test]
    fn misbehaviour_has_the_stated_rate_and_every_kind() {
        let found = faults(0.2, 1);
        let count = found.iter().flatten().count();
        assert!((1_800..2_200).contains(&count), "{count} of 10,000");
        for fault in Fault::ALL {
            let count = found.iter().filter(|found| **found == Some(fault)).count();
            assert!((150..350).contains(&count), "{fault:?}: {count}");
        }
        assert!(faults(0.0, 1).iter().all(Option::is_none));
        assert!(faults(1.0, 1).iter().all(Option::is_some));
    }

    #[test]
    fn seed_decides() {
        assert_eq!(faults(0.2, 1), faults(0.2, 1));
        assert_ne!(faults(0.2, 1), faults(0.2, 2));
    }
}

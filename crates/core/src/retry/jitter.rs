//! The only file that uses the `backoff` crate.
//!
//! The crate is unmaintained (RUSTSEC-2025-0012, recorded in deny.toml). It gives the exponential curve and the random
//! draw, so that replacing it means replacing this file.

use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff};

use crate::config::Retry;

/// The delay before the try after failure number `failures` (from 1), drawn from `0..=interval`. The interval grows by
/// `multiplier` with each failure and stops at `max_interval` ("full jitter", AWS Architecture Blog, "Exponential
/// Backoff And Jitter").
pub(super) fn full_jitter(retry: &Retry, failures: u32) -> Duration {
    let grown = retry.initial_interval.as_secs_f64() * retry.multiplier.powi(failures.saturating_sub(1) as i32);
    let interval = Duration::from_secs_f64(grown.min(retry.max_interval.as_secs_f64()));
    // With a randomization of 1.0, backoff 0.4 draws from 0 to twice the interval: half of it gives full jitter.
    let mut backoff = ExponentialBackoff {
        current_interval: interval / 2,
        initial_interval: interval / 2,
        randomization_factor: 1.0,
        multiplier: retry.multiplier,
        max_interval: retry.max_interval,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    backoff.next_backoff().unwrap_or(interval).min(interval)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(multiplier: f64) -> Retry {
        Retry {
            max_attempts: 30,
            initial_interval: Duration::from_secs(1),
            multiplier,
            max_interval: Duration::from_secs(3600),
            give_up_after: Duration::from_secs(259_200),
        }
    }

    proptest! {
        #[test]
        fn a_delay_is_never_longer_than_its_interval(failures in 1u32..100_000, multiplier in 1.0f64..10.0) {
            let interval = multiplier.powi(failures as i32 - 1).min(3600.0);
            prop_assert!(full_jitter(&policy(multiplier), failures).as_secs_f64() <= interval + 1e-6);
        }
    }

    #[test]
    fn delays_use_the_whole_interval() {
        let policy = policy(2.0);
        let delays: Vec<f64> = (0..2000).map(|_| full_jitter(&policy, 4).as_secs_f64()).collect();
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        assert!((3.6..4.4).contains(&mean), "the mean of 0..=8 s is 4 s, measured {mean}");
        assert!(delays.iter().any(|d| *d < 1.0) && delays.iter().any(|d| *d > 7.0));
    }
}

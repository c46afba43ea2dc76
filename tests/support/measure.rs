//! Claims about time.

use std::time::Duration;

/// How often a measurement is repeated that does not hold.
const ROUNDS: usize = 5;

/// Asserts that `measure` takes at most `bound`. What a program needs is a claim about a machine with time to spare;
/// one that others keep busy has it in its quiet moments only, so the best of several rounds counts.
///
/// # Panics
/// When no round was within `bound`, with what each took.
pub async fn takes_at_most(bound: Duration, mut measure: impl AsyncFnMut() -> Duration) {
    let mut taken = Vec::new();
    for _ in 0..ROUNDS {
        taken.push(measure().await);
        if taken.last().is_some_and(|last| *last <= bound) {
            return;
        }
    }
    panic!("at most {bound:?} was wanted, and it took {taken:?}");
}

/// The middle one of some measurements.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

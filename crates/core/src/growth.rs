//! How the time of a function grows with its input, for tests. Whoever writes a row's value, an answer or a request
//! chooses its length, so every function that works on them takes time proportional to it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const SHORT: usize = 8 * 1024;
const LONG: usize = 64 * 1024;
/// What a loaded machine may add to the least of several runs.
const SLACK: Duration = Duration::from_millis(5);

/// Runs `work` on inputs of 8 and of 64 KB. Panics if the longer one takes more than three times its eightfold: an
/// input that was looked at once for each of its characters would take 64 times as long.
pub(crate) fn assert_linear<T, R>(what: &str, input: impl Fn(usize) -> T, work: impl Fn(&T) -> R) {
    let least = |length: usize| {
        let input = input(length);
        let runs = (0..7).map(|_| {
            let start = Instant::now();
            black_box(work(&input));
            start.elapsed()
        });
        runs.min().unwrap_or_default()
    };
    let (short, long) = (least(SHORT), least(LONG));
    let ratio = long.as_secs_f64() / short.as_secs_f64().max(1e-9);
    println!("growth | {what} | {short:?} | {long:?} | {ratio:.1}");
    assert!(long <= short * 24 + SLACK, "{what}: {short:?} for 8 KB and {long:?} for 64 KB");
}

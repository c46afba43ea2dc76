//! How the time of a function grows with its input, for tests. Clients and targets choose the length of a row's value,
//! an answer or a request, so every function that works on them takes time proportional to it.

use std::{hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};

const SHORT: usize = 8 * 1024;
const LONG: usize = 64 * 1024;
/// What a loaded machine may add to the least of several runs.
const SLACK: Duration = Duration::from_millis(5);

/// So often a machine that is busy with other things is given another chance.
const ROUNDS: usize = 5;

/// The time that this thread has had a processor: other work on the machine does not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Runs `work` on inputs of 8 and of 64 KB. Panics if the longer one takes more than three times its eightfold, however
/// often it is measured. An input that is gone through once for each of its characters takes 64 times as long.
pub(crate) fn assert_linear<T, R>(what: &str, input: impl Fn(usize) -> T, work: impl Fn(&T) -> R) {
    let (short, long) = (input(SHORT), input(LONG));
    let least = |input: &T| {
        let runs = (0..7).map(|_| {
            let start = cpu_time();
            black_box(work(input));
            cpu_time().saturating_sub(start)
        });
        runs.min().unwrap_or_default()
    };
    let rounds = (0..ROUNDS).map(|_| (least(&short), least(&long)));
    let mut seen = Vec::new();
    for (short, long) in rounds {
        let ratio = long.as_secs_f64() / short.as_secs_f64().max(1e-9);
        println!("growth | {what} | {short:?} | {long:?} | {ratio:.1}");
        if long <= short * 24 + SLACK {
            return;
        }
        seen.push((short, long));
    }
    panic!("{what} does not grow with its length alone, for 8 and 64 KB: {seen:?}");
}

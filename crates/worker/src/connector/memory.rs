//! The memory for answers that are being read, of the whole process (`worker.answer_memory_mib`).
//!
//! A target chooses how much there is to read, and sixty-four calls at once may be answered at the same time.
//! The beginning of an answer is free. For more, an answer reserves once what it may need at most, and waits for it
//! within the call's deadline: none waits for a second part while it holds a first one.

use std::{sync::Arc, time::Instant};

use sexton_core::outcome::Reserved;
use tokio::sync::Semaphore;

/// The bytes of an answer that are free: more than most answers have.
pub(super) const FREE: usize = 16 * 1024;
/// What is reserved at once.
const UNIT: usize = 1024;
const MIB: usize = 1024 * 1024;

/// The memory for answers.
#[derive(Debug, Clone)]
pub(super) struct AnswerMemory {
    units: Arc<Semaphore>,
    total: usize,
}

impl AnswerMemory {
    pub(super) fn of_mib(mib: usize) -> Self {
        let total = (mib.saturating_mul(MIB) / UNIT).min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { units: Arc::new(Semaphore::new(total)), total }
    }

    /// Reserves `bytes`, or all there is if that is less. None if there was not so much before the deadline.
    pub(super) async fn reserve(&self, bytes: usize, deadline: Instant) -> Option<Reserved> {
        let units = u32::try_from(bytes.div_ceil(UNIT).min(self.total)).unwrap_or(u32::MAX);
        let wait = tokio::time::timeout_at(deadline.into(), Arc::clone(&self.units).acquire_many_owned(units));
        wait.await.ok()?.ok().map(Reserved::new)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn memory_is_waited_for_until_the_deadline_and_given_back_with_the_answer() {
        let memory = AnswerMemory::of_mib(1);
        let soon = || Instant::now() + Duration::from_millis(20);
        let half = memory.reserve(MIB / 2, soon()).await.unwrap();
        let copy = half.clone();
        assert!(memory.reserve(8 * MIB, soon()).await.is_none(), "all of it is not free");
        drop(half);
        assert!(memory.reserve(MIB, soon()).await.is_none(), "a copy of the answer is left");
        let waiting = memory.reserve(8 * MIB, Instant::now() + Duration::from_secs(60));
        let (all, ()) = tokio::join!(waiting, async { drop(copy) });
        assert!(all.is_some(), "more than there is means all of it");
    }
}

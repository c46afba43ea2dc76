//! What is left of a run's budget.

use std::time::Instant;

use sexton_core::config::SweepBudget;

/// The rows and the time that a run may still use.
pub(super) struct RemainingBudget {
    rows: u64,
    pub(super) deadline: Instant,
}

impl RemainingBudget {
    pub(super) fn new(budget: SweepBudget) -> Self {
        Self { rows: budget.rows, deadline: Instant::now() + budget.time }
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.rows == 0 || Instant::now() >= self.deadline
    }

    /// How many rows the next statement may look at: at most `limit`.
    pub(super) fn batch(&self, limit: usize) -> usize {
        limit.min(usize::try_from(self.rows).unwrap_or(usize::MAX))
    }

    /// Takes rows that a statement looked at.
    pub(super) fn spend(&mut self, rows: usize) {
        self.rows = self.rows.saturating_sub(rows as u64);
    }
}

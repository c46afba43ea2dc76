//! What keeps a row from being read or deleted, and what becomes of its deletion then.

use std::time::Duration;

use sexton_core::{
    db::{self, Refusal},
    outcome::{DeadKind, Failure, Outcome},
};

use super::{execution::Execution, failed_calls::FailedCall};
use crate::hard_delete::MOST_IN_CIRCLE;

/// How soon a deletion is tried once more whose row could not be read for want of a connection.
const DATABASE_AWAY: Duration = Duration::from_secs(1);

impl Execution<'_> {
    /// The row was unmarked, or another row has its key.
    pub(super) async fn row_live_again(self) {
        let why = match self.claim.marker_rule {
            Some(rule) => {
                let column = self.table.rules.get(rule).map_or("", |rule| rule.column.name.as_str());
                format!("{column} of the row no longer has the value that was written when it was removed")
            }
            None => "the row had been deleted without a request, and there is a row with its key again".to_owned(),
        };
        self.die(DeadKind::RowLiveAgain, &why).await;
    }

    /// The row is gone, and another may own its twins.
    pub(super) async fn owned_by_another_row(self) {
        let why = "what it would delete again may be that of another row by now";
        self.die(DeadKind::RowLiveAgain, why).await;
    }

    /// Nothing was called yet, and nothing is called before the row was read.
    pub(super) async fn row_unreadable(self, error: &db::Error) {
        match error.refusal() {
            Some(refusal) if refusal.is_contention() => self.row_locked().await,
            Some(refusal) => self.row_refused(&refusal, error).await,
            None if error.is_about_data() => self.die(DeadKind::Unreadable, &error.without_row_content()).await,
            None => self.snooze(DATABASE_AWAY, None).await,
        }
    }

    /// The database refused a statement on the row.
    pub(super) async fn row_refused(self, refusal: &Refusal, error: &db::Error) {
        let dead = error.is_about_data().then_some(DeadKind::Unreadable);
        let id = self.claim.id;
        let error = self.table.loggable_error(error);
        tracing::warn!(%id, error, "the database refused deletion {id}");
        let failure = Failure { status: None, reason: format!("database_{}", refusal.code) };
        self.row_failed(Outcome::Retry(failure), dead).await;
    }

    /// Another transaction has a lock on the row.
    pub(super) async fn row_locked(self) {
        let failure = Failure { status: None, reason: "row_locked".to_owned() };
        self.row_failed(Outcome::Throttled { retry_after: None, failure }, None).await;
    }

    /// A foreign key, named `by`, keeps the row.
    pub(super) async fn row_referenced(self, by: &str) {
        let failure = Failure { status: None, reason: format!("still referenced ({by})") };
        self.row_failed(Outcome::Retry(failure), Some(DeadKind::Referenced)).await;
    }

    /// Its children reference each other in a circle, and are too many for one transaction.
    pub(super) async fn row_in_large_circle(self) {
        let why =
            format!("more than {MOST_IN_CIRCLE} of its children reference each other in a circle, or are above one");
        self.die(DeadKind::Referenced, &why).await;
    }

    /// The database kept the row without an error.
    pub(super) async fn row_not_deleted(self) {
        let why = format!("{} kept the row without an error: a trigger or rule", self.table.resource.table);
        self.die(DeadKind::NotDeleted, &why).await;
    }

    /// The database kept a child of the row, in `table`, without an error.
    pub(super) async fn child_not_deleted(self, table: &str) {
        let why = format!("{table} kept a child of the row without an error: a trigger or rule");
        self.die(DeadKind::NotDeleted, &why).await;
    }

    /// The database did not let the row go this time: settled like a failed call. `dead` as in [`Self::calls_failed`].
    pub(super) async fn row_failed(self, outcome: Outcome, dead: Option<DeadKind>) {
        let retry = self.engine.context.config.retry;
        let call = FailedCall {
            target: "row".to_owned(),
            outcome,
            refused_alone: false,
            duration: self.since.elapsed(),
            retry,
        };
        self.calls_failed(&[call], dead).await;
    }
}

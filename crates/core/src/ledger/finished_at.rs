//! The order of finished deletions, in which they are read page by page.

use serde::{Deserialize, Serialize};

use crate::{
    db::{self, Named, Row},
    ids::DeletionId,
};

/// When a deletion finished, and its id; the next page begins after both. Values from one database sort by time,
/// because it writes times in UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FinishedAt {
    pub(crate) at: String,
    pub(crate) id: String,
}

/// Whether a row comes after the last of the page before, for [`Pages`](crate::db::Pages) in the order of a time and an
/// id.
pub(crate) fn after_last(time: &str, id: &str) -> String {
    format!("({time}, {id}) > ({{timestamptz:@last_at}}, {{uuid:@last_id}})")
}

impl FinishedAt {
    /// The deletion; none if the id is none, which only a cursor of another release can have.
    #[must_use]
    pub fn deletion(&self) -> Option<DeletionId> {
        self.id.parse().ok()
    }

    /// The columns `at` and `id`, with the time as the database writes it.
    pub(crate) fn read(row: &Row) -> Result<Self, db::Error> {
        Ok(Self { at: row.get("at")?, id: row.get("id")? })
    }

    /// The values for [`after_last`].
    pub(crate) fn named(&self) -> Vec<Named> {
        vec![("last_at", self.at.as_str().into()), ("last_id", self.id.as_str().into())]
    }
}

//! What a restore reads in the ledger.

use super::take_back::restorable_statement;
use crate::db::{self, Sql, Words};

pub(super) struct Statements {
    /// Reads the deletion `@id` if it may be restored, and locks it (PostgreSQL).
    pub(super) restorable: Sql,
    pub(super) row_of_deletion: Sql,
    /// SQLite; as is the next.
    pub(super) mark_of_deletion: Sql,
    pub(super) marks_of_children: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let row_of_deletion =
            "-- look for the row of a deletion\nselect resource, key from {deletion} where id = {uuid:@id}";
        let mark_of_deletion = "-- read the marker of a deletion
            select resource, key, marker_rule, marker_value, marker_before from {deletion} where id = {uuid:@id}";
        let marks_of_children = "-- read the markers of children
            select resource, key, marker_rule, marker_value, marker_before from {child} where deletion_id = {uuid:@id}";
        Self {
            restorable: restorable_statement(words),
            row_of_deletion: words.render(row_of_deletion),
            mark_of_deletion: words.render(mark_of_deletion),
            marks_of_children: words.render(marks_of_children),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_no_unknown_words() {
        crate::ledger::Ledger::render_for_every_dialect::<super::Statements>();
    }
}

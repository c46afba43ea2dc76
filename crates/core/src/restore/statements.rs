//! What a restore reads and writes in the ledger.

use crate::db::{self, Sql, Words};

pub(super) struct Statements {
    /// Reads those of the deletions `@ids` that may be restored, and locks them (PostgreSQL).
    pub(super) restorable: Sql,
    pub(super) rows_of_deletions: Sql,
    /// SQLite; as is the next.
    pub(super) marks_of_deletions: Sql,
    pub(super) marks_of_children: Sql,
    /// PostgreSQL; as is the next.
    pub(super) postpone: Sql,
    pub(super) undo_postponement: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let restorable = words.pick(
            "-- lock deletions that may be restored
             select id::text as id, resource, key from {deletion}
             where id {any_uuid:@ids} and state in ({from:Restored}) and called_at is null
             order by id
             for update",
            "-- read deletions that may be restored
             select id, resource, key from {deletion}
             where id {any_uuid:@ids} and state in ({from:Restored}) and called_at is null
             order by id",
        );
        let rows_of_deletions = "-- look for the tables of deletions
            select distinct resource from {deletion} where id {any_uuid:@ids} order by resource";
        let marks_of_deletions = "-- read the markers of deletions
            select id, resource, key, marker_rule, marker_value, marker_before from {deletion} where id {any_uuid:@ids}";
        let marks_of_children = "-- read the markers of children
            select deletion_id as id, resource, key, marker_rule, marker_value, marker_before
            from {child} where deletion_id {any_uuid:@ids}";
        Self {
            restorable: words.render_for(restorable, &["ids"]),
            rows_of_deletions: words.render(rows_of_deletions),
            marks_of_deletions: words.render(marks_of_deletions),
            marks_of_children: words.render(marks_of_children),
            postpone: words.render(include_str!("postpone.postgres.sql")),
            undo_postponement: words.render(include_str!("undo_postponement.postgres.sql")),
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

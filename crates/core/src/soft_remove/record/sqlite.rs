//! Phase 1 on SQLite: row by row, in a transaction that holds the write lock from its beginning. What there is already
//! is read first.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{RecordedRow, RowToRecord};
use crate::{
    catalog::Table,
    db::{self, Sql, Words},
    ids::{DeletionId, Fence},
    ledger::{Confirmations, Ledger, Phase, has_confirmed},
    soft_remove::{
        mark_row::{MarkedRow, mark_row},
        request::{DeletionRequest, Requested, delay_ms, target_names},
    },
    state::{Cancellation, Event, State, next},
    store::Store,
    template::Values,
};

pub(super) async fn record(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[RowToRecord],
    request: &DeletionRequest,
) -> Result<Vec<RecordedRow>, db::Error> {
    let recording = Recording { transaction, ledger: &store.ledger, table, request };
    let mut recorded = Vec::new();
    let mut seen = HashSet::new();
    for RowToRecord { key, parent } in rows.iter().filter(|row| seen.insert(&row.key)) {
        let Some(mut row) = mark_row(transaction, table, key).await? else { continue };
        if store.catalog.is_child(&table.name) {
            row.marker_before = recording.before_mark_as_child(&row).await?;
        }
        let (links, rule) = (table.links(&row.payload), row.rule);
        let requested = recording.record_row(row, *parent).await?;
        recorded.push(RecordedRow { key: key.clone(), requested, links, rule });
    }
    Ok(recorded)
}

/// What phase 1 reads and writes in the ledger on SQLite.
pub(in crate::soft_remove) struct Statements {
    known: Sql,
    before_mark_as_child: Sql,
    insert: Sql,
    refresh: Sql,
    pub(in crate::soft_remove) earlier_mark: Sql,
    pub(in crate::soft_remove) remember: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let known = "-- look for the deletion of a row
            select id, state, fence, phase, confirmations, payload, marker_column, marker_before, called_at,
                former, {comparable_marker:marker_value} is {comparable_marker:@marker_before} as has_marker_of_row
            from {deletion} where resource = @resource and key = @key";
        let before_mark_as_child = "-- look for an earlier mark of a row
            select marker_before from {child}
            where resource = @resource and key = @key
                and {comparable_marker:marker_value} = {comparable_marker:@marker_value}
            limit 1";
        Self {
            known: words.render(known),
            before_mark_as_child: words.render(before_mark_as_child),
            insert: words.render(include_str!("sqlite.insert.sql")),
            refresh: words.render(include_str!("sqlite.refresh.sql")),
            earlier_mark: words.render(include_str!("../mark_children.earlier_mark.sqlite.sql")),
            remember: words.render(include_str!("../mark_children.remember.sqlite.sql")),
        }
    }
}

/// What it takes to record the deletions of a request.
struct Recording<'r, C> {
    transaction: &'r C,
    ledger: &'r Ledger,
    table: &'r Table,
    request: &'r DeletionRequest,
}

/// The open or dead deletion of a row.
struct KnownDeletion {
    id: DeletionId,
    state: State,
    fence: Fence,
    phase: Phase,
    confirmations: Confirmations,
    payload: Values,
    marker_column: Option<String>,
    /// Whether its marker is what the row's marker column held a moment ago.
    has_marker_of_row: bool,
    marker_before: Option<String>,
    called_at: Option<String>,
    former: Vec<Values>,
}

impl<C: ConnectionTrait> Recording<'_, C> {
    async fn record_row(&self, row: MarkedRow, parent: Option<DeletionId>) -> Result<Requested, db::Error> {
        match self.known(&row).await? {
            Some(known) if next(known.state, Event::Superseded).is_ok() => {
                self.ledger.cancel(self.transaction, &[known.id], Cancellation::Superseded).await?;
                self.insert(row, Some(known), parent).await
            }
            // Its worker calls with what it read, and completes only a row that still says so.
            Some(known) if next(known.state, Event::Finished).is_ok() => {
                let KnownDeletion { id, state, fence, .. } = known;
                Ok(Requested { id, key: row.key, created: false, state, fence, due: false })
            }
            Some(known) => self.refresh(row, known).await,
            None => self.insert(row, None, parent).await,
        }
    }

    async fn known(&self, row: &MarkedRow) -> Result<Option<KnownDeletion>, db::Error> {
        let query = self.ledger.statements::<Statements>().known.bind([
            ("resource", self.table.name.as_str().into()),
            ("key", row.key.as_str().into()),
            ("marker_before", row.marker_before.clone().into()),
        ]);
        let Some(row) = query.one(self.transaction).await? else { return Ok(None) };
        Ok(Some(KnownDeletion {
            id: row.parse("id")?,
            state: row.parse("state")?,
            fence: Fence(row.get("fence")?),
            phase: row.parse("phase")?,
            confirmations: row.json("confirmations")?,
            payload: row.json("payload")?,
            marker_column: row.get("marker_column")?,
            has_marker_of_row: row.get("has_marker_of_row")?,
            marker_before: row.get("marker_before")?,
            called_at: row.get("called_at")?,
            former: row.json("former")?,
        }))
    }

    /// What was in the marker column before the row was first marked: it may have been marked as the child of another.
    async fn before_mark_as_child(&self, row: &MarkedRow) -> Result<Option<String>, db::Error> {
        let query = self.ledger.statements::<Statements>().before_mark_as_child.bind([
            ("resource", self.table.name.as_str().into()),
            ("key", row.key.as_str().into()),
            ("marker_value", row.marker_before.clone().into()),
        ]);
        match query.one(self.transaction).await? {
            Some(earlier) => earlier.get("marker_before"),
            None => Ok(row.marker_before.clone()),
        }
    }

    async fn insert(
        &self,
        row: MarkedRow,
        superseded: Option<KnownDeletion>,
        parent: Option<DeletionId>,
    ) -> Result<Requested, db::Error> {
        let (table, request) = (self.table, self.request);
        let id = DeletionId::new();
        let marker_before = first_marker_before(&row, superseded.as_ref());
        if let Some(dead) = &superseded {
            self.ledger.move_children(self.transaction, dead.id, id).await?;
        }
        let former = superseded.as_ref().map(|dead| former_payloads(table, dead, &row)).unwrap_or_default();
        let called_at = superseded.as_ref().and_then(|dead| dead.called_at.clone());
        let confirmations = superseded
            .map(|dead| table.still_confirmed(dead.confirmations, &dead.payload, &row.payload))
            .unwrap_or_default();
        let insert = self.ledger.statements::<Statements>().insert.bind([
            ("id", id.to_string().into()),
            ("resource", table.name.as_str().into()),
            ("key", row.key.as_str().into()),
            ("lane", table.lane(|target| has_confirmed(&confirmations, target)).as_str().into()),
            ("delay_ms", delay_ms(table, request).into()),
            ("batch", request.batch.to_string().into()),
            ("marker_rule", i64::try_from(row.rule).unwrap_or_default().into()),
            ("marker_column", row.marker_column.into()),
            ("marker_value", row.marker_value.into()),
            ("marker_before", marker_before.into()),
            ("targets", target_names(table).into()),
            ("confirmations", json!(confirmations).to_string().into()),
            ("payload", json!(row.payload).to_string().into()),
            ("requested_by", request.by.as_str().into()),
            ("reason", request.reason.clone().into()),
            ("trace_context", request.trace_context.clone().into()),
            ("called_at", called_at.into()),
            ("parent", parent.map(|parent| parent.to_string()).into()),
            ("former", json!(former).to_string().into()),
        ]);
        let recorded = insert.one(self.transaction).await?;
        let recorded = recorded.ok_or_else(|| db::Error::other("record a deletion", "nothing was inserted"))?;
        let due = recorded.get("due")?;
        Ok(Requested { id, key: row.key, created: true, state: State::Pending, fence: Fence(0), due })
    }

    /// Fresh payload and marker for a pending or waiting deletion; a target whose columns changed is asked anew.
    async fn refresh(&self, row: MarkedRow, known: KnownDeletion) -> Result<Requested, db::Error> {
        let table = self.table;
        let marker_before = first_marker_before(&row, Some(&known));
        let former = former_payloads(table, &known, &row);
        let confirmed = known.confirmations.len();
        let confirmations = table.still_confirmed(known.confirmations, &known.payload, &row.payload);
        let must_confirm_anew = known.phase == Phase::HardDelete && confirmations.len() < confirmed;
        let update = self.ledger.statements::<Statements>().refresh.bind([
            ("id", known.id.to_string().into()),
            ("payload", json!(row.payload).to_string().into()),
            ("marker_rule", i64::try_from(row.rule).unwrap_or_default().into()),
            ("marker_column", row.marker_column.into()),
            ("marker_value", row.marker_value.into()),
            ("marker_before", marker_before.into()),
            ("lane", table.lane(|target| has_confirmed(&confirmations, target)).as_str().into()),
            ("confirmations", json!(confirmations).to_string().into()),
            ("must_confirm_anew", must_confirm_anew.into()),
            ("delay_ms", delay_ms(table, self.request).into()),
            ("former", json!(former).to_string().into()),
        ]);
        let updated = update.one(self.transaction).await?;
        let updated =
            updated.ok_or_else(|| db::Error::other("refresh an open deletion", "it is not there any more"))?;
        let KnownDeletion { id, state, fence, .. } = known;
        Ok(Requested { id, key: row.key, created: false, state, fence, due: updated.get("due")? })
    }
}

/// What the marker column held before it was first marked: a row that still carries our marker was marked by us.
fn first_marker_before(row: &MarkedRow, known: Option<&KnownDeletion>) -> Option<String> {
    let ours = |known: &&KnownDeletion| known.marker_column == row.marker_column && known.has_marker_of_row;
    known.filter(ours).map_or_else(|| row.marker_before.clone(), |known| known.marker_before.clone())
}

/// The payloads that the deletion has, and its own if the row that is requested now is another one: see
/// `former_payloads` in `postgres.sql`.
fn former_payloads(table: &Table, known: &KnownDeletion, row: &MarkedRow) -> Vec<Values> {
    let mut former = known.former.clone();
    let is_another_row = known.marker_column.is_none() || !known.has_marker_of_row;
    if is_another_row && table.has_other_twin(&known.confirmations, &known.payload, &row.payload) {
        former.push(known.payload.clone());
    }
    former
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_no_unknown_words() {
        crate::ledger::Ledger::render_for_every_dialect::<super::Statements>();
    }
}

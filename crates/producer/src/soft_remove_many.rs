//! Removing all rows that a filter matches, a bounded number in each transaction.

use std::{fmt, marker::PhantomData};

use sea_orm::{Condition, ConnectionTrait, EntityTrait};
use sexton_core::{catalog::Table, db::RowLocks, ids::BatchId, key::Key};

use crate::{
    Error, Producer,
    key_pages::{KeyCursor, KeyPage, KeyPages},
    rows::KeyedRows,
};

/// Rows per transaction, unless [`SoftRemoveMany::batch_size`] says otherwise.
const BATCH_SIZE: usize = 500;

/// Removes all live rows that a filter matches; see
/// [`SoftRemoveEntity::soft_remove_many`](crate::SoftRemoveEntity::soft_remove_many).
///
/// Rows are taken in the order of their keys, a bounded number in each transaction and in memory, so that no lock is
/// held for long. What a transaction committed is requested, whatever happens later. All of it is under one batch id,
/// by which it can be resumed, and taken back by [`Scope::restore_batch`](crate::Scope::restore_batch). Rows that
/// appear behind its back while it runs are not looked for.
///
/// ```no_run
/// # mod booking {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "booking")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i64, pub room: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use sea_orm::ColumnTrait;
/// use sexton_producer::{BatchId, Producer, Request, prelude::*};
///
/// # async fn example(producer: Producer) -> Result<(), sexton_producer::Error> {
/// let in_blue = || booking::Entity::soft_remove_many(booking::Column::Room.eq("blue"));
/// println!("{} bookings to remove", in_blue().dry_run(&producer).await?);
///
/// let alice = producer.with(Request::by("alice").reason("room closed"));
/// let done = in_blue()
///     .batch_size(200)
///     .on_progress(|progress| println!("{} removed", progress.requested))
///     .exec(&alice)
///     .await?;
///
/// // A job that may be killed: with the same id it resumes where it was.
/// let batch = BatchId::new(); // kept with the job
/// in_blue().resume(batch).exec(&alice).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is removed before `exec`"]
pub struct SoftRemoveMany<'p, E> {
    filter: Condition,
    batch_size: usize,
    resume: Option<BatchId>,
    on_progress: Option<OnProgress<'p>>,
    entity: PhantomData<E>,
}

type OnProgress<'p> = Box<dyn FnMut(&Progress) + Send + 'p>;

/// How far [`SoftRemoveMany`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The id of all of it.
    pub batch: BatchId,
    /// Rows that this run newly requested.
    pub requested: u64,
    /// Rows without a marker that had an open deletion all the same, which is not counted as requested.
    pub open_already: u64,
    /// Transactions that this run committed.
    pub transactions: u64,
    /// Rows that the database refused to mark, because of a trigger or a constraint; the others went on.
    pub refused: u64,
    /// The first of these, at most twenty.
    pub refused_rows: Vec<RefusedRow>,
}

/// A row that the database refused to mark.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedRow {
    /// Its key, as the ledger would have it.
    pub key: String,
    /// What the database said.
    pub error: String,
}

/// This number of rows in sequence, refused for a reason that is likely to hold for all, ends the run.
const MOST_GENERAL: usize = 3;

/// How many refused rows [`Progress`] names.
const MOST_NAMED: usize = 20;

impl<'p, E: EntityTrait> SoftRemoveMany<'p, E> {
    pub(crate) fn new(filter: Condition) -> Self {
        Self { filter, batch_size: BATCH_SIZE, resume: None, on_progress: None, entity: PhantomData }
    }

    /// The most rows of a transaction: 500 unless this says otherwise, at least one.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = rows.max(1);
        self
    }

    /// Calls `report` after each commit, and not at all if no row matches.
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + Send + 'p) -> Self {
        self.on_progress = Some(Box::new(report));
        self
    }

    /// Runs under this batch id. If an earlier run under it stopped, this one continues: rows that it requested are not
    /// requested again, not even those that were restored since. The id may be a new one.
    pub const fn resume(mut self, batch: BatchId) -> Self {
        self.resume = Some(batch);
        self
    }

    /// The number of rows that [`Self::exec`] would take now. Changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] or [`Error::AmbiguousTable`], [`Error::Database`].
    pub async fn dry_run(self, producer: &Producer) -> Result<u64, Error> {
        let table = producer.table_of::<E>()?;
        let pages = KeyPages::new(table, self.filter, self.batch_size);
        let conn = &producer.shared.store.db.conn;
        let Some(batch) = self.resume else {
            return pages.count::<E>(conn).await;
        };
        let (mut count, mut cursor) = (0, None);
        loop {
            let page = pages.read::<E>(conn, cursor, RowLocks::None).await?;
            count += not_requested_yet(producer, table, conn, batch, &page).await?.len() as u64;
            if page.len() < self.batch_size {
                return Ok(count);
            }
            cursor = page.into_last();
        }
    }

    /// Removes the rows. Dropping the future stops it at the last commit.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] or [`Error::AmbiguousTable`] before anything was done; [`Error::Interrupted`] with the
    /// batch id to resume.
    pub async fn exec(mut self, producer: &Producer) -> Result<Progress, Error> {
        let table = producer.table_of::<E>()?;
        let batch = self.resume.or(producer.request.batch_id()).unwrap_or_default();
        let mut on_progress = self.on_progress.take();
        let mut pages = KeyPages::new(table, self.filter, self.batch_size);
        let mut progress =
            Progress { batch, requested: 0, open_already: 0, transactions: 0, refused: 0, refused_rows: Vec::new() };
        let (mut cursor, mut general) = (None, 0);
        loop {
            let step = step::<E>(producer, &pages, cursor.clone(), self.resume, &mut progress).await;
            let step = step.map_err(|source| interrupted(table, &progress, source))?;
            let page = match step {
                // A row of the page is refused: smaller pages, until it is alone.
                PageOutcome::Refused(page, _) if page.len() > 1 => {
                    pages.size = page.len() / 2;
                    continue;
                }
                PageOutcome::Refused(page, error) => {
                    let is_general = error.refusal().is_some_and(|refusal| refusal.is_general());
                    general = if is_general { general + 1 } else { 0 };
                    if general == MOST_GENERAL {
                        return Err(interrupted(table, &progress, error));
                    }
                    progress.refuse(&page, &error);
                    page
                }
                PageOutcome::Done(page) => {
                    general = 0;
                    page
                }
            };
            if page.is_empty() {
                return Ok(progress);
            }
            if let Some(report) = &mut on_progress {
                report(&progress);
            }
            if page.len() < pages.size {
                return Ok(progress);
            }
            pages.size = (pages.size * 2).min(self.batch_size);
            cursor = page.into_last();
        }
    }
}

fn interrupted(table: &Table, progress: &Progress, source: Error) -> Error {
    let (table, batch) = (table.resource.table.clone(), progress.batch);
    Error::Interrupted { table, batch, requested: progress.requested, source: Box::new(source) }
}

impl Progress {
    fn refuse(&mut self, page: &KeyPage, error: &Error) {
        self.refused += page.len() as u64;
        let free = MOST_NAMED.saturating_sub(self.refused_rows.len());
        let rows = page.keys().map(|key| RefusedRow { key: key.to_string(), error: error.to_string() });
        self.refused_rows.extend(rows.take(free));
    }
}

/// What became of a page.
enum PageOutcome {
    /// It is committed.
    Done(KeyPage),
    /// It is rolled back: the database refuses one of its rows.
    Refused(KeyPage, Error),
}

/// One transaction: reads the next rows, locked, and removes them, so that they still match when they are marked.
async fn step<E: EntityTrait>(
    producer: &Producer,
    pages: &KeyPages<'_>,
    after: Option<KeyCursor>,
    resume: Option<BatchId>,
    progress: &mut Progress,
) -> Result<PageOutcome, Error> {
    let transaction = producer.begin_own().await?;
    let page = pages.read::<E>(&transaction, after, RowLocks::Wait).await?;
    if page.is_empty() {
        transaction.rollback().await.map_err(Error::database("end a transaction"))?;
        return Ok(PageOutcome::Done(page));
    }
    let keys = match resume {
        Some(batch) => not_requested_yet(producer, pages.table, &transaction, batch, &page).await?,
        None => page.keys().cloned().collect(),
    };
    let rows = KeyedRows::new(pages.table, keys.into_iter().map(Ok))?;
    let requested = match producer.request(&transaction, &rows, Some(progress.batch)).await {
        Ok(requested) => requested,
        Err(error) if error.refusal().is_some() => {
            transaction.rollback().await.map_err(Error::database("end a transaction"))?;
            return Ok(PageOutcome::Refused(page, error));
        }
        Err(error) => return Err(error),
    };
    match producer.commit(transaction, &rows, &requested).await {
        Ok(()) => {}
        // A constraint that is checked at the end.
        Err(error) if error.refusal().is_some() => return Ok(PageOutcome::Refused(page, error)),
        Err(error) => return Err(error),
    }
    let created = requested.iter().filter(|one| one.created).count();
    progress.requested += created as u64;
    progress.open_already += (requested.len() - created) as u64;
    progress.transactions += 1;
    Ok(PageOutcome::Done(page))
}

/// The keys of the page that an earlier run under this id did not request.
async fn not_requested_yet(
    producer: &Producer,
    table: &Table,
    conn: &impl ConnectionTrait,
    batch: BatchId,
    page: &KeyPage,
) -> Result<Vec<Key>, Error> {
    let mut keys: Vec<_> = page.keys().cloned().collect();
    let before = producer.shared.store.ledger.keys_of_batch(conn, batch, table.name.as_str(), &keys).await;
    let before = before.map_err(Error::database("read what the batch has done so far"))?;
    keys.retain(|key| !before.contains(&key.to_string()));
    Ok(keys)
}

impl<E> fmt::Debug for SoftRemoveMany<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, batch_size, resume, .. } = self;
        let mut shown = f.debug_struct("SoftRemoveMany");
        shown.field("filter", filter).field("batch_size", batch_size).field("resume", resume).finish_non_exhaustive()
    }
}

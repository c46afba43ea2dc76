//! The transaction in which rows are removed and restored: ours or the caller's.

use std::future::Future;

use sea_orm::DatabaseTransaction;
use sexton_core::{
    db::kill_point,
    ids::{BatchId, DeletionId},
    restore::{MarkedRows, Restored, postpone_batch, restore, restore_batch},
    soft_remove::{Requested, soft_remove},
};

use crate::{
    Error, Producer,
    pending::due,
    rows::{KeyedRows, ToRestore},
};
use sealed::{At, Sealed};

/// What rows are removed and restored through:
/// * a [`Producer`]: each call is a transaction of its own and hints at once;
/// * a [`Transaction`](crate::Transaction): calls join it, and it hints when it has committed.
///
/// There is no third: on a pool as such, the mark and its record would not be one. The methods here are for callers who
/// have no row at hand; for those who have, see [`SoftRemoveRow`](crate::SoftRemoveRow).
///
/// ```no_run
/// # async fn example(producer: sexton_producer::Producer) -> Result<(), sexton_producer::Error> {
/// use sexton_producer::{BatchId, Request, prelude::*};
///
/// let requested = producer.soft_remove_by_key("block", "42").await?;
/// producer.restore(requested.id).await?;
///
/// // Several calls under one batch id, which can be taken back together.
/// let batch = BatchId::new();
/// let closing = producer.with(Request::by("alice").reason("office closed").batch(batch));
/// let tx = closing.begin().await?;
/// tx.soft_remove_by_key("block", "43").await?;
/// tx.soft_remove_by_key("member", r#"["tenant-7", 42]"#).await?;
/// tx.commit().await?;
/// let restored = producer.restore_batch(batch).await?;
/// assert_eq!(restored.len(), 2);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # async fn example(db: sea_orm::DatabaseConnection, model: impl sea_orm::ModelTrait) {
/// use sexton_producer::SoftRemoveRow;
///
/// SoftRemoveRow::soft_remove(&model, &db).await; // `DatabaseConnection` is no `Scope`
/// # }
/// ```
pub trait Scope: Sealed {
    /// Removes the row of a resource with the key `key`: the value itself as text, or for a composite key a JSON array
    /// with one string or number per column, in configured order.
    ///
    /// # Errors
    /// [`Error::UnknownResource`], [`Error::InvalidKey`], [`Error::NotFound`], [`Error::Database`].
    fn soft_remove_by_key(&self, resource: &str, key: &str) -> impl Future<Output = Result<Requested, Error>> + Send {
        let (at, row) = (self.at(), KeyedRows::by_key(self.at().producer, resource, key));
        async move { at.soft_remove_one(row?).await }
    }

    /// Takes the deletion back, until the first external call: the ledger entry ends as cancelled, and the row is live
    /// again, unless its marker was changed meanwhile ([`Restored::row_restored`] says so).
    ///
    /// # Errors
    /// [`Error::Restore`] when there is no such deletion or it is too late, [`Error::Database`]. Nothing was changed.
    fn restore(&self, id: DeletionId) -> impl Future<Output = Result<Restored, Error>> + Send {
        let at = self.at();
        async move { at.restore_one(ToRestore::Deletion(id)).await }
    }

    /// Takes back all deletions that were recorded under one batch id and are not cancelled yet: all of them, or none.
    ///
    /// # Errors
    /// As [`Self::restore`]: [`Error::Restore`] names the first deletion for which it is too late.
    fn restore_batch(&self, batch: BatchId) -> impl Future<Output = Result<Vec<Restored>, Error>> + Send {
        let at = self.at();
        async move { at.restore(&ToRestore::Batch(batch)).await }
    }
}

impl<S: Sealed> Scope for S {}

pub(crate) mod sealed {
    use sea_orm::DatabaseTransaction;

    use crate::{Producer, pending::Collected};

    /// What implements [`super::Scope`].
    pub trait Sealed: Sync {
        #[doc(hidden)]
        fn at(&self) -> At<'_>;
    }

    /// The producer, and the transaction that calls join.
    #[doc(hidden)]
    #[derive(Debug, Clone, Copy)]
    pub struct At<'s> {
        pub(crate) producer: &'s Producer,
        /// None: a transaction of our own.
        pub(crate) joined: Option<(&'s DatabaseTransaction, &'s Collected)>,
    }
}

impl Sealed for Producer {
    fn at(&self) -> At<'_> {
        At { producer: self, joined: None }
    }
}

impl At<'_> {
    pub(crate) async fn soft_remove_one(self, row: KeyedRows) -> Result<Requested, Error> {
        self.soft_remove(&row).await?.into_iter().next().ok_or_else(|| Error::NotFound {
            resource: row.table.name.to_string(),
            table: row.table.resource.table.clone(),
            key: row.key(),
        })
    }

    pub(crate) async fn soft_remove(self, rows: &KeyedRows) -> Result<Vec<Requested>, Error> {
        if rows.keys.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((transaction, collected)) = self.joined {
            let requested = self.producer.request(transaction, rows, None).await?;
            collected.add(due(&requested));
            return Ok(requested);
        }
        let transaction = self.producer.begin_own().await?;
        let requested = self.producer.request(&transaction, rows, None).await?;
        self.producer.commit(transaction, rows, &requested).await?;
        Ok(requested)
    }

    pub(crate) async fn restore_one(self, wanted: ToRestore) -> Result<Restored, Error> {
        let restored = self.restore(&wanted).await?.into_iter().next();
        // One deletion was to be restored, and none is an error by now.
        restored.ok_or_else(|| wanted.unknown())
    }

    pub(crate) async fn restore(self, wanted: &ToRestore) -> Result<Vec<Restored>, Error> {
        if let Some((transaction, _)) = self.joined {
            return self.producer.restore_in(transaction, wanted).await;
        }
        let store = &self.producer.shared.store;
        let postponement = match wanted {
            ToRestore::Batch(batch) => Some(
                postpone_batch(store, *batch)
                    .await
                    .map_err(Error::database(format!("postpone the deletions of {}", wanted.describe())))?,
            ),
            ToRestore::Deletion(_) | ToRestore::Row(_) => None,
        };
        let restored = self.restore_own(wanted).await;
        if let (Err(_), Some(postponement)) = (&restored, postponement) {
            // If this fails, too, they are due a little later.
            postponement.undo(store).await.ok();
        }
        restored
    }

    async fn restore_own(self, wanted: &ToRestore) -> Result<Vec<Restored>, Error> {
        let transaction = self.producer.begin_own().await?;
        let restored = self.producer.restore_in(&transaction, wanted).await?;
        transaction.commit().await.map_err(Error::database(format!("commit the restore of {}", wanted.describe())))?;
        Ok(restored)
    }
}

/// What calls within a transaction are made of.
impl Producer {
    pub(crate) async fn begin_own(&self) -> Result<DatabaseTransaction, Error> {
        self.shared.store.db.begin().await.map_err(Error::database("begin a transaction"))
    }

    /// Marks the rows and records their deletions, under `batch` or as the producer's [`Request`](crate::Request) says.
    pub(crate) async fn request(
        &self,
        transaction: &DatabaseTransaction,
        rows: &KeyedRows,
        batch: Option<BatchId>,
    ) -> Result<Vec<Requested>, Error> {
        let mut request = self.request.for_ledger(batch);
        request.notify = self.shared.hints.are_off();
        soft_remove(transaction, &self.shared.store, &rows.table, &rows.keys, &request)
            .await
            .map_err(Error::database(rows.describe("soft-remove")))
    }

    /// Commits a transaction of our own and hints. Dropped before, it rolls back.
    pub(crate) async fn commit(
        &self,
        transaction: DatabaseTransaction,
        rows: &KeyedRows,
        requested: &[Requested],
    ) -> Result<(), Error> {
        kill_point("request::before");
        transaction.commit().await.map_err(Error::database(rows.describe("commit the removal of")))?;
        kill_point("request::committed");
        self.shared.hints.push(due(requested));
        Ok(())
    }

    async fn restore_in(&self, transaction: &DatabaseTransaction, wanted: &ToRestore) -> Result<Vec<Restored>, Error> {
        let store = &self.shared.store;
        let id = match wanted {
            ToRestore::Batch(batch) => return Ok(restore_batch(transaction, store, *batch, MarkedRows::Refuse).await?),
            ToRestore::Deletion(id) => *id,
            ToRestore::Row(row) => {
                let found = store.ledger.find(transaction, row.table.name.as_str(), &row.key()).await;
                let looking = row.describe("look for the deletion of");
                found.map_err(Error::database(looking))?.ok_or_else(|| wanted.unknown())?
            }
        };
        Ok(vec![restore(transaction, store, id, MarkedRows::Refuse).await?])
    }
}

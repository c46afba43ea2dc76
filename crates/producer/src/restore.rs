//! Taking a removal back, as long as nothing external was called.

use sea_orm::DatabaseTransaction;
use sexton_core::{
    ids::DeletionId,
    removal::{Restored, restore},
};

use crate::{Error, Producer};

impl Producer {
    /// Takes the deletion back in a transaction of its own: the ledger entry ends as cancelled, and the row is live
    /// again, unless somebody else changed its marker meanwhile ([`Restored::row_restored`] says so).
    ///
    /// # Errors
    /// [`Error::Restore`] when there is no such deletion or it is too late, [`Error::Database`]. Nothing was changed.
    pub async fn restore(&self, id: DeletionId) -> Result<Restored, Error> {
        let transaction = self.begin().await?;
        let restored = self.restore_in(&transaction, id).await?;
        transaction.commit().await.map_err(Error::database(format!("commit the restore of deletion {id}")))?;
        Ok(restored)
    }

    /// As [`Self::restore`] within the caller's transaction.
    ///
    /// # Errors
    /// As [`Self::restore`]. After an error of the database the transaction must be rolled back.
    pub async fn restore_in(&self, transaction: &DatabaseTransaction, id: DeletionId) -> Result<Restored, Error> {
        Ok(restore(transaction, &self.shared.ledger, &self.shared.catalog, id).await?)
    }
}

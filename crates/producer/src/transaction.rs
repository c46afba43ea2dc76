//! A transaction of the application in which rows are removed together with whatever else it does.

use std::{borrow::Borrow, ops::Deref};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::{
    Error, Pending, Producer,
    pending::Collected,
    scope::sealed::{At, Sealed},
};

/// A SeaORM transaction that rows can be removed through: what is marked in it commits together with everything else,
/// or not at all, and the daemon is told after the commit.
///
/// It is a `ConnectionTrait`, so that queries take it like any other, and derefs to the [`DatabaseTransaction`].
/// Dropping it rolls back. After an error of the database it must be rolled back; [`Error::NotFound`] and its like
/// leave it usable.
///
/// ```no_run
/// # mod booking {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "booking")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i64, pub title: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # use sea_orm::{DatabaseTransaction, EntityTrait};
/// # use sexton_producer::Producer;
/// use sexton_producer::prelude::*;
///
/// # async fn example(producer: Producer, theirs: DatabaseTransaction) -> Result<(), Box<dyn std::error::Error>> {
/// let tx = producer.begin().await?;
/// if let Some(booking) = booking::Entity::find_by_id(42).one(&tx).await? {
///     booking.soft_remove(&tx).await?;
/// }
/// tx.commit().await?;
///
/// // One that was begun and will be committed elsewhere.
/// let joined = producer.join(&theirs);
/// booking::Entity::soft_remove_by_id(43, &joined).await?;
/// let pending = joined.into_pending();
/// theirs.commit().await?;
/// producer.enqueue(pending);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it rolls back"]
pub struct Transaction<T = DatabaseTransaction> {
    producer: Producer,
    transaction: T,
    collected: Collected,
}

impl Producer {
    /// Begins a transaction. On SQLite it takes the write lock at once, without which a transaction that reads first
    /// fails with "database is locked"; on PostgreSQL it is an ordinary one.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn begin(&self) -> Result<Transaction, Error> {
        Ok(self.join(self.begin_own().await?))
    }

    /// Makes a transaction that was begun elsewhere one that rows can be removed through: `&DatabaseTransaction` where
    /// it is committed elsewhere, [`DatabaseTransaction`] where [`Transaction::commit`] does. It must be of the
    /// producer's own database, and on SQLite should have begun `IMMEDIATE`.
    pub fn join<T: Borrow<DatabaseTransaction>>(&self, transaction: T) -> Transaction<T> {
        Transaction { producer: self.clone(), transaction, collected: Collected::default() }
    }
}

impl Transaction {
    /// Commits, and tells the daemon.
    ///
    /// # Errors
    /// [`Error::Database`]; then only the ledger knows whether the commit took place, and another try is safe.
    pub async fn commit(self) -> Result<(), Error> {
        let Self { producer, transaction, collected } = self;
        transaction.commit().await.map_err(Error::database("commit the transaction"))?;
        producer.enqueue(collected.into_pending());
        Ok(())
    }

    /// Rolls back.
    ///
    /// # Errors
    /// [`Error::Database`]; it is rolled back all the same when the connection goes.
    pub async fn rollback(self) -> Result<(), Error> {
        self.transaction.rollback().await.map_err(Error::database("roll the transaction back"))
    }
}

impl Transaction<&DatabaseTransaction> {
    /// What remains to be done after the commit, which takes place elsewhere: [`Producer::enqueue`].
    pub fn into_pending(self) -> Pending {
        self.collected.into_pending()
    }
}

impl<T: Borrow<DatabaseTransaction> + Sync> Sealed for Transaction<T> {
    fn at(&self) -> At<'_> {
        At { producer: &self.producer, joined: Some((self.transaction.borrow(), &self.collected)) }
    }
}

impl<T: Borrow<DatabaseTransaction>> Deref for Transaction<T> {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        self.transaction.borrow()
    }
}

#[async_trait::async_trait]
impl<T: Borrow<DatabaseTransaction> + Sync> ConnectionTrait for Transaction<T> {
    fn get_database_backend(&self) -> DbBackend {
        (**self).get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        (**self).execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        (**self).execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        (**self).query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        (**self).query_all_raw(statement).await
    }

    fn support_returning(&self) -> bool {
        (**self).support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        (**self).is_mock_connection()
    }
}

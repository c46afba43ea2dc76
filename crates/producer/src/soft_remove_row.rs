//! Removing and restoring rows that the caller has at hand: models and active models.

use std::future::Future;

use sea_orm::{ActiveModelTrait, ActiveValue, EntityTrait, ModelTrait, Value};
use sexton_core::{restore::Restored, soft_remove::Requested};

use crate::{
    Error, Producer, Scope,
    key_of_row::key_of,
    rows::{KeyedRows, ToRestore},
};
use sealed::{OfActiveModel, OfModel, RowValues};

/// `soft_remove` and `restore` for every model and active model of SeaORM. Of an active model only the key columns
/// matter, set or unchanged. `Kind` is found by the compiler.
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
/// # use sea_orm::IntoActiveModel;
/// # use sexton_producer::{Error, Producer};
/// use sexton_producer::prelude::*;
///
/// # async fn example(producer: Producer, booking: booking::Model) -> Result<(), Error> {
/// let requested = booking.soft_remove(&producer).await?;
/// println!("deletion {}", requested.id);
/// booking.restore(&producer).await?;
///
/// // Together with something else.
/// let tx = producer.begin().await?;
/// booking.into_active_model().soft_remove(&tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
pub trait SoftRemoveRow<Kind>: RowValues<Kind> {
    /// Marks the row and records its deletion, both or neither; the daemon does the rest.
    ///
    /// A row with an open deletion gets no second one: that one is returned, with `created = false`.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] and its like when the entity does not fit the configuration, [`Error::NotFound`] when
    /// the row is gone, [`Error::Database`]. Nothing was changed.
    fn soft_remove<S: Scope>(&self, scope: &S) -> impl Future<Output = Result<Requested, Error>> + Send {
        let (at, row) = (scope.at(), rows(scope.at().producer, std::slice::from_ref(self)));
        async move { at.soft_remove_one(row?).await }
    }

    /// Takes the row's deletion back, until the first external call, as [`Scope::restore`] does.
    ///
    /// # Errors
    /// [`Error::NotRequested`] when the row has no deletion, [`Error::Restore`] when its last one is over or too far,
    /// [`Error::Database`]. Nothing was changed.
    fn restore<S: Scope>(&self, scope: &S) -> impl Future<Output = Result<Restored, Error>> + Send {
        let (at, row) = (scope.at(), rows(scope.at().producer, std::slice::from_ref(self)));
        async move { at.restore_one(ToRestore::Row(row?)).await }
    }
}

impl<Kind, R: RowValues<Kind>> SoftRemoveRow<Kind> for R {}

/// `soft_remove_all` for slices of models or active models.
pub trait SoftRemoveRows<Kind> {
    /// As [`SoftRemoveRow::soft_remove`] for all rows of the slice under one batch id: all or nothing, in one round
    /// trip on PostgreSQL. Rows that are gone are left out of the result, which is in no particular order.
    ///
    /// It is one transaction, so it is for the rows of one request; for many thousands see
    /// [`SoftRemoveEntity::soft_remove_many`](crate::SoftRemoveEntity::soft_remove_many).
    ///
    /// # Errors
    /// As there, without [`Error::NotFound`].
    fn soft_remove_all<S: Scope>(&self, scope: &S) -> impl Future<Output = Result<Vec<Requested>, Error>> + Send;
}

impl<Kind, R: RowValues<Kind>> SoftRemoveRows<Kind> for [R] {
    fn soft_remove_all<S: Scope>(&self, scope: &S) -> impl Future<Output = Result<Vec<Requested>, Error>> + Send {
        let (at, rows) = (scope.at(), rows(scope.at().producer, self));
        async move { at.soft_remove(&rows?).await }
    }
}

/// The rows that these models stand for.
pub(crate) fn rows<Kind, R: RowValues<Kind>>(producer: &Producer, rows: &[R]) -> Result<KeyedRows, Error> {
    let table = producer.table_of::<R::Entity>()?;
    let key = |row: &R| key_of::<R::Entity>(table, |column| row.value(column));
    KeyedRows::new(table, rows.iter().map(key))
}

pub(crate) mod sealed {
    use super::{EntityTrait, Value};

    /// Told apart so that there is one trait for both.
    #[derive(Debug)]
    pub enum OfModel {}

    /// See [`OfModel`].
    #[derive(Debug)]
    pub enum OfActiveModel {}

    /// A row, whatever holds its values.
    pub trait RowValues<Kind>: Sized {
        #[doc(hidden)]
        type Entity: EntityTrait;

        /// The column's value, or why there is none.
        #[doc(hidden)]
        fn value(&self, column: <Self::Entity as EntityTrait>::Column) -> Result<Value, &'static str>;
    }
}

impl<M: ModelTrait> RowValues<OfModel> for M {
    type Entity = M::Entity;

    fn value(&self, column: <M::Entity as EntityTrait>::Column) -> Result<Value, &'static str> {
        Ok(self.get(column))
    }
}

impl<A: ActiveModelTrait> RowValues<OfActiveModel> for A {
    type Entity = A::Entity;

    fn value(&self, column: <A::Entity as EntityTrait>::Column) -> Result<Value, &'static str> {
        match self.get(column) {
            ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Ok(value),
            ActiveValue::NotSet => Err("not set"),
        }
    }
}

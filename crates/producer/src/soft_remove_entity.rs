//! What an entity can do: find live rows, remove rows by their id or by a filter.

use std::future::Future;

use sea_orm::{
    ActiveModelTrait, Condition, EntityTrait, Iterable, PrimaryKeyToColumn, PrimaryKeyTrait, Select,
    sea_query::{DynIden, IntoCondition, IntoValueTuple},
};
use sexton_core::{restore::Restored, soft_remove::Requested};

use crate::{
    Error, Producer, Scope, SoftRemoveMany, SoftRemoveSelect, condition, rows::ToRestore, soft_remove_row::rows,
};

/// What every entity whose table is a configured resource can do, next to SeaORM's own `find`, `find_by_id` and
/// `delete_many`.
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
/// use sea_orm::{EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
/// use sexton_producer::{Producer, prelude::*};
///
/// # async fn example(db: sea_orm::DatabaseConnection, producer: Producer) -> Result<(), Box<dyn std::error::Error>> {
/// let live = booking::Entity::find_live(&producer)?.order_by_asc(booking::Column::Title).all(&db).await?;
/// let waiting = booking::Entity::find_only_removed(&producer)?.count(&db).await?;
/// let all = booking::Entity::find_with_removed(&producer)?.count(&db).await?;
///
/// // Statements other than a select.
/// let live = booking::Entity::is_live(&producer)?;
/// booking::Entity::update_many().col_expr(booking::Column::Title, "free".into()).filter(live).exec(&db).await?;
///
/// booking::Entity::soft_remove_by_id(42, &producer).await?;
/// booking::Entity::restore_by_id(42, &producer).await?;
/// # Ok(())
/// # }
/// ```
pub trait SoftRemoveEntity: EntityTrait {
    /// `find` restricted to rows that carry no marker.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] or [`Error::AmbiguousTable`].
    fn find_live(producer: &Producer) -> Result<Select<Self>, Error> {
        Self::find().live(producer)
    }

    /// `find` restricted to rows that carry a marker and are still there.
    ///
    /// # Errors
    /// As [`Self::find_live`].
    fn find_only_removed(producer: &Producer) -> Result<Select<Self>, Error> {
        Self::find().only_removed(producer)
    }

    /// `find`, for code that says which rows it means.
    ///
    /// # Errors
    /// As [`Self::find_live`].
    fn find_with_removed(producer: &Producer) -> Result<Select<Self>, Error> {
        producer.table_of::<Self>().map(|_| Self::find())
    }

    /// The condition that a row is live, for updates, aggregates, inner joins and `has_related`.
    ///
    /// # Errors
    /// As [`Self::find_live`].
    fn is_live(producer: &Producer) -> Result<Condition, Error> {
        Ok(condition::live::<Self>(producer.table_of::<Self>()?))
    }

    /// The condition that a row is removed.
    ///
    /// # Errors
    /// As [`Self::find_live`].
    fn is_removed(producer: &Producer) -> Result<Condition, Error> {
        Ok(condition::removed::<Self>(producer.table_of::<Self>()?))
    }

    /// The condition that a row is live, for `on_condition` of a relation *to* this entity: under whatever alias the
    /// query knows its table. Outer joins need it there, because in the `where` clause it would drop the other side.
    ///
    /// # Errors
    /// As [`Self::find_live`].
    fn on_live(producer: &Producer) -> Result<impl Fn(DynIden, DynIden) -> Condition + Send + Sync + 'static, Error> {
        let table = producer.table_of::<Self>()?.clone();
        Ok(move |_from: DynIden, to: DynIden| condition::live_as(&table, &to))
    }

    /// As [`SoftRemoveRow::soft_remove`](crate::SoftRemoveRow::soft_remove) by the entity's primary key. If the
    /// resource's key is another column, it is [`Error::KeyValue`]: then by [`Scope::soft_remove_by_key`].
    ///
    /// # Errors
    /// As [`SoftRemoveRow::soft_remove`](crate::SoftRemoveRow::soft_remove).
    fn soft_remove_by_id<T, S: Scope>(id: T, scope: &S) -> impl Future<Output = Result<Requested, Error>> + Send
    where
        T: Into<<Self::PrimaryKey as PrimaryKeyTrait>::ValueType>,
    {
        let (at, row) = (scope.at(), rows(scope.at().producer, &[with_id::<Self>(id.into())]));
        async move { at.soft_remove_one(row?).await }
    }

    /// As [`SoftRemoveRow::restore`](crate::SoftRemoveRow::restore) by the entity's primary key; see
    /// [`Self::soft_remove_by_id`].
    ///
    /// # Errors
    /// As [`SoftRemoveRow::restore`](crate::SoftRemoveRow::restore).
    fn restore_by_id<T, S: Scope>(id: T, scope: &S) -> impl Future<Output = Result<Restored, Error>> + Send
    where
        T: Into<<Self::PrimaryKey as PrimaryKeyTrait>::ValueType>,
    {
        let (at, row) = (scope.at(), rows(scope.at().producer, &[with_id::<Self>(id.into())]));
        async move { at.restore_one(ToRestore::Row(row?)).await }
    }

    /// Removes all live rows that `filter` matches, some hundred a transaction and all under one batch id; see
    /// [`SoftRemoveMany`]. `Condition::all()` matches every row.
    fn soft_remove_many<'p>(filter: impl IntoCondition) -> SoftRemoveMany<'p, Self> {
        SoftRemoveMany::new(filter.into_condition())
    }
}

impl<E: EntityTrait> SoftRemoveEntity for E {}

fn with_id<E: EntityTrait>(id: <E::PrimaryKey as PrimaryKeyTrait>::ValueType) -> E::ActiveModel {
    let mut row = <E::ActiveModel as ActiveModelTrait>::default();
    for (column, value) in E::PrimaryKey::iter().zip(id.into_value_tuple()) {
        row.set(column.into_column(), value);
    }
    row
}

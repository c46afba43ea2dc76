//! Restricting selects, and joins of related rows, to live rows.

use sea_orm::{
    EntityTrait, JoinType, QueryFilter, QuerySelect, Related, RelationDef, Select, SelectTwo, SelectTwoMany,
    SelectTwoRequired,
    sea_query::{Condition, IntoCondition},
};

use crate::{Error, Producer, condition};

/// Restricts a select to live or removed rows, and joins only live related rows.
///
/// ```no_run
/// # mod room {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "room")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)] pub id: i64,
/// #         #[sea_orm(has_many)] pub bookings: HasMany<super::booking::Entity>,
/// #     }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # mod booking {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "booking")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)] pub id: i64,
/// #         pub room_id: i64,
/// #         #[sea_orm(belongs_to, from = "room_id", to = "id")] pub room: HasOne<super::room::Entity>,
/// #     }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use sea_orm::{EntityTrait, LoaderTrait, ModelTrait};
/// use sexton_producer::{Producer, prelude::*};
///
/// # async fn example(db: sea_orm::DatabaseConnection, producer: Producer, room: room::Model)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let bookings = room.find_related(booking::Entity).live(&producer)?.all(&db).await?;
///
/// // Every live room, with its live bookings; a room without any has an empty list.
/// let rooms = room::Entity::find_live(&producer)?.find_with_live(booking::Entity, &producer)?.all(&db).await?;
///
/// // The same in two statements.
/// let rooms = room::Entity::find_live(&producer)?.all(&db).await?;
/// let bookings = rooms.load_many(booking::Entity::find_live(&producer)?, &db).await?;
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
pub trait SoftRemoveSelect<E: EntityTrait>: Sized {
    /// Only rows that carry no marker.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] or [`Error::AmbiguousTable`].
    fn live(self, producer: &Producer) -> Result<Self, Error>;

    /// Only rows that carry a marker and are still there.
    ///
    /// # Errors
    /// As [`Self::live`].
    fn only_removed(self, producer: &Producer) -> Result<Self, Error>;

    /// `find_also_related` of live rows: each row of the select with a live related row, or with `None`. Which rows of
    /// the select itself are taken is not its business.
    ///
    /// Through a junction table, a row comes once for each junction row, those of removed related rows with `None`.
    ///
    /// # Errors
    /// As [`Self::live`], about the related entity.
    fn find_also_live<R>(self, related: R, producer: &Producer) -> Result<SelectTwo<E, R>, Error>
    where
        R: EntityTrait,
        E: Related<R>;

    /// `find_with_related` of live rows: each row of the select with a list of its live related rows.
    ///
    /// # Errors
    /// As [`Self::live`], about the related entity.
    fn find_with_live<R>(self, related: R, producer: &Producer) -> Result<SelectTwoMany<E, R>, Error>
    where
        R: EntityTrait,
        E: Related<R>;

    /// `find_both_related` of live rows: each row of the select that has a live related row, with it.
    ///
    /// # Errors
    /// As [`Self::live`], about the related entity.
    fn find_both_live<R>(self, related: R, producer: &Producer) -> Result<SelectTwoRequired<E, R>, Error>
    where
        R: EntityTrait,
        E: Related<R>;
}

impl<E: EntityTrait> SoftRemoveSelect<E> for Select<E> {
    fn live(self, producer: &Producer) -> Result<Self, Error> {
        Ok(self.filter(condition::live::<E>(producer.table_of::<E>()?)))
    }

    fn only_removed(self, producer: &Producer) -> Result<Self, Error> {
        Ok(self.filter(condition::removed::<E>(producer.table_of::<E>()?)))
    }

    fn find_also_live<R>(self, related: R, producer: &Producer) -> Result<SelectTwo<E, R>, Error>
    where
        R: EntityTrait,
        E: Related<R>,
    {
        Ok(left_join_live::<E, R>(self, producer)?.select_also(related))
    }

    fn find_with_live<R>(self, related: R, producer: &Producer) -> Result<SelectTwoMany<E, R>, Error>
    where
        R: EntityTrait,
        E: Related<R>,
    {
        Ok(left_join_live::<E, R>(self, producer)?.select_with(related))
    }

    fn find_both_live<R>(self, related: R, producer: &Producer) -> Result<SelectTwoRequired<E, R>, Error>
    where
        R: EntityTrait,
        E: Related<R>,
    {
        let live = condition::live::<R>(producer.table_of::<R>()?);
        Ok(self.find_both_related(related).filter(live))
    }
}

/// As SeaORM's `left_join`, whose `on` also says that the related row is live.
fn left_join_live<E, R>(mut select: Select<E>, producer: &Producer) -> Result<Select<E>, Error>
where
    R: EntityTrait,
    E: EntityTrait + Related<R>,
{
    let live = condition::live::<R>(producer.table_of::<R>()?);
    if let Some(via) = E::via() {
        select = select.join(JoinType::LeftJoin, via);
    }
    let relation: RelationDef = E::to();
    let table = relation.to_tbl.clone();
    // Not by `on_condition`: the relation may have one, and may say that it is an alternative.
    let on = Condition::all().add(relation.into_condition()).add(live);
    QuerySelect::query(&mut select).join(JoinType::LeftJoin, table, on);
    Ok(select)
}

//! What may still be chosen of rows that go once nothing references them.

use sea_orm::{
    EntityTrait, QueryFilter, Select,
    sea_query::{Alias, Condition, Expr, ExprTrait, Func, IntoColumnRef},
};
use sexton_core::{
    catalog::UnreferencedTable,
    db::{Dialect, millis},
};

use crate::{Error, Producer};

/// Restricts a select to rows that may still be chosen: those that are referenced, and those that have not been
/// unreferenced for `hide_after` yet.
///
/// ```no_run
/// # mod toy {
/// #     use sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "toy")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i64 }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use sea_orm::EntityTrait;
/// use sexton_producer::{Producer, prelude::*};
///
/// # async fn example(db: sea_orm::DatabaseConnection, producer: Producer) -> Result<(), Box<dyn std::error::Error>> {
/// let toys = toy::Entity::find().choosable(&producer)?.all(&db).await?;
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
pub trait Choice: Sized {
    /// Only rows that may still be chosen.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] if no resource with the entity's table has `unreferenced`, or its foreign keys are not
    /// those of the database; [`Error::AmbiguousTable`].
    fn choosable(self, producer: &Producer) -> Result<Self, Error>;
}

impl<E: EntityTrait> Choice for Select<E> {
    fn choosable(self, producer: &Producer) -> Result<Self, Error> {
        Ok(self.filter(choosable::<E>(producer.shared.choices.table_of::<E>()?)))
    }
}

fn choosable<E: EntityTrait>(table: &UnreferencedTable) -> Condition {
    let column = || Expr::col((E::default(), Alias::new(&table.since.name)).into_column_ref());
    let ms = millis(table.settings.hide_after);
    let shown = match table.rows.dialect {
        Dialect::Postgres => {
            // A query sees one time from its beginning to its end, and an index on the column can be used.
            let ago = format!("statement_timestamp() - {ms} * interval '1 millisecond'");
            let is_local = table.since.base_type == "timestamp without time zone";
            column().gt(Expr::cust(if is_local { format!("({ago}) at time zone 'UTC'") } else { ago }))
        }
        Dialect::Sqlite => {
            let julian = Func::cust(Alias::new("julianday")).arg(column());
            Expr::expr(julian).gt(Expr::cust(format!("julianday('now') - {ms} / 86400000.0")))
        }
    };
    Condition::any().add(column().is_null()).add(shown)
}

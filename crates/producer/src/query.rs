//! Asking for live, removed or all rows of an entity.
//!
//! What marks a row is configuration (a time, a status, one or the other depending on a column), so the condition is
//! built from the resource and not from the entity; the marker need not even be a column of the entity.

use sea_orm::{
    Condition, EntityTrait, QueryFilter, Select,
    sea_query::{Alias, Expr, ExprTrait, IntoColumnRef},
};
use sexton_core::catalog::{Column, Rule, Table};
use sexton_core::config::Scalar;

use crate::{Error, Producer};

/// Restricts a query to rows that are live or removed.
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
/// use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
/// use sexton_producer::{Producer, Removed};
///
/// # async fn example(db: sea_orm::DatabaseConnection, producer: Producer) -> Result<(), Box<dyn std::error::Error>> {
/// let live = booking::Entity::find().live(&producer)?.order_by_asc(booking::Column::Title).all(&db).await?;
/// let waiting = booking::Entity::find().removed(&producer)?.count(&db).await?;
/// let all = booking::Entity::find().with_removed(&producer)?.count(&db).await?;
/// # Ok(())
/// # }
/// ```
pub trait Removed: Sized {
    /// Only rows that carry no marker.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] or [`Error::AmbiguousTable`].
    fn live(self, producer: &Producer) -> Result<Self, Error>;

    /// Only rows that carry a marker and are still there.
    ///
    /// # Errors
    /// As [`Self::live`].
    fn removed(self, producer: &Producer) -> Result<Self, Error>;

    /// All rows: the query as it is, for code that says which rows it means.
    ///
    /// # Errors
    /// As [`Self::live`].
    fn with_removed(self, producer: &Producer) -> Result<Self, Error>;
}

impl<E: EntityTrait> Removed for Select<E> {
    fn live(self, producer: &Producer) -> Result<Self, Error> {
        Ok(self.filter(producer.is_live::<E>()?))
    }

    fn removed(self, producer: &Producer) -> Result<Self, Error> {
        Ok(self.filter(producer.is_removed::<E>()?))
    }

    fn with_removed(self, producer: &Producer) -> Result<Self, Error> {
        producer.table_of::<E>().map(|_| self)
    }
}

impl Producer {
    /// `E::find()` restricted to live rows.
    ///
    /// # Errors
    /// [`Error::UnknownTable`] or [`Error::AmbiguousTable`].
    pub fn live<E: EntityTrait>(&self) -> Result<Select<E>, Error> {
        E::find().live(self)
    }

    /// `E::find()` restricted to removed rows.
    ///
    /// # Errors
    /// As [`Self::live`].
    pub fn removed<E: EntityTrait>(&self) -> Result<Select<E>, Error> {
        E::find().removed(self)
    }

    /// `E::find()` for all rows.
    ///
    /// # Errors
    /// As [`Self::live`].
    pub fn with_removed<E: EntityTrait>(&self) -> Result<Select<E>, Error> {
        E::find().with_removed(self)
    }

    /// The condition that a row of `E` is live, for joins, updates and aggregates.
    ///
    /// # Errors
    /// As [`Self::live`].
    pub fn is_live<E: EntityTrait>(&self) -> Result<Condition, Error> {
        Ok(by_rule::<E>(self.table_of::<E>()?, unmarked::<E>))
    }

    /// The condition that a row of `E` is removed.
    ///
    /// # Errors
    /// As [`Self::live`].
    pub fn is_removed<E: EntityTrait>(&self) -> Result<Condition, Error> {
        Ok(by_rule::<E>(self.table_of::<E>()?, marked::<E>))
    }
}

/// `test` of the rule that is for the row: the first whose `when` matches. A conjunction with `or` and no `case`, so that
/// an index on the marker can be used.
fn by_rule<E: EntityTrait>(table: &Table, test: impl Fn(&Rule) -> Condition) -> Condition {
    let mut any = Condition::any();
    let mut no_earlier = Condition::all();
    for rule in &table.rules {
        match &rule.when {
            None => any = any.add(no_earlier.clone().add(test(rule))),
            Some((column, value)) => {
                let matches = is::<E>(column, value);
                any = any.add(no_earlier.clone().add(matches).add(test(rule)));
                no_earlier = no_earlier.add(is_not::<E>(column, value));
            }
        }
    }
    any
}

fn marked<E: EntityTrait>(rule: &Rule) -> Condition {
    Condition::all().add(match &rule.value {
        Some(value) => is::<E>(&rule.column, value),
        None => column::<E>(&rule.column).is_not_null(),
    })
}

fn unmarked<E: EntityTrait>(rule: &Rule) -> Condition {
    match &rule.value {
        Some(value) => is_not::<E>(&rule.column, value),
        None => Condition::all().add(column::<E>(&rule.column).is_null()),
    }
}

fn is<E: EntityTrait>(of: &Column, value: &Scalar) -> Expr {
    column::<E>(of).eq(literal(of, value))
}

/// Null is a value like any other here.
fn is_not<E: EntityTrait>(of: &Column, value: &Scalar) -> Condition {
    Condition::any().add(column::<E>(of).ne(literal(of, value))).add(column::<E>(of).is_null())
}

fn column<E: EntityTrait>(column: &Column) -> Expr {
    Expr::col((E::default(), Alias::new(&column.name)).into_column_ref())
}

/// The value as the statements that mark rows write it: a literal with a cast, which works for enums and domains as well
/// and lets the planner match partial indexes.
fn literal(column: &Column, value: &Scalar) -> Expr {
    Expr::cust(column.value(value))
}

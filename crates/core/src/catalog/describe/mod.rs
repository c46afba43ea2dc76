//! A table as the database's catalogue describes it.

mod description;
mod postgres;
mod sqlite;

pub(super) use self::description::{Description, Relation};
use crate::db::{self, Db, Dialect};

/// Describes the table `name`, as the configuration writes it; none if there is no such relation.
pub(super) async fn describe(db: &Db, name: &str) -> Result<Option<Description>, db::Error> {
    match db.dialect {
        Dialect::Postgres => postgres::describe(db, name).await,
        Dialect::Sqlite => sqlite::describe(db, name).await,
    }
}

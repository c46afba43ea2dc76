//! What an application links to hand its deletions to Sexton.
//!
//! A [`Producer`] marks rows as removed and records their deletions in the ledger, both in one transaction of the
//! application's own database; the daemon does the rest. It works on SeaORM entities, which it maps to the resources of
//! `sexton.toml` by table name.
//!
//! ```no_run
//! # mod booking {
//! #     use sea_orm::entity::prelude::*;
//! #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "booking")]
//! #     pub struct Model { #[sea_orm(primary_key)] pub id: i64, pub title: String, pub room: String }
//! #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
//! #     pub enum Relation {}
//! #     impl ActiveModelBehavior for ActiveModel {}
//! # }
//! use sea_orm::{ColumnTrait, Database, EntityTrait, QueryFilter};
//! use sexton_producer::{Producer, Request, prelude::*};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let db = Database::connect("postgres://app@localhost/app").await?;
//! let config = sexton_core::config::load("sexton.toml".as_ref())?;
//! let producer = Producer::connect(db.clone(), &config).await?;
//!
//! // Rows that are not removed, like any other query.
//! let bookings = booking::Entity::find_live(&producer)?.filter(booking::Column::Room.eq("blue")).all(&db).await?;
//!
//! // Mark one and record its deletion; the daemon then deletes it in the calendar, and at last here.
//! let alice = producer.with(Request::by("alice").reason("room closed"));
//! for booking in &bookings {
//!     let requested = booking.soft_remove(&alice).await?;
//!     println!("deletion {}", requested.id);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Redis, if configured, only makes the daemon start sooner: hints travel to it from a background task, and a Redis
//! that is slow, hanging or dead delays no call here and loses no deletion.
//!
//! Everything else is in the methods that [`prelude`] adds to SeaORM's own types; `docs/sea-orm.md` has them on one
//! page.
//!
//! SeaORM 2.0 runs `before_delete` hooks for deletes by `ActiveModel` only, not for `delete_many` or `delete_by_id`. A
//! soft-remove built on hooks could be bypassed, so this one is explicit.

mod builder;
mod choice;
mod condition;
mod entity_tables;
mod error;
mod hints;
mod key_of_row;
mod key_pages;
mod pending;
mod producer;
mod request;
mod rows;
mod scope;
mod soft_remove_entity;
mod soft_remove_many;
mod soft_remove_row;
mod soft_remove_select;
mod transaction;

pub use builder::Builder;
pub use choice::Choice;
pub use error::Error;
pub use pending::Pending;
pub use producer::Producer;
pub use request::Request;
pub use scope::Scope;
pub use sexton_core::{
    ids::{BatchId, DeletionId},
    restore::{Error as RestoreError, Restored},
    soft_remove::Requested,
};
pub use soft_remove_entity::SoftRemoveEntity;
pub use soft_remove_many::{Progress, RefusedRow, SoftRemoveMany};
pub use soft_remove_row::{SoftRemoveRow, SoftRemoveRows};
pub use soft_remove_select::SoftRemoveSelect;
pub use transaction::Transaction;

/// The traits, without their names: what makes the methods appear.
pub mod prelude {
    pub use crate::{
        Choice as _, Scope as _, SoftRemoveEntity as _, SoftRemoveRow as _, SoftRemoveRows as _, SoftRemoveSelect as _,
    };
}

//! The application's entity. It says nothing about soft-removal: what marks a row is in `sexton.toml`, and queries ask
//! for live rows with `find_live`.
#![allow(unreachable_pub, reason = "SeaORM's derives make public items")]

use sea_orm::entity::prelude::*;

/// A booking: a block of time in a calendar.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "block")]
pub struct Model {
    /// Its key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// What for.
    pub title: String,
    /// The calendar with its twin.
    pub calendar_id: String,
    /// The twin; none if the booking was never synced.
    pub gcal_id: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

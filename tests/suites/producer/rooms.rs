//! Rooms, their bookings and who attends: an application whose entities are related. It is the one of docs/sea-orm.md.
#![allow(unreachable_pub, reason = "SeaORM's derives make public items")]

use sea_orm::{ActiveModelTrait, DatabaseConnection, Set};

use super::fixture::Fixture;

pub mod room {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "room")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub name: String,
        #[sea_orm(has_many)]
        pub bookings: HasMany<super::booking::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod booking {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "booking")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub room_id: i64,
        pub title: String,
        #[sea_orm(belongs_to, from = "room_id", to = "id")]
        pub room: HasOne<super::room::Entity>,
        #[sea_orm(has_many, via = "attendance")]
        pub people: HasMany<super::person::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod person {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "person")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub name: String,
        #[sea_orm(has_many, via = "attendance")]
        pub bookings: HasMany<super::booking::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod attendance {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "attendance")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub booking_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub person_id: i64,
        #[sea_orm(belongs_to, from = "booking_id", to = "id")]
        pub booking: HasOne<super::booking::Entity>,
        #[sea_orm(belongs_to, from = "person_id", to = "id")]
        pub person: HasOne<super::person::Entity>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

const RESOURCES: &str = r#"
[resources.room]
table = "room"
key = "id"
marker = { column = "closed_at" }
[[resources.room.targets]]
name = "door"
kind = "http"
url = "https://door.example/rooms/{id}"

[resources.booking]
table = "booking"
key = "id"
marker = { column = "deleted_at" }
[[resources.booking.targets]]
name = "calendar"
kind = "http"
url = "https://calendar.example/events/{id}"

[resources.person]
table = "person"
key = "id"
marker = { column = "status", value = "left" }
[[resources.person.targets]]
name = "crm"
kind = "http"
url = "https://crm.example/people/{id}"
"#;

const TABLES: &str = "
create table room (id bigint primary key, name text not null, closed_at timestamptz);
create table booking (id bigint primary key, room_id bigint not null references room, title text not null,
    deleted_at timestamptz);
create table person (id bigint primary key, name text not null, status text);
create table attendance (booking_id bigint not null references booking, person_id bigint not null references person,
    primary key (booking_id, person_id))";

pub(crate) async fn rooms(fixture: Fixture) -> Fixture {
    let integers = if fixture.is_postgres() { TABLES.to_owned() } else { TABLES.replace("bigint", "integer") };
    fixture.with(&integers, RESOURCES).await
}

pub(crate) async fn insert_room(conn: &DatabaseConnection, id: i64, name: &str) -> room::Model {
    room::ActiveModel { id: Set(id), name: Set(name.to_owned()) }.insert(conn).await.unwrap()
}

pub(crate) async fn insert_booking(conn: &DatabaseConnection, id: i64, room_id: i64) -> booking::Model {
    let title = Set(format!("booking {id}"));
    booking::ActiveModel { id: Set(id), room_id: Set(room_id), title }.insert(conn).await.unwrap()
}

pub(crate) async fn insert_person(conn: &DatabaseConnection, id: i64, bookings: &[i64]) -> person::Model {
    let person = person::ActiveModel { id: Set(id), name: Set(format!("person {id}")) }.insert(conn).await.unwrap();
    for booking in bookings {
        attendance::ActiveModel { booking_id: Set(*booking), person_id: Set(id) }.insert(conn).await.unwrap();
    }
    person
}

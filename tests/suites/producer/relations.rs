use sea_orm::{
    EntityTrait, JoinType, LinkDef, Linked, LoaderTrait, ModelTrait, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait,
};
use sexton_producer::{Producer, prelude::*};

use super::{
    fixture::Fixture,
    rooms::{booking, insert_booking, insert_person, insert_room, person, room, rooms},
};
use crate::rig::on_both;

/// Room 1 has bookings 1 (live) and 2 (removed), room 2 only 3 (removed), room 3 none; room 4 is closed and has 4
/// (live). Ada (1) attends 1, 2 and 3; Bob (2), who left, attends 1 and 4.
async fn filled(fixture: Fixture) -> (Fixture, Producer) {
    let fixture = rooms(fixture).await;
    let producer = fixture.producer().await;
    for id in 1..=4 {
        insert_room(&fixture.conn, id, &format!("room {id}")).await;
    }
    for (id, room) in [(1, 1), (2, 1), (3, 2), (4, 4)] {
        insert_booking(&fixture.conn, id, room).await;
    }
    insert_person(&fixture.conn, 1, &[1, 2, 3]).await;
    insert_person(&fixture.conn, 2, &[1, 4]).await;
    booking::Entity::soft_remove_by_id(2, &producer).await.unwrap();
    booking::Entity::soft_remove_by_id(3, &producer).await.unwrap();
    room::Entity::soft_remove_by_id(4, &producer).await.unwrap();
    person::Entity::soft_remove_by_id(2, &producer).await.unwrap();
    (fixture, producer)
}

async fn room_1(fixture: &Fixture) -> room::Model {
    room::Entity::find_by_id(1).one(&fixture.conn).await.unwrap().unwrap()
}

fn ids(bookings: &[booking::Model]) -> Vec<i64> {
    bookings.iter().map(|booking| booking.id).collect()
}

/// The people of a room's bookings.
struct RoomToPeople;

impl Linked for RoomToPeople {
    type FromEntity = room::Entity;
    type ToEntity = person::Entity;

    fn link(&self) -> Vec<LinkDef> {
        use super::rooms::attendance;
        let booking = booking::Relation::Room.def().rev();
        vec![booking, attendance::Relation::Booking.def().rev(), attendance::Relation::Person.def()]
    }
}

/// The live bookings of a room, for joins that take no condition.
struct LiveBookings(Producer);

impl Linked for LiveBookings {
    type FromEntity = room::Entity;
    type ToEntity = booking::Entity;

    fn link(&self) -> Vec<LinkDef> {
        let live = booking::Entity::on_live(&self.0).expect("booking is a resource");
        vec![booking::Relation::Room.def().rev().on_condition(live)]
    }
}

on_both!(
    find_related_and_find_linked_leave_removed_rows_out,
    row_whose_related_rows_are_removed_stays_in_the_result,
    related_rows_through_a_junction_are_live_ones,
    loader_loads_live_rows,
    existence_of_a_live_related_row_can_be_asked_for,
    joins_under_an_alias_can_be_restricted,
    entity_loader_loads_removed_related_rows_too,
);

async fn find_related_and_find_linked_leave_removed_rows_out(fixture: Fixture) {
    let (fixture, producer) = filled(fixture).await;
    let room = room_1(&fixture).await;
    let bookings = room.find_related(booking::Entity).live(&producer).unwrap().all(&fixture.conn).await.unwrap();
    assert_eq!(ids(&bookings), [1]);
    let removed = room.find_related(booking::Entity).only_removed(&producer).unwrap().all(&fixture.conn).await.unwrap();
    assert_eq!(ids(&removed), [2]);
    let people = bookings[0].find_related(person::Entity).live(&producer).unwrap().all(&fixture.conn).await.unwrap();
    assert_eq!(people.iter().map(|person| person.id).collect::<Vec<_>>(), [1]);
    let people = room.find_linked(RoomToPeople).live(&producer).unwrap().distinct().all(&fixture.conn).await.unwrap();
    assert_eq!(people.iter().map(|person| person.id).collect::<Vec<_>>(), [1]);
}

async fn row_whose_related_rows_are_removed_stays_in_the_result(fixture: Fixture) {
    let (fixture, producer) = filled(fixture).await;
    let rooms = room::Entity::find_live(&producer).unwrap().order_by_asc(room::Column::Id);
    let with = rooms.clone().find_with_live(booking::Entity, &producer).unwrap().all(&fixture.conn).await.unwrap();
    let with: Vec<_> = with.iter().map(|(room, bookings)| (room.id, ids(bookings))).collect();
    assert_eq!(with, [(1, vec![1]), (2, vec![]), (3, vec![])]);
    let also = rooms.clone().find_also_live(booking::Entity, &producer).unwrap().all(&fixture.conn).await.unwrap();
    let also: Vec<_> = also.iter().map(|(room, booking)| (room.id, booking.as_ref().map(|b| b.id))).collect();
    assert_eq!(also, [(1, Some(1)), (2, None), (3, None)]);
    let both = rooms.find_both_live(booking::Entity, &producer).unwrap().all(&fixture.conn).await.unwrap();
    let both: Vec<_> = both.iter().map(|(room, booking)| (room.id, booking.id)).collect();
    assert_eq!(both, [(1, 1)]);

    // The other way round: a live booking of a closed room.
    let bookings = booking::Entity::find_live(&producer).unwrap().order_by_asc(booking::Column::Id);
    let also = bookings.find_also_live(room::Entity, &producer).unwrap().all(&fixture.conn).await.unwrap();
    let also: Vec<_> = also.iter().map(|(booking, room)| (booking.id, room.as_ref().map(|r| r.id))).collect();
    assert_eq!(also, [(1, Some(1)), (4, None)]);
}

async fn related_rows_through_a_junction_are_live_ones(fixture: Fixture) {
    let (fixture, producer) = filled(fixture).await;
    let bookings = booking::Entity::find_with_removed(&producer).unwrap().order_by_asc(booking::Column::Id);
    let with = bookings.find_with_live(person::Entity, &producer).unwrap().all(&fixture.conn).await.unwrap();
    let with: Vec<_> = with.iter().map(|(b, people)| (b.id, people.iter().map(|p| p.id).collect::<Vec<_>>())).collect();
    assert_eq!(with, [(1, vec![1]), (2, vec![1]), (3, vec![1]), (4, vec![])]);
}

async fn loader_loads_live_rows(fixture: Fixture) {
    let (fixture, producer) = filled(fixture).await;
    let rooms = room::Entity::find().order_by_asc(room::Column::Id).all(&fixture.conn).await.unwrap();
    let live = booking::Entity::find_live(&producer).unwrap();
    let bookings = rooms.load_many(live, &fixture.conn).await.unwrap();
    assert_eq!(bookings.iter().map(|some| ids(some)).collect::<Vec<_>>(), [vec![1], vec![], vec![], vec![4]]);
    let bookings = booking::Entity::find().order_by_asc(booking::Column::Id).all(&fixture.conn).await.unwrap();
    let rooms = bookings.load_one(room::Entity::find_live(&producer).unwrap(), &fixture.conn).await.unwrap();
    let rooms: Vec<_> = rooms.iter().map(|room| room.as_ref().map(|room| room.id)).collect();
    assert_eq!(rooms, [Some(1), Some(1), Some(2), None]);
    let people = bookings.load_many(person::Entity::find_live(&producer).unwrap(), &fixture.conn).await.unwrap();
    assert_eq!(people.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 0]);
}

async fn existence_of_a_live_related_row_can_be_asked_for(fixture: Fixture) {
    let (fixture, producer) = filled(fixture).await;
    let live = booking::Entity::is_live(&producer).unwrap();
    let rooms = room::Entity::find().has_related(booking::Entity, live).order_by_asc(room::Column::Id);
    let rooms = rooms.all(&fixture.conn).await.unwrap();
    assert_eq!(rooms.iter().map(|room| room.id).collect::<Vec<_>>(), [1, 4]);
}

async fn joins_under_an_alias_can_be_restricted(fixture: Fixture) {
    let (fixture, producer) = filled(fixture).await;
    let live = booking::Relation::Room.def().rev().on_condition(booking::Entity::on_live(&producer).unwrap());
    let count = sea_orm::sea_query::Expr::cust("count(b.id)");
    let counts: Vec<(i64, i64)> = room::Entity::find()
        .select_only()
        .column(room::Column::Id)
        .column_as(count, "bookings")
        .join_as(JoinType::LeftJoin, live, "b")
        .group_by(room::Column::Id)
        .order_by_asc(room::Column::Id)
        .into_tuple()
        .all(&fixture.conn)
        .await
        .unwrap();
    assert_eq!(counts, [(1, 1), (2, 0), (3, 0), (4, 1)]);

    let linked = room::Entity::find().order_by_asc(room::Column::Id);
    let linked = linked.find_with_linked(LiveBookings(producer)).all(&fixture.conn).await.unwrap();
    let linked: Vec<_> = linked.iter().map(|(room, bookings)| (room.id, ids(bookings))).collect();
    assert_eq!(linked, [(1, vec![1]), (2, vec![]), (3, vec![]), (4, vec![4])]);
}

// As docs/sea-orm.md says; if this fails, SeaORM has learned something, and so can we.
async fn entity_loader_loads_removed_related_rows_too(fixture: Fixture) {
    let (fixture, producer) = filled(fixture).await;
    let live = room::Entity::is_live(&producer).unwrap();
    let rooms = room::Entity::load().filter(live).with(booking::Entity).all(&fixture.conn).await.unwrap();
    let mut loaded: Vec<_> = rooms.iter().map(|room| (room.id, room.bookings.len())).collect();
    loaded.sort_unstable();
    assert_eq!(loaded, [(1, 2), (2, 1), (3, 0)]);
}

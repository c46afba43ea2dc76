//! The examples of docs/sea-orm.md, run.

use sea_orm::{
    ColumnTrait, Condition, ConditionalStatement, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    EntityTrait, IntoActiveModel, JoinType, LoaderTrait, ModelTrait, QueryFilter, QuerySelect, QueryTrait,
    RelationTrait, Set, Statement, TransactionTrait,
    sea_query::{Expr, ExprTrait, Index, OnConflict},
};
use sexton_producer::{BatchId, Error, Producer, Request, RestoreError, prelude::*};

use super::{
    entities::color,
    fixture::Fixture,
    rooms::{booking, insert_booking, insert_person, insert_room, person, room, rooms},
};
use crate::rig::on_both;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const GUIDE: &str = include_str!("../../../docs/sea-orm.md");

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_example_of_the_guide_is_run_here() {
    let run = [lines(include_str!("guide.rs")), lines(include_str!("rooms.rs"))].concat();
    let examples: Vec<_> = GUIDE.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 8, "{}", examples.len());
    for example in examples {
        let example_lines = lines(example);
        let found = run.windows(example_lines.len()).any(|window| window == example_lines);
        assert!(found, "this example of docs/sea-orm.md is not in guide.rs:\n{example}");
    }
}

async fn removing(producer: &Producer, booking: booking::Model) -> Result {
    let requested = booking.soft_remove(producer).await?;
    println!("deletion {} of booking {}", requested.id, requested.key);
    producer.restore(requested.id).await?; // by the deletion's id

    booking.clone().into_active_model().soft_remove(producer).await?; // an active model
    booking.restore(producer).await?; // by the row

    booking::Entity::soft_remove_by_id(42, producer).await?; // without reading it first
    booking::Entity::restore_by_id(42, producer).await?;

    producer.soft_remove_by_key("booking", "42").await?; // without an entity

    let requested = [booking].soft_remove_all(producer).await?; // some rows: all of them or none
    assert_eq!(requested.len(), 1);
    Ok(())
}

async fn saying_who(producer: &Producer, rooms: &[room::Model], bookings: &[booking::Model]) -> Result {
    let batch = BatchId::new();
    let alice = producer.with(Request::by("alice").reason("office closed").batch(batch));
    bookings.soft_remove_all(&alice).await?;
    rooms.soft_remove_all(&alice).await?;

    let restored = producer.restore_batch(batch).await?; // everything under this id, or nothing
    assert_eq!(restored.len(), rooms.len() + bookings.len());
    Ok(())
}

async fn in_a_transaction(producer: &Producer, booking: booking::Model) -> Result {
    let tx = producer.begin().await?;
    let mut room = room::Entity::find_by_id(booking.room_id).one(&tx).await?.ok_or("no room")?.into_active_model();
    room.name = Set("free".to_owned());
    room::Entity::update(room).exec(&tx).await?;
    booking.soft_remove(&tx).await?;
    tx.commit().await?; // or `rollback`; dropping it rolls back
    Ok(())
}

async fn in_somebody_elses_transaction(
    producer: &Producer,
    db: &DatabaseConnection,
    booking: booking::Model,
) -> Result {
    let theirs: DatabaseTransaction = db.begin().await?;
    let tx = producer.join(&theirs);
    booking.soft_remove(&tx).await?;
    let pending = tx.into_pending();
    theirs.commit().await?;
    producer.enqueue(pending); // best effort, never waits: without it the daemon starts a moment later
    Ok(())
}

async fn finding(producer: &Producer, db: &DatabaseConnection) -> Result<usize> {
    let live = booking::Entity::find_live(producer)?.filter(booking::Column::RoomId.eq(1)).all(db).await?;
    let removed = booking::Entity::find_only_removed(producer)?.all(db).await?;
    let all = booking::Entity::find_with_removed(producer)?.all(db).await?;
    let one = booking::Entity::find_by_id(42).live(producer)?.one(db).await?;

    let live_ones = booking::Entity::is_live(producer)?;
    booking::Entity::update_many().col_expr(booking::Column::Title, "moved".into()).filter(live_ones).exec(db).await?;
    assert!(one.is_some_and(|one| live.contains(&one)));
    assert_eq!(all.len(), removed.len() + 2);

    let colors = color::Entity::find().choosable(producer)?.all(db).await?;
    assert!(colors.is_empty());
    Ok(live.len())
}

async fn finding_related(producer: &Producer, db: &DatabaseConnection, room: room::Model) -> Result {
    // Of one row.
    let bookings = room.find_related(booking::Entity).live(producer)?.all(db).await?;

    // Of many rows, in one statement. A room whose bookings are all removed stays, with none.
    let rooms = room::Entity::find_live(producer)?;
    let with_bookings = rooms.clone().find_with_live(booking::Entity, producer)?.all(db).await?;
    let with_one_each = rooms.clone().find_also_live(booking::Entity, producer)?.all(db).await?;
    let only_booked = rooms.clone().find_both_live(booking::Entity, producer)?.all(db).await?;

    // Of many rows, with a statement for each relation.
    let rooms = rooms.all(db).await?;
    let of_each_room = rooms.load_many(booking::Entity::find_live(producer)?, db).await?;

    // Rooms that have a live booking.
    let live = booking::Entity::is_live(producer)?;
    let booked = room::Entity::find_live(producer)?.has_related(booking::Entity, live).all(db).await?;

    // A join of your own, under any alias.
    let relation = booking::Relation::Room.def().rev().on_condition(booking::Entity::on_live(producer)?);
    let joined = room::Entity::find().join_as(JoinType::InnerJoin, relation, "b").all(db).await?;

    assert_eq!((bookings.len(), rooms.len(), of_each_room.len()), (1, 2, 2));
    assert_eq!((with_bookings.len(), with_one_each.len(), only_booked.len()), (2, 2, 1));
    assert_eq!((booked.len(), joined.len()), (1, 1));
    Ok(())
}

async fn removing_many(producer: &Producer) -> Result {
    let filter = booking::Column::RoomId.eq(1).and(booking::Column::Title.starts_with("old"));
    let count = booking::Entity::soft_remove_many(filter.clone()).dry_run(producer).await?;

    let batch = BatchId::new(); // kept with the job, so that the job can go on after a crash
    let done = booking::Entity::soft_remove_many(filter)
        .batch_size(200) // rows per transaction; 500 unless you say otherwise
        .on_progress(|progress| println!("{} of {count}", progress.requested))
        .resume(batch)
        .exec(producer)
        .await?;
    assert_eq!(done.requested, count);
    Ok(())
}

async fn unique_names(db: &DatabaseConnection) -> Result {
    let mut index = Index::create();
    index.name("room_name_live").table(room::Entity).col(room::Column::Name).unique();
    index.and_where(Expr::col("closed_at").is_null());
    db.execute(&index).await?;
    Ok(())
}

async fn upserting(db: &DatabaseConnection) -> Result {
    let blue = room::ActiveModel { id: Set(3), name: Set("blue".to_owned()) };
    let mut same_name = OnConflict::column(room::Column::Name);
    same_name.target_and_where(Expr::cust("closed_at is null")); // names the partial index
    same_name.update_column(room::Column::Name);
    room::Entity::insert(blue).on_conflict(same_name).exec_without_returning(db).await?;
    Ok(())
}

async fn upserting_by_key(db: &DatabaseConnection, room: room::ActiveModel) -> Result<bool> {
    let mut same_id = OnConflict::column(room::Column::Id);
    same_id.update_column(room::Column::Name);
    same_id.action_and_where(Expr::cust("room.closed_at is null")); // a removed row is left as it is
    let written = room::Entity::insert(room).on_conflict(same_id).exec_without_returning(db).await?;
    Ok(written == 1) // false: a removed row has this id
}

async fn booking_42(fixture: &Fixture) -> booking::Model {
    insert_room(&fixture.conn, 1, "blue").await;
    insert_booking(&fixture.conn, 42, 1).await
}

on_both!(
    rows_are_removed_and_restored,
    several_calls_are_one_batch,
    transactions_are_ours_or_theirs,
    live_and_related_rows_are_found,
    many_are_removed,
    name_of_a_removed_row_can_be_used_again,
    upsert_by_key_does_not_write_to_a_removed_row,
    status_marker_has_a_partial_unique_index_too,
);

async fn rows_are_removed_and_restored(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let (producer, booking) = (fixture.producer().await, booking_42(&fixture).await);
    removing(&producer, booking).await.unwrap();
    assert_eq!(fixture.query("select key, state from sexton_deletion").await, ["42|pending"]);
}

async fn several_calls_are_one_batch(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let (producer, booking) = (fixture.producer().await, booking_42(&fixture).await);
    let rooms = room::Entity::find().all(&fixture.conn).await.unwrap();
    saying_who(&producer, &rooms, &[booking]).await.unwrap();
}

async fn transactions_are_ours_or_theirs(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let (producer, booking) = (fixture.producer().await, booking_42(&fixture).await);
    let other = insert_booking(&fixture.conn, 43, 1).await;
    in_a_transaction(&producer, booking).await.unwrap();
    in_somebody_elses_transaction(&producer, &fixture.conn, other).await.unwrap();
    assert_eq!(fixture.ledger().await, ["booking|42|pending", "booking|43|pending"]);
    assert_eq!(fixture.query("select name from room").await, ["free"]);
}

async fn live_and_related_rows_are_found(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let (producer, booking) = (fixture.producer().await, booking_42(&fixture).await);
    insert_room(&fixture.conn, 2, "red").await;
    insert_booking(&fixture.conn, 43, 1).await.soft_remove(&producer).await.unwrap();
    insert_booking(&fixture.conn, 44, 2).await.soft_remove(&producer).await.unwrap();
    let room = room::Entity::find_by_id(booking.room_id).one(&fixture.conn).await.unwrap().unwrap();
    finding_related(&producer, &fixture.conn, room).await.unwrap();
    insert_booking(&fixture.conn, 45, 1).await;
    assert_eq!(finding(&producer, &fixture.conn).await.unwrap(), 2);
    let titles = fixture.query("select distinct title from booking where deleted_at is null").await;
    assert_eq!(titles, ["moved"]);
}

async fn many_are_removed(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let producer = fixture.producer().await;
    booking_42(&fixture).await;
    fixture.execute("update booking set title = 'old one'").await;
    insert_booking(&fixture.conn, 43, 1).await;
    removing_many(&producer).await.unwrap();
    assert_eq!(fixture.ledger().await, ["booking|42|pending"]);
}

async fn name_of_a_removed_row_can_be_used_again(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let producer = fixture.producer().await;
    unique_names(&fixture.conn).await.unwrap();
    let removed = insert_room(&fixture.conn, 1, "blue").await;
    removed.soft_remove(&producer).await.unwrap();
    insert_room(&fixture.conn, 2, "blue").await;
    upserting(&fixture.reconnected().await).await.unwrap();
    assert_eq!(fixture.query("select id from room where closed_at is null").await, ["2"], "updated, not inserted");
    // Two live rows of a name there cannot be, so the removed one cannot come back.
    let error = removed.restore(&producer).await.unwrap_err();
    assert!(matches!(error, Error::Restore(RestoreError::Database(_))), "{error}");
    assert_eq!(fixture.ledger().await, ["room|1|pending"]);
    assert_eq!(fixture.query("select id from room where closed_at is not null").await, ["1"]);
}

async fn upsert_by_key_does_not_write_to_a_removed_row(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let producer = fixture.producer().await;
    let row = |id, name: &str| room::ActiveModel { id: Set(id), name: Set(name.to_owned()) };
    assert!(upserting_by_key(&fixture.conn, row(1, "blue")).await.unwrap());
    assert!(upserting_by_key(&fixture.conn, row(1, "red")).await.unwrap());
    room::Entity::soft_remove_by_id(1, &producer).await.unwrap();
    assert!(!upserting_by_key(&fixture.conn, row(1, "green")).await.unwrap());
    assert_eq!(fixture.query("select name from room").await, ["red"]);
}

// With a status for a marker, the index says it in the way in which `find_live` does.
async fn status_marker_has_a_partial_unique_index_too(fixture: Fixture) {
    let fixture = rooms(fixture).await;
    let producer = fixture.producer().await;
    let index = "create unique index person_name_live on person (name) where status <> 'left' or status is null";
    assert!(GUIDE.contains(index));
    fixture.execute(index).await;
    insert_person(&fixture.conn, 1, &[]).await.soft_remove(&producer).await.unwrap();
    fixture.execute("insert into person (id, name) values (2, 'person 1')").await;
    let twice = person::ActiveModel { id: Set(3), name: Set("person 1".to_owned()) };
    assert!(person::Entity::insert(twice).exec_without_returning(&fixture.conn).await.is_err());
    let live = person::Entity::find_live(&producer).unwrap().filter(Condition::all()).all(&fixture.conn).await.unwrap();
    assert_eq!(live.iter().map(|person| person.id).collect::<Vec<_>>(), [2]);
}

/// The planner knows that the rows which `find_live` asks for are those of the index.
#[tokio::test]
async fn partial_index_serves_find_live() {
    let fixture = rooms(Fixture::postgres().await).await;
    let producer = fixture.producer().await;
    fixture
        .execute(
            "create index on person (name) where status <> 'left' or status is null;
         create index on room (name) where closed_at is null",
        )
        .await;
    let people = person::Entity::find_live(&producer).unwrap().filter(person::Column::Name.eq("a"));
    let rooms = room::Entity::find_live(&producer).unwrap().filter(room::Column::Name.eq("a"));
    for statement in [people.build(DbBackend::Postgres), rooms.build(DbBackend::Postgres)] {
        let explain = format!("explain {}", statement);
        let tx = fixture.conn.begin().await.unwrap();
        tx.execute_unprepared("set local enable_seqscan = off").await.unwrap();
        let plan = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await.unwrap();
        let plan: String = plan.iter().map(|row| row.try_get::<String>("", "QUERY PLAN").unwrap() + "\n").collect();
        assert!(plan.contains("_name_idx"), "{plan}");
    }
}

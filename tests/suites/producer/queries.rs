use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, Select};
use sexton_producer::{Error, prelude::*};

use super::{
    entities::{block, color, flag, insert_block, insert_member, insert_toy, member, stray, toy},
    fixture::Fixture,
};
use crate::rig::on_both;

async fn ids(fixture: &Fixture, select: Select<block::Entity>) -> Vec<i64> {
    let blocks = select.order_by_asc(block::Column::Id).all(&fixture.conn).await.unwrap();
    blocks.into_iter().map(|block| block.id).collect()
}

on_both!(
    live_removed_and_all_rows_are_told_apart,
    rows_that_were_unreferenced_for_too_long_cannot_be_chosen,
    first_marker_that_matches_decides,
    null_status_is_not_the_removed_one,
    truth_value_marks_as_the_entity_reads_it,
    queries_go_on_like_any_other,
    query_on_an_unconfigured_table_is_refused,
);

async fn live_removed_and_all_rows_are_told_apart(fixture: Fixture) {
    let producer = fixture.producer().await;
    for id in 1..=4 {
        let block = insert_block(&fixture.conn, id, None).await;
        if id % 2 == 0 {
            block.soft_remove(&producer).await.unwrap();
        }
    }
    assert_eq!(ids(&fixture, block::Entity::find().live(&producer).unwrap()).await, [1, 3]);
    assert_eq!(ids(&fixture, block::Entity::find().only_removed(&producer).unwrap()).await, [2, 4]);
    assert_eq!(ids(&fixture, block::Entity::find_live(&producer).unwrap()).await, [1, 3]);
    assert_eq!(ids(&fixture, block::Entity::find_only_removed(&producer).unwrap()).await, [2, 4]);
    assert_eq!(ids(&fixture, block::Entity::find_with_removed(&producer).unwrap()).await, [1, 2, 3, 4]);
}

async fn rows_that_were_unreferenced_for_too_long_cannot_be_chosen(fixture: Fixture) {
    // Whatever the session takes a time without a zone for.
    let producer = fixture.producer().await;
    for (id, days) in [(1, 6), (2, 8)] {
        let since = match fixture.is_postgres() {
            true => format!("(now() at time zone 'UTC') - interval '{days} days'"),
            false => format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{days} days')"),
        };
        fixture.execute(&format!("insert into color values ({id}, {since})")).await;
    }
    fixture.execute("insert into color values (3, null)").await;
    let all = color::Entity::find().choosable(&producer).unwrap().order_by_asc(color::Column::Id);
    let ids: Vec<i64> = all.all(&fixture.conn).await.unwrap().into_iter().map(|color| color.id).collect();
    assert_eq!(ids, [1, 3]);
    let unknown = block::Entity::find().choosable(&producer).unwrap_err();
    assert!(matches!(unknown, Error::UnknownTable { .. }), "{unknown}");
    let unknown = color::Entity::find().live(&producer).unwrap_err();
    assert!(matches!(unknown, Error::UnknownTable { .. }), "{unknown}");
}

async fn first_marker_that_matches_decides(fixture: Fixture) {
    let producer = fixture.producer().await;
    // Kind, then whether it is removed: null, another kind, the kind with a marker of its own.
    for (id, kind) in [(1, None), (2, Some("X")), (3, Some("T"))] {
        insert_block(&fixture.conn, id, kind).await;
        insert_block(&fixture.conn, id + 10, kind).await.soft_remove(&producer).await.unwrap();
    }
    assert_eq!(
        fixture.query("select id, item_status, deleted_at is null from block where id > 10 order by id").await,
        if fixture.is_postgres() {
            ["11|Active|f", "12|Active|f", "13|Deleted|t"]
        } else {
            ["11|Active|0", "12|Active|0", "13|Deleted|1"]
        }
    );
    // Marks of the wrong kind mean nothing.
    fixture.execute("insert into block (id, title, kind, deleted_at) values (4, '', 'T', '2026-01-01')").await;
    fixture.execute("insert into block (id, title, kind, item_status) values (5, '', 'X', 'Deleted')").await;
    assert_eq!(ids(&fixture, block::Entity::find_live(&producer).unwrap()).await, [1, 2, 3, 4, 5]);
    assert_eq!(ids(&fixture, block::Entity::find_only_removed(&producer).unwrap()).await, [11, 12, 13]);
}

async fn null_status_is_not_the_removed_one(fixture: Fixture) {
    let producer = fixture.producer().await;
    let tenant = uuid::Uuid::from_u128(1);
    let ada = insert_member(&fixture.conn, tenant, "ada").await;
    let bob = insert_member(&fixture.conn, tenant, "bob").await;
    bob.soft_remove(&producer).await.unwrap();
    assert_eq!(member::Entity::find_live(&producer).unwrap().all(&fixture.conn).await.unwrap(), [ada]);
    assert_eq!(member::Entity::find_only_removed(&producer).unwrap().all(&fixture.conn).await.unwrap(), [bob]);
}

async fn truth_value_marks_as_the_entity_reads_it(fixture: Fixture) {
    let producer = fixture.producer().await;
    fixture.execute("insert into flag (id, hidden) values (1, null), (2, false), (3, false)").await;
    producer.soft_remove_by_key("flag", "3").await.unwrap();
    let live =
        flag::Entity::find_live(&producer).unwrap().order_by_asc(flag::Column::Id).all(&fixture.conn).await.unwrap();
    assert_eq!(live, [flag::Model { id: 1, hidden: None }, flag::Model { id: 2, hidden: Some(false) }]);
    let removed = flag::Entity::find_only_removed(&producer).unwrap().all(&fixture.conn).await.unwrap();
    assert_eq!(removed, [flag::Model { id: 3, hidden: Some(true) }]);
}

async fn queries_go_on_like_any_other(fixture: Fixture) {
    let producer = fixture.producer().await;
    let (one, two) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    let toy = insert_toy(&fixture.conn, one).await;
    insert_toy(&fixture.conn, two).await;
    toy.soft_remove(&producer).await.unwrap();
    assert_eq!(toy::Entity::find_by_id(one).live(&producer).unwrap().one(&fixture.conn).await.unwrap(), None);
    let live = toy::Entity::find().filter(toy::Column::Name.eq("bear")).live(&producer).unwrap();
    assert_eq!(live.count(&fixture.conn).await.unwrap(), 1);
    let renamed = toy::Entity::update_many()
        .col_expr(toy::Column::Name, "dog".into())
        .filter(toy::Entity::is_live(&producer).unwrap())
        .exec(&fixture.conn)
        .await
        .unwrap();
    assert_eq!(renamed.rows_affected, 1);
    assert_eq!(fixture.query("select name from toy order by id").await, ["bear", "dog"]);
}

async fn query_on_an_unconfigured_table_is_refused(fixture: Fixture) {
    let producer = fixture.producer().await;
    for error in [
        stray::Entity::find().live(&producer).unwrap_err(),
        stray::Entity::find().only_removed(&producer).unwrap_err(),
        stray::Entity::find_with_removed(&producer).unwrap_err(),
    ] {
        assert!(matches!(error, Error::UnknownTable { .. }), "{error}");
    }
}

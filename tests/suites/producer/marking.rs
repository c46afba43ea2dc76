use std::time::Duration;

use sexton_producer::{Error, Request, prelude::*};

use super::{
    entities::{insert_block, insert_blocks},
    fixture::Fixture,
};
use crate::rig::on_both;

on_both!(
    row_is_marked_and_its_deletion_recorded,
    row_stays_live_when_the_ledger_refuses,
    one_bad_row_leaves_all_rows_of_the_call_live,
    removing_twice_returns_the_same_deletion,
    many_rows_are_removed_at_once_and_each_only_once,
    row_that_is_gone_is_named,
    who_why_and_when_are_recorded,
);

async fn row_is_marked_and_its_deletion_recorded(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 2).await;
    let requested = blocks[0].soft_remove(&fixture.producer().await).await.unwrap();
    assert!(requested.created && requested.due);
    assert_eq!(requested.key, "1");
    assert_eq!(fixture.marked().await, ["1"]);
    assert_eq!(fixture.ledger().await, ["block|1|pending"]);
    let id = fixture.query("select id, lane, requested_by from sexton_deletion").await;
    assert_eq!(id, [format!("{}|block.calendar|application", requested.id)]);
}

async fn row_stays_live_when_the_ledger_refuses(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    fixture.refuse_deletions().await;
    let error = block.soft_remove(&fixture.producer().await).await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::Database { .. }));
    assert!(message.starts_with("cannot soft-remove the row with key 1 of table `block`: "), "{message}");
    assert!(message.contains("not today"), "{message}");
    assert!(fixture.marked().await.is_empty());
    assert!(fixture.ledger().await.is_empty());
}

async fn one_bad_row_leaves_all_rows_of_the_call_live(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 3).await;
    let condition = if fixture.is_postgres() {
        "create function refuse() returns trigger language plpgsql as
            $$ begin if new.key = '3' then raise 'not today'; end if; return new; end $$;
         create trigger refuse before insert on sexton_deletion for each row execute function refuse()"
    } else {
        "create trigger refuse before insert on sexton_deletion when new.key = '3'
         begin select raise(abort, 'not today'); end"
    };
    fixture.execute(condition).await;
    let error = blocks.soft_remove_all(&fixture.producer().await).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot soft-remove 3 rows of table `block`: "), "{error}");
    assert!(fixture.marked().await.is_empty());
    assert!(fixture.ledger().await.is_empty());
}

async fn removing_twice_returns_the_same_deletion(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    let first = block.soft_remove(&producer).await.unwrap();
    let marker = fixture.query("select deleted_at from block").await;
    let second = block.soft_remove(&producer).await.unwrap();
    assert!(first.created && !second.created);
    assert_eq!(first.id, second.id);
    assert_eq!(fixture.query("select deleted_at from block").await, marker);
    assert_eq!(fixture.ledger().await, ["block|1|pending"]);
}

async fn many_rows_are_removed_at_once_and_each_only_once(fixture: Fixture) {
    let mut blocks = insert_blocks(&fixture.conn, 4).await;
    let mut gone = blocks[0].clone();
    gone.id = 99;
    blocks.extend([gone, blocks[1].clone()]);
    let producer = fixture.producer().await;
    let mut requested = blocks.soft_remove_all(&producer).await.unwrap();
    requested.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(requested.iter().map(|r| r.key.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert!(requested.iter().all(|r| r.created));
    assert_eq!(fixture.marked().await, ["1", "2", "3", "4"]);
    assert_eq!(fixture.query("select count(*), count(distinct batch_id) from sexton_deletion").await, ["4|1"]);
    assert!(blocks[..0].soft_remove_all(&producer).await.unwrap().is_empty());
}

async fn row_that_is_gone_is_named(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 7, None).await;
    fixture.execute("delete from block").await;
    let error = block.soft_remove(&fixture.producer().await).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }));
    assert_eq!(
        error.to_string(),
        "there is no row with key 7 in table `block` (resource `block`); was it deleted meanwhile?"
    );
    assert!(fixture.ledger().await.is_empty());
}

async fn who_why_and_when_are_recorded(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::by("alice").reason("room closed").after(Duration::from_secs(3600)).trace_context(trace);
    let requested = block.soft_remove(&fixture.producer().await.with(request)).await.unwrap();
    assert!(!requested.due);
    assert_eq!(
        fixture.query("select requested_by, reason, trace_context from sexton_deletion").await,
        [format!("alice|room closed|{trace}")]
    );
    let later = if fixture.is_postgres() {
        "select run_at - requested_at between interval '3599 s' and interval '3601 s' from sexton_deletion"
    } else {
        "select case when round((julianday(run_at) - julianday(requested_at)) * 86400) = 3600 then 't' end
         from sexton_deletion"
    };
    assert_eq!(fixture.query(later).await, ["t"]);
}

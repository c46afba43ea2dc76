//! Choosing rows by an operator's condition.

use sexton_core::{
    db::NextPage,
    soft_remove::bulk::{Condition, count_live, live_page, lock_live},
};

use crate::rig::{ledger::Fixture, on_both};

on_both!(row_that_changed_since_it_was_chosen_is_not_taken, pages_cover_each_row_once_while_rows_come_and_go);

async fn row_that_changed_since_it_was_chosen_is_not_taken(f: Fixture) {
    f.blocks(5).await;
    let (table, condition) = (f.table("block"), Condition::new("calendar_id = 'c'").unwrap());
    let (keys, _) = live_page(&f.store.db, &table, &condition, NextPage { after: None, limit: 10 }).await.unwrap();
    assert_eq!(keys.len(), 5);
    f.execute("update block set calendar_id = 'd' where id = 2; delete from block where id = 3").await;
    f.request_one("block", "4").await;
    let transaction = f.begin().await;
    let locked = lock_live(&transaction, &table, &condition, &keys).await.unwrap();
    assert_eq!(locked.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1", "5"]);
    transaction.rollback().await.unwrap();
}

async fn pages_cover_each_row_once_while_rows_come_and_go(f: Fixture) {
    f.blocks(10).await;
    let (table, condition) = (f.table("block"), Condition::new("true").unwrap());
    assert_eq!(count_live(&f.store.db, &table, &condition).await.unwrap(), 10);
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let (keys, next) =
            live_page(&f.store.db, &table, &condition, NextPage { after: cursor.as_ref(), limit: 3 }).await.unwrap();
        if keys.is_empty() {
            break;
        }
        seen.extend(keys.iter().map(ToString::to_string));
        cursor = next;
        f.execute("delete from block where id in (3, 8)").await;
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6", "7", "9", "10"]);
}

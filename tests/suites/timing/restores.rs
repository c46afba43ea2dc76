//! What it costs to take a bulk removal back.

use std::time::{Duration, Instant};

use sexton_core::{
    ids::BatchId,
    key::Key,
    restore::{MarkedRows, restore_batch},
    soft_remove::{DeletionRequest, soft_remove},
    sql_functions,
};

use crate::rig::{ledger::Fixture, on_both};

on_both!(batch_is_taken_back_in_time_that_grows_with_its_size);

/// Removes rows `1` to `n` under one batch id.
async fn removed(f: &Fixture, n: usize) -> BatchId {
    let table = f.table("block");
    let keys: Vec<Key> = (1..=n).map(|key| table.parse_key(&key.to_string()).unwrap()).collect();
    let request = DeletionRequest::by("test");
    let transaction = f.begin().await;
    for keys in keys.chunks(500) {
        soft_remove(&transaction, &f.store, &table, keys, &request).await.unwrap();
    }
    transaction.commit().await.unwrap();
    request.batch
}

async fn seconds(f: &Fixture, n: usize) -> Duration {
    let batch = removed(f, n).await;
    let begun = Instant::now();
    let transaction = f.begin().await;
    let restored = restore_batch(&transaction, &f.store, batch, MarkedRows::Refuse).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(restored.iter().filter(|one| one.row_restored).count(), n);
    begun.elapsed()
}

/// Eight times the rows may take twenty times as long, and not sixty-four times.
fn grows_linearly(small: Duration, large: Duration) -> bool {
    large < small.max(Duration::from_millis(20)) * 20
}

async fn batch_is_taken_back_in_time_that_grows_with_its_size(f: Fixture) {
    f.blocks(8000).await;
    let mut measured = Vec::new();
    for _ in 0..3 {
        let (small, large) = (seconds(&f, 1000).await, seconds(&f, 8000).await);
        println!("1,000 rows: {small:?}; 8,000 rows: {large:?}");
        if grows_linearly(small, large) {
            return;
        }
        measured.push((small, large));
    }
    panic!("{measured:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_is_taken_back_by_sql_in_time_that_grows_with_its_size() {
    let f = Fixture::postgres().await;
    let resources = f.store.catalog.tables().map(|table| (table.name.clone(), table.resource.clone())).collect();
    let statements = sql_functions::statements(&f.store);
    f.store.ledger.write_resources(&f.store.db, &resources, &statements).await.unwrap();
    f.blocks(8000).await;
    let mut measured = Vec::new();
    for _ in 0..3 {
        let mut taken = Vec::new();
        for n in [1000, 8000] {
            let batch = removed(&f, n).await;
            let begun = Instant::now();
            let restored =
                f.one(&format!("select count(*) from sexton_restore_batch('{batch}') where row_restored")).await;
            assert_eq!(restored, n.to_string());
            taken.push(begun.elapsed());
        }
        println!("by SQL, 1,000 rows: {:?}; 8,000 rows: {:?}", taken[0], taken[1]);
        if grows_linearly(taken[0], taken[1]) {
            return;
        }
        measured.push(taken);
    }
    panic!("{measured:?}");
}

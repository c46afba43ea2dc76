//! Markers that an ORM wrote back in another spelling, and rows that a restore would leave marked.

use sexton_core::restore::Error as RestoreError;

use super::finish::try_restore;
use crate::rig::{ledger::Fixture, on_both};

on_both!(
    marker_that_an_orm_wrote_back_is_still_ours,
    restore_of_a_row_that_carried_a_marker_before_is_refused,
    row_that_another_removal_takes_along_is_not_restored_alone,
);

/// What ORMs make of the marker of all rows: milliseconds cut off, or the same instant in another spelling.
fn rewritings(f: &Fixture) -> &'static [&'static str] {
    if f.is_postgres() {
        return &["date_trunc('milliseconds', deleted_at)"];
    }
    &[
        "strftime('%Y-%m-%d %H:%M:%S', deleted_at) || '.' || substr(deleted_at, 21, 3) || '000'",
        "substr(deleted_at, 1, 23) || '+00:00'",
        "cast(round((julianday(deleted_at) - 2440587.5) * 86400000.0) as integer)",
    ]
}

async fn marker_that_an_orm_wrote_back_is_still_ours(f: Fixture) {
    for rewriting in rewritings(&f) {
        f.execute("delete from block").await;
        f.blocks(2).await;
        // The application has marked the second in microseconds, a moment before it asked for its deletion.
        let micros = if f.is_postgres() { "'2026-01-02 03:04:05.678901+00'" } else { "'2026-01-02T03:04:05.678Z'" };
        f.execute(&format!("update block set deleted_at = {micros} where id = 2")).await;
        let (one, two) = (f.request_one("block", "1").await.id, f.request_one("block", "2").await.id);
        f.execute(&format!("update block set deleted_at = {rewriting}")).await;
        // A second request refreshes the deletion; what was there before the first one stays remembered.
        assert_eq!(f.request_one("block", "1").await.id, one);
        assert!(try_restore(&f, one).await.unwrap().row_restored, "{rewriting}");
        assert_eq!(f.one("select count(*) from block where id = 1 and deleted_at is null").await, "1", "{rewriting}");
        assert!(matches!(try_restore(&f, two).await, Err(RestoreError::StillMarked { .. })), "{rewriting}");
        f.execute("delete from sexton_deletion").await;
    }
}

async fn restore_of_a_row_that_carried_a_marker_before_is_refused(f: Fixture) {
    f.blocks(1).await;
    f.execute("update block set deleted_at = '2026-01-02T03:04:05.678Z'").await;
    let id = f.request_one("block", "1").await.id;
    let error = try_restore(&f, id).await.unwrap_err();
    assert!(error.to_string().contains("carried a marker before"), "{error}");
    assert_eq!(f.deletions().await.len(), 1, "nothing is cancelled");
    f.execute("update block set deleted_at = null").await;
    assert!(!try_restore(&f, id).await.unwrap().row_restored);
    assert!(f.deletions().await.is_empty());
}

async fn row_that_another_removal_takes_along_is_not_restored_alone(f: Fixture) {
    f.blocks(2).await;
    let (one, two) = (f.request_one("block", "1").await.id, f.request_one("block", "2").await.id);
    // As a removal of the second row's parent records it.
    f.execute(&format!(
        "insert into sexton_child (deletion_id, resource, key, marker_rule, marker_column, marker_value)
         select '{one}', 'block', '2', marker_rule, marker_column, marker_value from sexton_deletion where id = '{two}'"
    ))
    .await;
    assert!(matches!(try_restore(&f, two).await, Err(RestoreError::StillMarked { id, .. }) if id == two));
    assert_eq!(f.deletions().await.len(), 2);
    assert!(try_restore(&f, one).await.unwrap().row_restored);
    assert!(try_restore(&f, two).await.unwrap().row_restored);
    assert_eq!(f.one("select count(*) from block where deleted_at is null").await, "2");
}

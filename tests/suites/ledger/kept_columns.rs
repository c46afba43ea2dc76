//! Columns of the row that a finished deletion keeps for later checks.

use sexton_core::ledger::{Finish, RowOutcome};

use crate::rig::{ledger::Fixture, on_both};

on_both!(completed_deletion_keeps_the_columns_that_the_definition_names_and_no_others);

async fn completed_deletion_keeps_the_columns_that_the_definition_names_and_no_others(f: Fixture) {
    f.execute(
        "insert into sexton_resource (name, definition)
         values ('block', '{\"refs\": [\"gcal_id\", \"other_id\", \"nosuch\"]}'), ('flag', '{}')",
    )
    .await;
    f.blocks(3).await;
    f.execute("update block set other_id = null where id = 1").await;
    for key in ["1", "2"] {
        let id = f.request_one("block", key).await.id;
        let claim = f.claim_one(id).await;
        let finish = Finish {
            id,
            fence: claim.fence,
            confirmations: claim.confirmations,
            row: RowOutcome::Deleted,
            children: 0,
        };
        let transaction = f.begin().await;
        assert!(f.store.ledger.finish(&transaction, &[finish]).await.unwrap().contains(&id));
        transaction.commit().await.unwrap();
    }
    let kept = "select key, refs ->> 'gcal_id', refs ->> 'other_id', refs ->> 'calendar_id' from sexton_deletion_done
                order by key";
    assert_eq!(f.rows(kept).await, ["1|g1|-|-", "2|g2|o2|-"]);
    // A cancelled deletion keeps none.
    let id = f.request_one("block", "3").await.id;
    let transaction = f.begin().await;
    sexton_core::restore::restore(&transaction, &f.store, id, sexton_core::restore::MarkedRows::Refuse).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(f.rows("select refs from sexton_deletion_done where key = '3'").await, ["-"]);
}

//! What operators pause.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use sexton_tests::api::{Answer, Behaviour, Call, Gate};

use super::calm;
use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_resource_is_not_called_by_any_process_until_it_is_resumed() {
    let mut rig = Rig::new(calm()).await;
    let (one, two) = (rig.run().await, rig.run().await);
    let paused = rig.sexton.run(&["pause", "item", "--reason", "they move", "--by", "ann"]).await.expect_code(0);
    assert!(paused.stdout.contains("item is paused"), "{}", paused.stdout);
    for worker in [&one, &two] {
        worker.wait_for_metric("sexton_paused{lane=\"item.api\"}", |paused| paused > 0.5).await;
    }
    rig.request("item", 1..=50).await;
    rig.request("other", 1..=50).await;
    rig.wait_until("not exists (select 1 from sexton_deletion where resource = 'other')").await;
    assert_eq!(rig.api.log().len(), 50);
    assert_eq!(rig.number("select max(fence) from sexton_deletion").await, 0, "nothing of it was claimed");
    let status = rig.sexton.run(&["status"]).await.expect_code(0).stdout;
    assert!(status.contains("they move") && status.contains("ann"), "{status}");
    // A worker that is to end when it is idle does not wait for an operator.
    rig.drain().await;
    let again = rig.sexton.run(&["pause", "item"]).await.expect_code(0);
    assert!(again.stdout.contains("was paused already"), "{}", again.stdout);
    drop(rig.sexton.run(&["resume", "item"]).await.expect_code(0));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(100).await;
    assert_eq!(rig.sexton.run(&["resume", "item"]).await.code, 3, "it is not paused any more");
    let actions = "select string_agg(action || ' ' || who, ', ' order by id) from sexton_action where who = 'ann'";
    assert_eq!(rig.value(actions).await, "pause ann");
    tokio::join!(one.stop(), two.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_stay_while_hard_deletes_are_paused_and_go_without_another_call() {
    let mut rig = Rig::new(calm()).await;
    drop(rig.sexton.run(&["pause", "--hard-deletes"]).await.expect_code(0));
    let worker = rig.run().await;
    rig.request("item", 1..=30).await;
    rig.wait_until("(select count(*) from sexton_deletion where phase = 'remove' and state = 'pending') = 30").await;
    assert_eq!(rig.api.log().len(), 30);
    assert_eq!(rig.number("select count(*) from item").await, 30, "rows were deleted");
    drop(rig.sexton.run(&["resume", "--hard-deletes"]).await.expect_code(0));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(30).await;
    assert_eq!(rig.api.log().len(), 30, "what had confirmed was asked again");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_under_way_is_finished_although_its_target_is_paused() {
    let mut rig = Rig::new(calm()).await;
    let gate = Gate::new();
    rig.api.set_default(Behaviour::Always(Answer::Held(gate.clone(), Box::new(Answer::Status(204)))));
    rig.request("item", 1..=1).await;
    let worker = rig.run().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    drop(rig.sexton.run(&["pause", "item.api"]).await.expect_code(0));
    worker.wait_for_metric("sexton_paused{lane=\"item.api\"}", |paused| paused > 0.5).await;
    gate.open();
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(1).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_of_a_pause_does_not_count_against_giving_up() {
    let retry = "max_attempts = 1000\ninitial_interval = '10ms'\nmax_interval = '50ms'\ngive_up_after = '1h'";
    let mut rig = Rig::new(Setup { retry, ..calm() }).await;
    rig.api.set_default(Behaviour::Always(Answer::Status(503)));
    let worker = rig.run().await;
    rig.request("item", 1..=1).await;
    rig.request("other", 1..=1).await;
    rig.api.wait_for_calls(4, PATIENCE).await;
    worker.stop().await;
    // Both began three hours ago; one of them was paused for all but half an hour.
    let ago = |time: &str| format!("clock_timestamp() - interval '{time}'");
    rig.test_db.execute(&format!("update sexton_deletion set first_attempt_at = {}", ago("3 hours"))).await;
    let pause = format!(
        "insert into sexton_control (scope, paused_at, paused_by, resumed_at, resumed_by)
         values ('item.api', {}, 'ann', {}, 'ann')",
        ago("160 minutes"),
        ago("10 minutes")
    );
    rig.test_db.execute(&pause).await;
    // Each fails once more, which is when giving up is thought of.
    let failed = Mutex::new(BTreeSet::new());
    rig.api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
        let first = failed.lock().unwrap().insert(call.path().to_owned());
        Answer::Status(if first { 503 } else { 204 })
    })));
    rig.drain().await;
    assert_eq!(rig.states().await, [("completed".to_owned(), 1), ("expired".to_owned(), 1)].into());
    assert_eq!(rig.value("select resource from sexton_deletion").await, "other");
}

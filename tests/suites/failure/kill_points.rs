//! A process that dies at a commit boundary: another one finishes, and nothing is done twice or out of order.

use sexton_tests::{Sexton, api::Answer};

use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup},
};

const COUNT: usize = 40;

fn setup() -> Setup {
    // A call that takes longer than its timeout uses up an answer that was meant for another.
    Setup { lease: "3s", timeout: "1s", ..Setup::default() }
}

/// Runs workers that abort at `point`, until `deaths` of them did, then one that does not.
async fn dies_at(point: &str, when: &str, deaths: usize) -> Rig {
    let mut rig = Rig::new(setup()).await;
    rig.request("item", 1..=i64::try_from(COUNT).unwrap()).await;
    for n in (1..=COUNT).step_by(4) {
        rig.api.script(&format!("/item-{n}"), vec![Answer::Status(503), Answer::Status(429)]);
    }
    let mortal = rig.sexton_with("[database]", "[database]").env("FAILPOINTS", &format!("{point}={when}"));
    for _ in 0..deaths {
        aborts(&mortal, &["run"], point).await;
    }
    rig.drain().await;
    rig.assert_completed(COUNT).await;
    for n in 1..=COUNT {
        assert!(rig.api.calls_to(&format!("/item-{n}")).iter().any(|call| call.confirmed), "/item-{n}");
    }
    rig
}

/// The command aborts (128 + SIGABRT), and says where.
async fn aborts(sexton: &Sexton, args: &[&str], point: &str) {
    let daemon = sexton.spawn(args).await;
    assert_eq!(daemon.wait(PATIENCE).await, 134, "{:#?}", daemon.logs());
    let said = daemon.logs().iter().any(|line| line.text.contains(point));
    assert!(said, "it died of something else: {:#?}", daemon.logs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_before_a_claim_changes_nothing() {
    let rig = dies_at("claim::before", "1*return", 2).await;
    assert_eq!(rig.number("select max(rescues) from sexton_deletion_done").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_after_a_claim_is_made_good_by_the_lease() {
    let rig = dies_at("claim::committed", "1*return", 2).await;
    // Nothing had been called, so nothing is called twice; those with two failures first are called three times.
    assert_eq!(rig.api.log().len(), COUNT + 2 * COUNT / 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_before_a_failure_is_written_down_repeats_the_call() {
    dies_at("settle::before", "1*return", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_after_a_failure_is_written_down_loses_nothing() {
    dies_at("settle::committed", "1*return", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_before_rows_are_deleted_keeps_rows_and_deletions_together() {
    dies_at("complete::before", "1*return", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_after_rows_are_deleted_leaves_their_deletions_completed() {
    dies_at("complete::committed", "1*return", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_around_a_rescue_leaves_the_rescue_to_another() {
    for point in ["rescue::before", "rescue::committed"] {
        dies_at(point, "1*return", 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_die_everywhere_at_random_get_through_in_the_end() {
    let mut rig = Rig::new(Setup { max_rescues: 100, ..setup() }).await;
    rig.request("item", 1..=200).await;
    let points = ["claim", "settle", "complete", "rescue"];
    let all: Vec<_> = points
        .iter()
        .flat_map(|point| [format!("{point}::before=8%return"), format!("{point}::committed=8%return")])
        .collect();
    let mortal = rig.sexton_with("[database]", "[database]").env("FAILPOINTS", &all.join(";"));
    let mut deaths = 0;
    for _ in 0..12 {
        let daemon = mortal.spawn(&["run", "--until-idle"]).await;
        match daemon.wait(PATIENCE).await {
            134 => deaths += 1,
            code => assert_eq!(code, 0),
        }
    }
    assert!(deaths > 3, "only {deaths} of 12 died");
    rig.drain().await;
    rig.assert_completed(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_whose_command_dies_has_changed_nothing_and_can_do_it_again() {
    let mut rig = Rig::new(setup()).await;
    rig.request("item", 1..=2).await;
    for n in [1, 2] {
        rig.api.script(&format!("/item-{n}"), vec![Answer::Status(400); 10]);
    }
    rig.drain().await;
    assert_eq!(rig.states().await, [("rejected".to_owned(), 2)].into());
    rig.api.forget_scripts();
    let ids = rig.test_db.query_text("select id from sexton_deletion order by key").await;
    let id = |n: usize| ids[n][0].clone().unwrap();
    for (n, command, point) in [(0, "retry", "retry::before"), (1, "discard", "discard::before")] {
        let mortal = rig.sexton_with("[database]", "[database]").env("FAILPOINTS", &format!("{point}=return"));
        let id = id(n);
        let args = ["dlq", command, id.as_str(), "--reason", "a test"];
        aborts(&mortal, &args, point).await;
        assert_eq!(rig.states().await.get("rejected"), Some(&(2 - n)), "{point}");
        assert_eq!(rig.number("select count(*) from sexton_action").await, n, "{point}");
        drop(rig.sexton.run(&args).await.expect_code(0));
    }
    rig.drain().await;
    assert_eq!(rig.states().await, [("cancelled".to_owned(), 1), ("completed".to_owned(), 1)].into());
    assert_eq!(rig.number("select count(*) from sexton_action").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_that_dies_is_there_as_a_whole_or_not_at_all() {
    let rig = Rig::new(setup()).await;
    rig.test_db.execute("insert into item (id, name) select n, 'item-' || n from generate_series(1, 3) n").await;
    let removed = "select count(*) from item where deleted_at is not null";
    let recorded = "select count(*) from sexton_deletion where state = 'pending'";
    let args = ["request", "item", "1", "2", "3", "--after", "1h"];
    for (point, rows) in [("request::before", 0), ("request::committed", 3)] {
        let mortal = rig.sexton_with("[database]", "[database]").env("FAILPOINTS", &format!("{point}=return"));
        aborts(&mortal, &args, point).await;
        assert_eq!(rig.number(removed).await, rows, "{point}");
        assert_eq!(rig.number(recorded).await, rows, "{point}");
    }
    for (point, rows) in [("restore::before", 3), ("restore::committed", 2)] {
        let mortal = rig.sexton_with("[database]", "[database]").env("FAILPOINTS", &format!("{point}=return"));
        aborts(&mortal, &["restore", "item", "1"], point).await;
        assert_eq!(rig.number(removed).await, rows, "{point}");
        assert_eq!(rig.number(recorded).await, rows, "{point}");
    }
    rig.test_db.execute("update sexton_deletion set run_at = clock_timestamp()").await;
    rig.drain().await;
    assert_eq!(rig.number("select count(*) from item").await, 1);
}

//! A target that says "gone" although the twins are there: no row may go because of that.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sexton_tests::{
    PATIENCE,
    api::{Answer, Behaviour, Call},
};

use super::calm;
use crate::rig::workers::{Rig, Setup, Worker};

/// What the external system is like at the moment.
#[derive(Clone, Copy)]
enum Weather {
    /// It deletes what is there.
    Good,
    /// A gateway says that no backend is there: nothing was done.
    Unavailable,
    /// A gateway waits in vain for its backends: nothing was done, but no process can know that.
    TimingOut,
    /// A gateway answers each call with its page for "not found": nothing was done.
    Page,
    /// It deletes, but many a first answer is lost.
    Losing,
}

/// An external system that keeps which twins exist.
#[derive(Clone)]
struct Twins(Arc<Mutex<(BTreeSet<String>, Weather)>>);

impl Twins {
    /// A rig whose target takes 404 for "gone".
    async fn new(setup: Setup) -> (Rig, Self) {
        let mut rig = Rig::new(setup).await;
        rig.sexton = rig.sexton_with("gone = [410]", "gone = [404]");
        let twins = Self(Arc::new(Mutex::new((BTreeSet::new(), Weather::Good))));
        let answering = twins.clone();
        rig.api.set_default(Behaviour::With(Arc::new(move |call: &Call| answering.answer(call))));
        (rig, twins)
    }

    fn answer(&self, call: &Call) -> Answer {
        let (twins, weather) = &mut *self.0.lock().unwrap();
        match weather {
            // What a process with a wrong base path calls.
            _ if call.path().starts_with("/wrong/") => Answer::Status(410),
            Weather::TimingOut => Answer::Status(504),
            Weather::Unavailable => Answer::Status(503),
            Weather::Page => Answer::StatusBody(404, "<html>no such page</html>".to_owned()),
            Weather::Losing if call.path().ends_with(['2', '4', '6', '8']) && twins.remove(call.path()) => {
                Answer::Status(204)
            }
            Weather::Losing if twins.remove(call.path()) => Answer::Reset,
            Weather::Good if twins.remove(call.path()) => Answer::Status(204),
            Weather::Good | Weather::Losing => Answer::Status(404),
        }
    }

    /// Requests rows that have twins.
    async fn request(&self, rig: &mut Rig, ids: std::ops::RangeInclusive<i64>) {
        self.0.lock().unwrap().0.extend(ids.clone().map(|id| format!("/item-{id}")));
        rig.request("item", ids).await;
    }

    fn set(&self, weather: Weather) {
        self.0.lock().unwrap().1 = weather;
    }

    fn twins_left(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().0.clone()
    }

    /// Every twin that is left has its row.
    async fn assert_rows_of_twins(&self, rig: &Rig) {
        let rows = rig.test_db.query_text("select '/item-' || id from item").await;
        let rows: BTreeSet<String> = rows.into_iter().filter_map(|row| row[0].clone()).collect();
        let lost: Vec<_> = self.twins_left().into_iter().filter(|twin| !rows.contains(twin)).collect();
        assert!(lost.is_empty(), "{} rows went although their twins are there: {lost:?}", lost.len());
    }

    /// The outage lasts for a while, in which no row goes whose twin is there, and then all of them go.
    async fn outage_ends(&self, rig: &Rig) {
        tokio::time::sleep(OUTAGE).await;
        self.assert_rows_of_twins(rig).await;
        self.set(Weather::Good);
        self.end_well(rig).await;
    }

    /// All rows and all twins are gone in the end. If the breaker opened, an operator looks.
    async fn end_well(&self, rig: &Rig) {
        let start = Instant::now();
        while rig.value("select exists (select 1 from sexton_deletion)").await == "t" {
            if rig.value("select exists (select 1 from sexton_breaker where cause = 'gone')").await == "t" {
                drop(rig.sexton.run(&["resume", "item.api", "--reason", "the gateway works"]).await);
            }
            assert!(start.elapsed() < 2 * PATIENCE, "{:?}", rig.states().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(self.twins_left(), BTreeSet::new(), "twins that no deletion deletes any more");
        assert_eq!(rig.number("select count(*) from item").await, 0);
        assert_eq!(rig.states().await.into_keys().collect::<Vec<_>>(), ["completed"]);
    }
}

const GONE_OPENS: &str = "exists (select 1 from sexton_breaker where cause = 'gone')";
const OUTAGE: Duration = Duration::from_secs(12);

async fn after_600_good_answers(concurrency: usize) -> (Rig, Twins, Worker) {
    let (mut rig, twins) = Twins::new(Setup { concurrency, ..calm() }).await;
    twins.request(&mut rig, 1..=600).await;
    let worker = rig.run().await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert_eq!(twins.twins_left(), BTreeSet::new());
    (rig, twins, worker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_goes_when_retried_calls_meet_a_page_for_not_found() {
    let (mut rig, twins, worker) = after_600_good_answers(32).await;
    twins.set(Weather::Unavailable);
    twins.request(&mut rig, 601..=900).await;
    let called = |calls: &[Call]| {
        calls.iter().filter(|call| call.status == Some(503)).map(|c| c.path()).collect::<BTreeSet<_>>().len()
    };
    rig.api.wait_until("300 rows that were called", PATIENCE, |calls| called(calls) == 300).await;
    twins.set(Weather::Page);
    tokio::time::sleep(OUTAGE).await;
    twins.assert_rows_of_twins(&rig).await;
    assert_eq!(rig.value(&format!("select {GONE_OPENS}")).await, "t");
    twins.set(Weather::Good);
    twins.end_well(&rig).await;
    worker.stop().await;
}

async fn first_calls_meet_a_page(concurrency: usize) {
    let (mut rig, twins, worker) = after_600_good_answers(concurrency).await;
    twins.set(Weather::Page);
    twins.request(&mut rig, 601..=900).await;
    twins.outage_ends(&rig).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_goes_when_16_first_calls_at_once_meet_a_page_for_not_found() {
    first_calls_meet_a_page(16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_goes_when_64_first_calls_at_once_meet_a_page_for_not_found() {
    first_calls_meet_a_page(64).await;
}

/// Too few for the breaker: they wait for the target to delete again, and are asked once more then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_rows_that_meet_a_page_for_not_found_end_without_an_operator() {
    let (mut rig, twins, worker) = after_600_good_answers(16).await;
    twins.set(Weather::Page);
    twins.request(&mut rig, 601..=620).await;
    rig.wait_until("(select count(*) from sexton_deletion where held_at is not null) = 20").await;
    let status = rig.sexton.run(&["status", "--json"]).await.expect_code(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["lanes"][0]["lane"], &status["lanes"][0]["held"]), (&"item.api".into(), &20.into()));
    let id = rig.value("select id from sexton_deletion limit 1").await;
    let shown = rig.sexton.run(&["show", &id]).await.expect_code(0).stdout;
    assert!(shown.contains("still to be judged"), "{shown}");
    worker.wait_for_metric("sexton_held_deletions{lane=\"item.api\"}", |held| held > 19.5).await;
    tokio::time::sleep(OUTAGE.saturating_sub(Duration::from_secs(2))).await;
    twins.assert_rows_of_twins(&rig).await;
    twins.set(Weather::Good);
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert_eq!(twins.twins_left(), BTreeSet::new());
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
    worker.stop().await;
}

/// The process that claims a held deletion next knows that it is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_die_believe_nothing_that_was_in_doubt() {
    let (mut rig, twins) = Twins::new(Setup { concurrency: 16, ..Setup::default() }).await;
    let (one, two) = tokio::join!(rig.run(), rig.run());
    twins.request(&mut rig, 1..=300).await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    twins.set(Weather::Page);
    twins.request(&mut rig, 301..=320).await;
    rig.wait_until("(select count(held_at) from sexton_deletion) = 20").await;
    one.kill().await;
    two.kill().await;
    let three = rig.run().await;
    twins.outage_ends(&rig).await;
    three.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_row_whose_twin_is_gone_waits_for_seconds_only() {
    let (mut rig, twins) = Twins::new(calm()).await;
    let worker = rig.run().await;
    rig.request("item", 1..=1).await;
    let start = Instant::now();
    rig.wait_until("exists (select 1 from sexton_deletion where held_at is not null)").await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(rig.api.log().len(), 1, "it was asked once");
    twins.end_well(&rig).await;
    let proof = "select (confirmations -> 'api' ->> 'answer') || attempts from sexton_deletion_done";
    assert_eq!(rig.value(proof).await, "gone1", "waiting costs no attempt");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_twins_that_are_gone_among_others_are_nothing_special() {
    let (mut rig, twins) = Twins::new(Setup { concurrency: 8, ..calm() }).await;
    rig.request("item", 1..=100).await;
    twins.0.lock().unwrap().0 = (1..=100).filter(|id| id % 3 > 0).map(|id| format!("/item-{id}")).collect();
    let worker = rig.run().await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    twins.end_well(&rig).await;
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
    worker.stop().await;
}

/// The other process sees nothing but good answers, which say nothing about those of this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_goes_when_one_process_calls_a_wrong_path_and_another_the_right_one() {
    let (mut rig, twins) = Twins::new(Setup { concurrency: 4, ..calm() }).await;
    let right = rig.run().await;
    let wrong = rig.sexton_with("/{name}'", "/wrong/{name}'");
    let sexton = std::mem::replace(&mut rig.sexton, wrong);
    let misrouted = rig.run().await;
    rig.sexton = sexton;
    twins.request(&mut rig, 1..=60).await;
    rig.api.wait_until("a call to the wrong path", PATIENCE, |calls| calls.iter().any(|c| c.status == Some(410))).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    twins.assert_rows_of_twins(&rig).await;
    misrouted.stop().await;
    twins.end_well(&rig).await;
    right.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_goes_when_lost_answers_are_followed_by_a_page_for_not_found() {
    let target = "breaker = { failure_ratio = 2.0 }";
    let (mut rig, twins) = Twins::new(Setup { concurrency: 16, target, ..calm() }).await;
    let worker = rig.run().await;
    twins.set(Weather::TimingOut);
    twins.request(&mut rig, 1..=40).await;
    let lost = |calls: &[Call]| {
        calls.iter().filter(|call| call.status == Some(504)).map(|c| c.path()).collect::<BTreeSet<_>>().len()
    };
    rig.api.wait_until("40 rows that were called", PATIENCE, |calls| lost(calls) == 40).await;
    twins.set(Weather::Page);
    twins.outage_ends(&rig).await;
    worker.stop().await;
}

/// It lasts longer than the pause after which they are asked once more. When the target deletes again, they need not
/// wait for the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_rows_do_not_go_when_they_are_asked_again_in_the_same_outage() {
    let (mut rig, twins) = Twins::new(calm()).await;
    let worker = rig.run().await;
    twins.set(Weather::Page);
    twins.request(&mut rig, 1..=5).await;
    rig.api.wait_until("each is asked again", PATIENCE, |calls| calls.len() >= 10).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    twins.assert_rows_of_twins(&rig).await;
    twins.set(Weather::Good);
    twins.request(&mut rig, 6..=6).await;
    let start = Instant::now();
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    twins.end_well(&rig).await;
    worker.stop().await;
}

/// All that is due is held, and the breaker opens when they are asked again: one of them must probe the target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_rows_probe_a_target_when_there_are_no_others() {
    let target = "breaker = { min_calls = 3, window = '1m', probe_interval = '1s' }";
    let (mut rig, twins) = Twins::new(Setup { target, ..calm() }).await;
    let worker = rig.run().await;
    twins.set(Weather::Page);
    twins.request(&mut rig, 1..=6).await;
    rig.wait_until("(select count(held_at) from sexton_deletion) = 6").await;
    twins.set(Weather::Unavailable);
    rig.wait_until("exists (select 1 from sexton_breaker where cause = 'failures')").await;
    twins.set(Weather::Good);
    twins.end_well(&rig).await;
    worker.stop().await;
}

/// Each call may have been carried out, as these were, and the target also deletes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gone_after_a_lost_answer_is_no_surprise() {
    let (mut rig, twins) =
        Twins::new(Setup { concurrency: 8, target: "breaker = { failure_ratio = 2.0 }", ..calm() }).await;
    twins.set(Weather::Losing);
    twins.request(&mut rig, 1..=100).await;
    rig.drain().await;
    twins.end_well(&rig).await;
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
}

/// The database lost the end of what it had been told, as an asynchronous replica does that is promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledger_that_lost_what_was_done_needs_no_operator() {
    let (mut rig, twins) = Twins::new(Setup { concurrency: 8, ..calm() }).await;
    twins.request(&mut rig, 1..=150).await;
    for table in ["item", "sexton_deletion"] {
        rig.test_db.execute(&format!("create table old_{table} as table {table}")).await;
    }
    let (one, two) = tokio::join!(rig.run(), rig.run());
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert_eq!(twins.twins_left(), BTreeSet::new());
    rig.test_db
        .execute(
            "begin; delete from sexton_deletion_done; insert into item table old_item;
             insert into sexton_deletion table old_sexton_deletion; commit",
        )
        .await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert_eq!(rig.number("select count(*) from item").await, 0);
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
    assert_eq!(rig.number("select count(*) from sexton_action").await, 0);
    tokio::join!(one.stop(), two.stop());
}

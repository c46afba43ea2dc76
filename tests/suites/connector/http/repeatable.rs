//! `repeatable = false`: a call whose answer was lost is not repeated.

use std::time::Duration;

use sexton_tests::api::{Answer, Gate};

use super::{things, things_on};
use crate::rig::{PATIENCE, Rig, Server, on_both};

const ONCE: &str = "url = \"@API@/once/{ref}\"\nrepeatable = false";

on_both!(worker_killed_in_mid_call_ends_as_unknown_outcome, call_whose_answer_was_lost_is_not_repeated);

/// With a short lease, so that what a killed worker leaves is taken back soon.
fn once() -> String {
    format!("[worker]\nlease = \"2s\"\n{}", super::thing(ONCE).replace("\"2s\"", "\"600ms\""))
}

/// Beside it, a target whose calls may be repeated.
fn two_targets() -> String {
    let again = "[[resources.thing.targets]]\nname = \"again\"\nkind = \"http\"\ntimeout = \"600ms\"\n\
                 allow_private = true\nurl = \"@API@/again/{ref}\"\n";
    format!("{}\n{again}", once())
}

async fn worker_killed_in_mid_call_ends_as_unknown_outcome(server: Server) {
    let rig = things_on(server, 2, ONCE).await;
    rig.reconfigure(&two_targets());
    drop(rig.run(&["migrate"]).await.expect_code(0));
    // The first is killed during the call to `once`, the second during that to `again`, after `once` has answered.
    let gate = Gate::new();
    rig.api.script("/once/r1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    rig.api.script("/again/r2", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let ids = rig.request("thing", &["1", "2"]).await;
    let worker = rig.daemon().await;
    let asked =
        |path: &'static str| move |calls: &[sexton_tests::api::Call]| calls.iter().any(|call| call.path() == path);
    rig.api.wait_until("call of the first", PATIENCE, asked("/once/r1")).await;
    rig.api.wait_until("call of the second", PATIENCE, asked("/again/r2")).await;
    let calling = "select coalesce(calling, '-') from sexton_deletion order by key";
    assert_eq!(rig.rows(calling).await, ["crm", "-"], "an answer takes it away at once");
    worker.signal("KILL");
    assert_eq!(worker.wait(PATIENCE).await, 137);
    gate.open();
    let other = rig.daemon().await;
    assert_eq!(rig.settled(&ids[0]).await, "dead: unknown_outcome");
    assert_eq!(rig.settled(&ids[1]).await, "completed");
    assert_eq!(rig.api.calls_to("/once/r1").len(), 1, "it was not asked again");
    assert_eq!(rig.api.calls_to("/once/r2").len(), 1, "it had confirmed before its worker vanished");
    assert_eq!(rig.api.calls_to("/again/r2").len(), 2);
    drop(rig.run(&["dlq", "retry", &ids[0]]).await.expect_code(0));
    assert_eq!(rig.settled(&ids[0]).await, "completed", "on-call looked, and wants it asked again");
    assert_eq!(rig.api.calls_to("/once/r1").len(), 2);
    other.stop().await;
}

async fn call_whose_answer_was_lost_is_not_repeated(server: Server) {
    let rig = things_on(server, 3, ONCE).await;
    rig.reconfigure(&two_targets());
    drop(rig.run(&["migrate"]).await.expect_code(0));
    rig.api.script("/once/r1", vec![Answer::Reset]);
    rig.api.script("/again/r1", vec![Answer::Reset]);
    rig.api.script("/once/r2", vec![Answer::Hang]);
    rig.api.script("/once/r3", vec![Answer::Status(401), Answer::Status(429)]);
    let ids = rig.request("thing", &["1", "2", "3"]).await;
    rig.work().await;
    for (id, reason) in [(&ids[0], "connection_lost"), (&ids[1], "timeout")] {
        let record = rig.show(id).await;
        assert_eq!(rig.state(id).await, "dead: unknown_outcome", "{record:#}");
        assert_eq!(record["last_error"], format!("crm: {reason}"));
    }
    assert_eq!(rig.state(&ids[2]).await, "completed", "nothing was done, so it is asked again");
    let called: Vec<_> = ["r1", "r2", "r3"].map(|name| rig.api.calls_to(&format!("/once/{name}")).len()).into();
    assert_eq!(called, [1, 1, 3]);
    assert_eq!(rig.one("select count(*) from sexton_deletion where calling is not null").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_connection_proves_that_nothing_was_sent() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let rig = things(1, &ONCE.replace("@API@", &url)).await;
    let (state, error) = super::delete(&rig).await;
    assert_eq!((state.as_str(), error.as_str()), ("dead: exhausted", "crm: no_connection"));
    assert_eq!(rig.one("select attempts from sexton_deletion").await, "3");
}

/// What would be called after the lease is lost would be called by two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_called_when_the_lease_is_lost_before_the_call_is_noted() {
    let rig: Rig = things(1, ONCE).await;
    let id = super::request(&rig, 1).await.remove(0);
    // Each claim is fenced out in the same moment.
    rig.execute(
        "create trigger thief after update of state on sexton_deletion when new.state = 'running'
         begin update sexton_deletion set fence = fence + 1 where id = new.id; end",
    )
    .await;
    let worker = rig.daemon().await;
    worker.wait_for_log("was lost; another worker takes it", PATIENCE).await;
    worker.signal("KILL");
    worker.wait(PATIENCE).await;
    assert_eq!(rig.calls(), Vec::<String>::new());
    assert_eq!(rig.one("select coalesce(calling, '-') from sexton_deletion").await, "-", "{id}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_that_stops_in_mid_call_does_not_hand_the_call_back() {
    let rig = things(1, ONCE).await;
    rig.reconfigure(&format!(
        "[worker]\nshutdown_grace = \"100ms\"\n{}",
        super::thing(ONCE).replace("\"2s\"", "\"20s\"")
    ));
    rig.api.script("/once/r1", vec![Answer::Hang]);
    let id = super::request(&rig, 1).await.remove(0);
    let worker = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    worker.signal("TERM");
    assert_eq!(worker.wait(PATIENCE + Duration::from_secs(30)).await, 0);
    assert_eq!(rig.state(&id).await, "dead: unknown_outcome");
    assert_eq!(rig.show(&id).await["last_error"], "crm: interrupted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_around_a_call_leaves_it_open_only_while_its_answer_is_not_noted() {
    for (point, state, calls) in [
        ("calling::before", "completed", 1),
        // Nothing was called, but the ledger cannot tell.
        ("calling::committed", "dead: unknown_outcome", 0),
        ("answered::before", "dead: unknown_outcome", 1),
        ("answered::committed", "completed", 1),
    ] {
        let mut rig = things(1, ONCE).await;
        rig.reconfigure(&once());
        let id = super::request(&rig, 1).await.remove(0);
        rig.sexton = rig.sexton.env("FAILPOINTS", &format!("{point}=1*return"));
        let mortal = rig.sexton.spawn(&["run"]).await;
        assert_eq!(mortal.wait(PATIENCE).await, 134, "{point}: {:#?}", mortal.logs());
        rig.sexton = rig.sexton.env("FAILPOINTS", "");
        let worker = rig.daemon().await;
        assert_eq!(rig.settled(&id).await, state, "{point}");
        assert_eq!(rig.calls().len(), calls, "{point}");
        worker.signal("KILL");
        worker.wait(PATIENCE).await;
    }
}

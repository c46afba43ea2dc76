//! `verify`: an object counts as gone only when a look says so.

use sexton_tests::api::Answer;

use super::{delete, request, things};

const LOOK: &str = "url = \"@API@/x/{ref}\"\nheaders = { X-Ref = \"{ref}\" }\nverify = { url = \"@API@/look/{ref}\", status = [404, 410] }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confirmation_counts_once_the_twin_is_seen_to_be_gone_and_the_proof_says_so() {
    let rig = things(2, LOOK).await;
    rig.api.script("/look/r1", vec![Answer::Status(200), Answer::Status(404)]);
    rig.api.script("/x/r2", vec![Answer::Status(410)]);
    rig.api.script("/look/r2", vec![Answer::Status(410)]);
    let ids = request(&rig, 2).await;
    rig.work().await;
    for id in &ids {
        let record = rig.show(id).await;
        let proof = &record["confirmations"]["crm"];
        // The second delete of the first finds it gone already.
        assert_eq!((proof["verified"].as_bool(), proof["answer"].as_str()), (Some(true), Some("gone")), "{record:#}");
    }
    let first: Vec<_> = rig.calls().into_iter().filter(|call| call.ends_with("r1")).collect();
    assert_eq!(first, ["DELETE /x/r1", "GET /look/r1", "DELETE /x/r1", "GET /look/r1"], "the delete is asked again");
    assert!(rig.api.log().iter().all(|call| call.header("x-ref").is_some()), "headers are those of the target");
    let failed = &rig.show(&ids[0]).await["failed_attempts"][0];
    assert_eq!(
        (&failed["outcome"], &failed["reason"], &failed["status"]),
        (&"not_verified".into(), &"not_verified".into(), &200.into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twin_that_stays_makes_the_deletion_dead_as_not_verified() {
    let rig = things(1, LOOK).await;
    rig.api.script("/look/r1", vec![Answer::Status(200), Answer::Status(400), Answer::Status(204)]);
    assert_eq!(delete(&rig).await, ("dead: not_verified".to_owned(), "crm answered 204 (not_verified)".to_owned()));
    assert_eq!(rig.calls().len(), 6, "three attempts");
    assert_eq!(rig.one("select count(*) from thing").await, "1", "the row stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_object_that_can_still_be_read_is_recognised() {
    let when = "url = \"@API@/x/{ref}\"\nverify = { url = \"@API@/look/{ref}\", when = { pointer = \"/status\", equals = \"cancelled\" } }";
    let rig = things(1, when).await;
    let read = |status: &str| Answer::StatusBody(200, format!(r#"{{"status":"{status}"}}"#));
    rig.api.script("/look/r1", vec![read("confirmed"), Answer::Status(404), read("cancelled")]);
    assert_eq!(delete(&rig).await.0, "completed");
    assert_eq!(rig.calls().len(), 6, "404 does not say that it is cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_that_cannot_be_made_counts_like_a_call_that_cannot() {
    for (answer, state, why) in [
        (Answer::Status(503), "dead: exhausted", "crm answered 503 (http_503)"),
        (Answer::Reset, "dead: exhausted", "crm: connection_lost"),
        (Answer::Hang, "dead: exhausted", "crm: timeout"),
        (Answer::Status(429), "completed", "crm answered 429 (http_429)"),
        (Answer::Status(401), "completed", "crm answered 401 (http_401)"),
    ] {
        let rig = things(1, &format!("{LOOK}\nretry = {{ max_attempts = 1 }}")).await;
        // A lost connection is no reason to give up: the look is made again at once.
        let again = if matches!(answer, Answer::Reset) { vec![Answer::Reset] } else { Vec::new() };
        rig.api.script("/look/r1", [vec![answer.clone()], again, vec![Answer::Status(404)]].concat());
        assert_eq!(delete(&rig).await, (state.to_owned(), why.to_owned()), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_the_look_are_kept_for_later_ones() {
    let settings = "url = \"@API@/x/{ref}\"\nverify = { url = \"@API@/look/{mail}\", status = [404] }";
    let rig = things(1, settings).await;
    rig.api.script("/look/ann%40example.org", vec![Answer::Status(404)]);
    assert_eq!(delete(&rig).await.0, "completed");
    assert_eq!(rig.one("select refs from sexton_deletion_done").await, r#"{"mail":"ann@example.org"}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_that_was_never_synced_is_not_looked_for() {
    let rig = things(1, &format!("{LOOK}\nskip_when_null = [\"mail\"]")).await;
    rig.execute("update thing set mail = null").await;
    let id = request(&rig, 1).await.remove(0);
    rig.work().await;
    let record = rig.show(&id).await;
    assert_eq!(record["confirmations"]["crm"]["answer"], "skipped");
    assert!(record["confirmations"]["crm"]["verified"].is_null(), "{record:#}");
    assert_eq!(rig.calls(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_whose_connection_was_lost_is_made_again() {
    let rig = things(1, &format!("{LOOK}\nretry = {{ max_attempts = 1 }}")).await;
    rig.api.script("/look/r1", vec![Answer::Reset, Answer::Status(404)]);
    assert_eq!(delete(&rig).await.0, "completed");
    assert_eq!(rig.calls(), ["DELETE /x/r1", "GET /look/r1", "GET /look/r1"], "and the delete is not");
}

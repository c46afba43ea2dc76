//! A worker that was stopped until its lease was over changes nothing.

use sea_orm::{ConnectionTrait, TransactionTrait};
use sexton_tests::{
    Daemon,
    api::{Answer, Gate},
};

use crate::rig::{PATIENCE, RESOURCE, Rig, Server, on_both};

on_both!(
    stale_worker_changes_nothing_after_another_has_finished,
    stale_worker_changes_nothing_while_another_works,
    stale_worker_changes_nothing_after_a_snooze,
    stale_worker_changes_nothing_after_a_retry_by_on_call,
);

const EVENT: &str = "/calendars/c/events/g1";

struct Stale {
    rig: Rig,
    id: String,
    worker: Daemon,
    gate: Gate,
}

/// A worker stopped in mid-call, whose lease another worker has taken back; that one gets `answers`.
async fn stale(server: Server, answers: Vec<Answer>) -> (Stale, Daemon) {
    let resource = RESOURCE.replace("timeout = \"2s\"", "timeout = \"3s\"");
    let resource = format!(
        "[worker]\nlease = \"9s\"\n[retry]\nmax_attempts = 3\ninitial_interval = \"1ms\"\nmax_interval = \"1h\"\n{resource}"
    );
    let rig = Rig::blocks_with(server, 1, &resource).await;
    let gate = Gate::new();
    rig.api.script(EVENT, [vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))], answers].concat());
    let id = rig.request_block().await;
    let worker = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    stop(&rig, &worker).await;
    let other = rig.daemon().await;
    rig.api.wait_for_calls(2, PATIENCE).await;
    (Stale { rig, id, worker, gate }, other)
}

/// Stops a worker while the test holds SQLite's write lock: a process that is stopped while it holds that lock itself
/// keeps every other out, and no program can help it.
async fn stop(rig: &Rig, worker: &Daemon) {
    let connection = rig.server.connect().await;
    let transaction = connection.begin().await.unwrap();
    transaction.execute_unprepared("update block set note = note").await.unwrap();
    worker.signal("STOP");
    let status = format!("/proc/{}/status", worker.pid());
    while !std::fs::read_to_string(&status).unwrap().contains("State:\tT") {
        tokio::task::yield_now().await;
    }
    transaction.rollback().await.unwrap();
}

impl Stale {
    /// Wakes the worker: it gets its answer, or finds that its time is up, and in any case that its lease is lost.
    async fn wake(&self) {
        self.gate.open();
        self.worker.signal("CONT");
        self.worker.wait_for_log(&format!("the lease of deletion {} was lost", self.id), PATIENCE).await;
    }

    /// All of the deletion but the attempts' times.
    async fn ledger(&self) -> Vec<String> {
        let open =
            "select state, fence, attempts, rescues, run_at, called_at, confirmations, last_error from sexton_deletion";
        let done = "select state, fence, attempts, rescues, row_outcome, finished_at, confirmations, last_error
                    from sexton_deletion_done";
        let attempts = "select fence, outcome, status, worker from sexton_attempt order by fence";
        let mut all = Vec::new();
        for sql in [open, done, attempts] {
            all.extend(self.rig.rows(sql).await);
        }
        all
    }
}

async fn stale_worker_changes_nothing_after_another_has_finished(server: Server) {
    let (stale, _other) = stale(server, vec![Answer::Status(204)]).await;
    assert_eq!(stale.rig.settled(&stale.id).await, "completed");
    let before = stale.ledger().await;
    // A live row under the same key, which the stale worker must not touch.
    stale.rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    stale.wake().await;
    assert_eq!(stale.ledger().await, before);
    let record = stale.rig.show(&stale.id).await;
    assert_eq!((record["fence"].as_i64(), record["rescues"].as_i64()), (Some(2), Some(1)));
    assert_eq!(stale.rig.rows("select id, deleted_at from block").await, ["1|-"]);
}

/// Here only the fence tells the two apart: the deletion is running, as it was for the stale worker.
async fn stale_worker_changes_nothing_while_another_works(server: Server) {
    let gate = Gate::new();
    let (stale, _other) = stale(server, vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]).await;
    stale.wake().await;
    gate.open();
    assert_eq!(stale.rig.settled(&stale.id).await, "completed");
    assert_eq!(stale.rig.rows("select count(*) from sexton_attempt where fence = 1").await, ["0"]);
    assert_eq!(stale.rig.rows("select count(*) from block").await, ["0"]);
}

async fn stale_worker_changes_nothing_after_a_snooze(server: Server) {
    let later = Answer::WithHeaders(429, vec![("retry-after".to_owned(), "1800".to_owned())]);
    let (stale, _other) = stale(server, vec![later]).await;
    stale.rig.until("select state, fence, attempts from sexton_deletion", "pending|2|1").await;
    let before = stale.ledger().await;
    stale.wake().await;
    assert_eq!(stale.ledger().await, before);
    assert_eq!(stale.rig.rows("select count(*) from block").await, ["1"]);
    assert_eq!(stale.rig.calls().len(), 2);
}

async fn stale_worker_changes_nothing_after_a_retry_by_on_call(server: Server) {
    let (stale, other) = stale(server, vec![Answer::Status(400)]).await;
    assert_eq!(stale.rig.settled(&stale.id).await, "dead: rejected");
    other.stop().await;
    drop(stale.rig.run(&["dlq", "retry", &stale.id, "--reason", "repaired"]).await.expect_code(0));
    stale.rig.until("select state, fence, attempts from sexton_deletion", "pending|2|0").await;
    stale.wake().await;
    // It may take the deletion again, but by a claim of its own. A claim whose statement it was sending when it was
    // stopped has no time left, and is handed back once more.
    assert_eq!(stale.rig.settled(&stale.id).await, "completed");
    let record = stale.rig.show(&stale.id).await;
    assert!(record["fence"].as_i64() >= Some(3) && record["attempts"] == 1, "{record}");
    let attempts = stale.rig.rows("select fence, outcome, status from sexton_attempt").await;
    assert_eq!(attempts, ["2|rejected|400"], "nothing is recorded for the claim that was lost");
    assert_eq!(stale.rig.calls().len(), 3);
}

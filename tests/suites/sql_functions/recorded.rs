//! The functions record what `sexton request` and `sexton restore` record, column by column.

use super::setup::{rig, text};
use crate::{
    guard::postgres::{CAPTURED, PRINTED, PRINTED_RESOURCE},
    rig::{Rig, Server},
};

/// What is done to two databases: to one by the command line, to the other by the functions.
enum Step {
    Request(&'static str, &'static str),
    After(&'static str, &'static str, &'static str),
    Restore(&'static str, &'static str),
    Batch(&'static str, &'static str),
    Sql(&'static str),
}
use Step::{After, Batch, Request, Restore, Sql};

impl Step {
    async fn by_command(&self, rig: &Rig) {
        let who = ["--reason", "it's why", "--by", "ann"];
        let args = match self {
            Request(resource, key) => vec!["request", resource, key],
            After(resource, key, after) => vec!["request", resource, key, "--after", after],
            Restore(resource, key) => vec!["restore", resource, key],
            Batch(resource, key) => vec!["restore", resource, key, "--batch"],
            Sql(sql) => return rig.execute(sql).await,
        };
        drop(rig.run(&[args, who.to_vec()].concat()).await.expect_code(0));
    }

    async fn by_function(&self, rig: &Rig) {
        let call = |function: &str, resource, key, rest: &str| {
            format!("select {function}({}, {}, 'it''s why', {rest})", text(resource), text(key))
        };
        let sql = match self {
            Request(resource, key) => call("sexton_soft_remove", resource, key, "'ann'"),
            After(resource, key, after) => call("sexton_soft_remove", resource, key, &format!("'ann', '{after}'")),
            Restore(resource, key) => call("sexton_restore_row", resource, key, "'ann'"),
            Batch(resource, key) => format!(
                "select sexton_restore_batch(batch_id, 'it''s why', 'ann') from sexton_deletion
                 where resource = {} and key = {}",
                text(resource),
                text(key)
            ),
            Sql(sql) => return rig.execute(sql).await,
        };
        drop(rig.psql(&sql).await.expect_code(0));
    }
}

/// Compares after each step, and checks that steps change something.
async fn same(steps: &[Step]) {
    let (command, function) = tokio::join!(rig(), rig());
    let mut before = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        tokio::join!(step.by_command(&command), step.by_function(&function));
        let (wanted, written) = tokio::join!(command.written(), function.written());
        assert_eq!(wanted, written, "after step {n}");
        // A second request may find everything as it is.
        assert!(n > 0 && matches!(step, Request(..)) || before != written, "step {n} did nothing");
        before = written;
    }
}

const KILL: &str = "update sexton_deletion set state = 'dead', dead_kind = 'rejected', dead_at = now(), attempts = 3, fence = 3,
    first_attempt_at = now(), last_error = 'status 400', called_at = now(),
    confirmations = '{\"calendar\": {\"at\": \"x\", \"answer\": \"deleted\"}, \"mail\": {\"at\": \"x\", \"answer\": \"deleted\"}}'";
const CLAIM: &str =
    "update sexton_deletion set state = 'running', fence = 1, lease_until = now() + interval '1 hour', worker = 'w'
    where resource = 'photo' and key = '11'";

macro_rules! same_as_the_command {
    ($($name:ident: $steps:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            same(&$steps).await;
        }
    )+};
}

same_as_the_command! {
    row_of_one_target_after_another: [Request("block", "6"), Restore("block", "6")];
    row_that_is_its_own_child: [Request("block", "7"), Restore("block", "7")];
    children_two_levels_deep_and_by_a_json_path: [Request("block", "1"), Restore("block", "1")];
    child_of_two_requests: [
        Request("block", "2"), Request("block", "1"), Restore("block", "1"), Restore("block", "2"),
    ];
    composite_key: [Request("pair", r#"[1, "it's \"two\""]"#), Restore("pair", r#"["1","it's \"two\""]"#)];
    uuid_key_with_a_grace: [
        Request("thing", "01939D1CAAAA70008000000000000000"), Restore("thing", "01939d1c-aaaa-7000-8000-000000000000"),
    ];
    row_without_targets_goes_at_once: [Request("note", "plain")];
    row_without_targets_that_waits: [After("note", "plain", "1h"), Restore("note", "plain")];
    row_without_targets_in_a_hostile_text: [Request("note", "it's \\ \"quoted\"'; drop table note; --")];
    row_in_another_script: [After("note", "ünï 日本 $1 %I", "2 days"), Request("note", "ünï 日本 $1 %I")];
    children_with_deletions_of_their_own_in_a_circle: [Request("album", "1"), Restore("album", "1")];
    children_of_a_request_with_a_delay: [After("album", "1", "1h"), Request("album", "1"), Batch("album", "1")];
    child_that_was_requested_before: [Request("photo", "11"), Request("album", "1"), Restore("album", "1")];
    child_that_is_running: [Request("photo", "11"), Sql(CLAIM), Request("album", "1")];
    whole_request_by_a_child: [Request("album", "1"), Batch("photo", "12")];
    open_deletion_that_is_requested_again: [
        Request("block", "1"),
        Sql("update block set calendar_id = 'moved' where id = 1; update block set calendar_id = 'moved' where id = 5"),
        Request("block", "1"),
    ];
    dead_deletion_that_is_requested_anew: [
        Request("block", "1"), Sql(KILL), Sql("update block set gcal_id = 'new' where id = 1"), Request("block", "1"),
    ];
    dead_deletions_of_children_that_are_requested_anew: [Request("album", "1"), Sql(KILL), Request("album", "1")];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_session_change_nothing_that_is_captured() {
    let (columns, values, settings) = PRINTED;
    let table = format!("create table printed (id bigint primary key, {columns}, deleted_at timestamptz)");
    let rig = Rig::with(Server::postgres().await, &table, PRINTED_RESOURCE).await;
    rig.execute(&format!("insert into printed values (1, {values}), (2, {values})")).await;
    drop(rig.run(&["request", "printed", "1"]).await.expect_code(0));
    rig.execute(&format!("{settings} select sexton_soft_remove('printed', '2')")).await;
    let captured = rig.rows(CAPTURED).await;
    assert_eq!(captured.len(), 2);
    assert_eq!(captured[0], captured[1]);
    // What an application's own triggers see is theirs.
    rig.execute(
        "create table seen (zone text);
         create function look() returns trigger language plpgsql as $$
         begin insert into public.seen values (current_setting('TimeZone')); return new; end $$;
         create trigger look before update on printed for each row execute function look();
         insert into printed (id) values (3); set timezone = 'Asia/Tokyo'; select sexton_soft_remove('printed', '3')",
    )
    .await;
    assert_eq!(rig.rows("select zone from seen").await, ["Asia/Tokyo"]);
}

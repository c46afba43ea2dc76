//! The sweep `prune`: old finished deletions go, except the last one of a row that is still there.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sexton_core::{
    config::{SweepBudget, Sync, Verification, VerifyMode},
    ledger::{SweepLead, SweepProgress, SweepRun},
    sweep::prune::{Mode, PruneCheckpoint, Pruned},
};

use crate::rig::{Server, ledger::Fixture, on_both};

on_both!(
    old_entries_go_with_their_attempts_and_young_ones_stay,
    newest_entry_of_a_row_that_is_still_marked_stays,
    hashed_entry_of_a_row_that_is_still_marked_stays,
    refs_are_scrubbed_when_it_is_too_late_for_checks,
    small_budget_needs_more_runs_and_comes_to_the_same,
    dry_run_counts_the_same_and_changes_nothing,
    sweep_has_one_leader_at_a_time_and_a_pause_after_a_pass,
);

const OLD: &str = "2025-01-15T00:00:00.000Z";
const UNLIMITED: SweepBudget = SweepBudget { rows: u64::MAX, time: Duration::MAX };
const DAY: Duration = Duration::from_secs(86_400);

fn id(n: usize) -> String {
    format!("00000000-0000-7000-8000-{n:012}")
}

/// A finished deletion.
struct Finished<'t> {
    n: usize,
    resource: &'t str,
    /// The key, or its hash.
    key: &'t str,
    /// A row outcome, or by whom it was cancelled.
    how: &'t str,
    at: &'t str,
}

async fn finished(f: &Fixture, finished: Finished<'_>) {
    let Finished { n, resource, key, how, at } = finished;
    let (state, column) = match how {
        "deleted" | "kept" | "already_gone" => ("completed", "row_outcome"),
        _ => ("cancelled", "cancelled_by"),
    };
    let (key_column, key) = if key.len() == 64 { ("key_hash", key) } else { ("key", key) };
    f.execute(&format!(
        "insert into sexton_deletion_done (id, resource, {key_column}, state, {column}, fence, attempts, rescues, batch_id,
            targets, confirmations, requested_at, requested_by, finished_at)
         values ('{}', '{resource}', '{key}', '{state}', '{how}', 1, 1, 0, '{}', '[]', '{{}}', '{OLD}', 'x', '{at}')",
        id(n),
        id(0)
    ))
    .await;
}

async fn attempt(f: &Fixture, n: usize, at: &str) {
    f.execute(&format!(
        "insert into sexton_attempt (deletion_id, fence, target, at, outcome, reason, duration_ms, worker)
         values ('{}', 1, 'calendar', '{at}', 'retry', 'http_503', 1, 'w')",
        id(n)
    ))
    .await;
}

/// The numbers of the entries that are left.
async fn remaining(f: &Fixture) -> Vec<usize> {
    let sql = "select id from sexton_deletion_done order by id";
    f.rows(sql).await.iter().map(|id| id[24..].parse().unwrap()).collect()
}

async fn run(f: &Fixture, place: PruneCheckpoint, budget: SweepBudget, mode: Mode) -> PruneCheckpoint {
    let verify = Verification { share: 0.0, after: DAY, mode: VerifyMode::Report };
    let sync = Sync { interval: DAY, batch: 500, budget, keep_completed: 90 * DAY, keep_refs: 7 * DAY, verify };
    sexton_core::sweep::prune::prune(&f.store, &sync, place, budget, mode).await.unwrap()
}

async fn prune(f: &Fixture) -> Pruned {
    let place = run(f, PruneCheckpoint::default(), UNLIMITED, Mode::Delete).await;
    assert!(place.is_over());
    place.done
}

async fn days_ago(f: &Fixture, days: u32) -> String {
    f.one(&if f.is_postgres() {
        format!(
            "select to_char((now() - interval '{days} days') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        )
    } else {
        format!("select strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{days} days')")
    })
    .await
}

async fn old_entries_go_with_their_attempts_and_young_ones_stay(f: Fixture) {
    let (old, young) = (days_ago(&f, 91).await, days_ago(&f, 89).await);
    for (n, at) in [(1, OLD), (2, &old), (3, &young)] {
        finished(&f, Finished { n, resource: "block", key: &n.to_string(), how: "deleted", at }).await;
        attempt(&f, n, at).await;
    }
    // A dead letter is older than all that is pruned; the deletion of the fourth attempt is gone already.
    f.blocks(1).await;
    let claim = f.claim_one(f.request_one("block", "1").await.id).await;
    f.kill(&claim, Default::default()).await;
    f.execute(&format!("update sexton_deletion set requested_at = '{OLD}'")).await;
    attempt(&f, 4, OLD).await;
    f.execute(&format!(
        "insert into sexton_attempt (deletion_id, fence, target, at, outcome, reason, duration_ms, worker)
         values ('{}', 1, 'calendar', '{OLD}', 'rejected', 'http_400', 1, 'w')",
        claim.id
    ))
    .await;
    assert_eq!(prune(&f).await, Pruned { deletions: 2, attempts: 3, ..Pruned::default() });
    assert_eq!(remaining(&f).await, [3]);
    let attempts = f.rows("select deletion_id from sexton_attempt order by deletion_id").await;
    assert_eq!(attempts, [id(3), claim.id.to_string()]);
    assert_eq!(prune(&f).await, Pruned::default());
}

async fn newest_entry_of_a_row_that_is_still_marked_stays(f: Fixture) {
    f.blocks(9).await;
    f.execute("update block set deleted_at = '2025-01-01T00:00:00Z' where id <> 3").await;
    f.execute("update block set kind = 'T', item_status = 'Deleted', deleted_at = null where id = 9").await;
    f.execute("insert into pair (tenant, name, deleted_at) values (1, 'a', '2025-01-01')").await;
    let cases = [
        (1, "block", "1", "kept", true),
        (2, "block", "2", "discarded", true),
        (3, "block", "3", "kept", false),        // live again
        (4, "block", "999", "discarded", false), // gone
        (5, "block", "4", "discarded", false),   // not the newest: see 6
        (6, "block", "4", "kept", true),
        (7, "block", "5", "deleted", false), // another row with the same key
        (8, "block", "6", "restored", true),
        (9, "block", "7", "discarded", false), // open again, see below
        (10, "block", "9", "kept", true),      // marked in the other way
        (11, "pair", "[\"1\",\"a\"]", "kept", true),
        (12, "pair", "no longer a key", "kept", true),
        (13, "gone_resource", "1", "discarded", true),
        (14, "gone_resource", "1", "deleted", false),
    ];
    for (n, resource, key, how, _) in cases {
        finished(&f, Finished { n, resource, key, how, at: if n == 5 { "2025-01-01T00:00:00.000Z" } else { OLD } })
            .await;
    }
    // 14 is the same instant as 13 and has the greater id.
    f.execute(&format!(
        "update sexton_deletion_done set finished_at = '2025-01-02T00:00:00.000Z' where id = '{}'",
        id(14)
    ))
    .await;
    f.request_one("block", "7").await;
    let wanted: Vec<_> = cases.iter().filter(|case| case.4).map(|case| case.0).collect();
    let done = prune(&f).await;
    assert_eq!(remaining(&f).await, wanted);
    assert_eq!((done.deletions, done.kept), ((cases.len() - wanted.len()) as u64, wanted.len() as u64));
    // Once the row is gone nothing keeps its entry.
    f.execute("delete from block where id = 1").await;
    prune(&f).await;
    assert_eq!(remaining(&f).await, wanted[1..]);
}

async fn hashed_entry_of_a_row_that_is_still_marked_stays(f: Fixture) {
    f.blocks(3).await;
    f.execute("update block set deleted_at = '2025-01-01T00:00:00Z' where id <> 2").await;
    let keys = ["1", "2", "3", "999"].map(str::to_owned);
    let hashes = f.store.ledger.key_hashes(&f.store.db.conn, "block", &keys).await.unwrap();
    for (n, hash) in hashes.iter().enumerate() {
        finished(&f, Finished { n: n + 1, resource: "block", key: hash, how: "kept", at: OLD }).await;
    }
    finished(&f, Finished { n: 9, resource: "block", key: &hashes[2], how: "deleted", at: "2025-02-01T00:00:00.000Z" })
        .await;
    let done = prune(&f).await;
    assert_eq!(remaining(&f).await, [1], "2 is live, 3 has a newer entry, and 4 is gone");
    assert_eq!((done.deletions, done.kept), (4, 1));
}

async fn refs_are_scrubbed_when_it_is_too_late_for_checks(f: Fixture) {
    let (old, young) = (days_ago(&f, 8).await, days_ago(&f, 6).await);
    for (n, at) in [(1, &old), (2, &young), (3, &old)] {
        finished(&f, Finished { n, resource: "block", key: &n.to_string(), how: "deleted", at }).await;
    }
    f.execute("update sexton_deletion_done set refs = '{\"gcal_id\": \"g\"}' where key in ('1', '2')").await;
    assert_eq!(prune(&f).await, Pruned { refs: 1, ..Pruned::default() });
    let kept = f.rows("select key from sexton_deletion_done where refs is not null").await;
    assert_eq!((remaining(&f).await, kept), (vec![1, 2, 3], vec!["2".to_owned()]));
}

/// 2,500 old entries, each with an attempt, every fifth of which stays, and 1,500 attempts whose deletion is gone.
async fn many(f: &Fixture) {
    f.blocks(2500).await;
    let id = |n: &str| {
        if f.is_postgres() {
            format!("('00000000-0000-7000-8000-' || lpad({n}::text, 12, '0'))::uuid")
        } else {
            format!("'00000000-0000-7000-8000-' || printf('%012d', {n})")
        }
    };
    f.execute("update block set deleted_at = '2025-01-01T00:00:00Z'").await;
    let series = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)";
    f.execute(&format!(
        "{series} insert into sexton_deletion_done (id, resource, key, state, row_outcome, fence, attempts, rescues, batch_id,
            targets, confirmations, refs, requested_at, requested_by, finished_at)
         select {}, 'block', i, 'completed', case when i % 5 = 0 then 'kept' else 'deleted' end, 1, 1, 0, {}, '[]', '{{}}',
            '{{}}', '{OLD}', 'x', '{OLD}' from n where i <= 2500",
        id("i"),
        id("0")
    ))
    .await;
    f.execute(&format!(
        "{series} insert into sexton_attempt (deletion_id, fence, target, at, outcome, reason, duration_ms, worker)
         select {}, 1, 'calendar', '{OLD}', 'retry', 'http_503', 1, 'w' from n",
        id("i")
    ))
    .await;
}

const OF_MANY: Pruned = Pruned { partitions: 0, deletions: 2000, kept: 500, attempts: 3500, refs: 500 };

async fn small_budget_needs_more_runs_and_comes_to_the_same(f: Fixture) {
    many(&f).await;
    let (mut place, mut runs) = (PruneCheckpoint::default(), 0);
    while !place.is_over() {
        // As it is kept between two runs.
        let kept = serde_json::to_string(&place).unwrap();
        let budget = SweepBudget { rows: 1, time: DAY };
        place = run(&f, serde_json::from_str(&kept).unwrap(), budget, Mode::Delete).await;
        runs += 1;
    }
    assert_eq!(place.done, OF_MANY);
    assert!((6..12).contains(&runs), "{runs} runs");
    assert_eq!(f.rows("select count(*), count(refs) from sexton_deletion_done").await, ["500|0"]);
    assert_eq!(f.one("select count(*) from sexton_attempt").await, "500");
}

async fn dry_run_counts_the_same_and_changes_nothing(f: Fixture) {
    many(&f).await;
    let place = run(&f, PruneCheckpoint::default(), UNLIMITED, Mode::DryRun).await;
    // The refs of what would go are not there to be scrubbed afterwards.
    assert_eq!(place.done, Pruned { refs: 2500, ..OF_MANY });
    assert_eq!(f.rows("select count(*), count(refs) from sexton_deletion_done").await, ["2500|2500"]);
    assert_eq!(f.one("select count(*) from sexton_attempt").await, "4000");
}

fn lead_of(leader: &str) -> SweepLead<'_> {
    SweepLead { sweep: "prune", leader }
}

async fn sweep_has_one_leader_at_a_time_and_a_pause_after_a_pass(f: Fixture) {
    let hour = Duration::from_secs(3600);
    let lead = async |who: &str, lease, every| {
        f.store.ledger.lead_sweep(&f.store.db, lead_of(who), lease, every).await.unwrap()
    };
    assert_eq!(lead("a", hour, hour).await, Some(serde_json::json!({})));
    assert_eq!(lead("b", hour, Duration::ZERO).await, None);
    // A run that is not the last of its pass leaves its place and no pause.
    let place = serde_json::json!({ "stage": "attempts" });
    let progress = SweepProgress { found: 9, wanted: 9, done: 7, oldest_at: Some(OLD.to_owned()) };
    let figures = serde_json::json!({ "deletions": 7 });
    let part = SweepRun { cursor: place.clone(), figures: figures.clone(), progress, over: false, error: None };
    let end = async |who: &str, run: &SweepRun| {
        f.store.ledger.end_sweep(&f.store.db, lead_of(who), run, Duration::from_millis(1500)).await.unwrap();
        f.store.ledger.sweeps(&f.store.db.conn).await.unwrap().remove(0)
    };
    end("b", &part).await;
    assert_eq!(lead("b", hour, hour).await, None, "b did not lead");
    let state = end("a", &part).await;
    assert_eq!((state.found, state.done, state.backlog, state.took_ms), (9, 7, 2, Some(1500)));
    assert_eq!((state.cut_short, state.passed_at), (1, None));
    assert!(state.oldest_ms.unwrap() > 86_400_000 && state.idle_ms.unwrap() >= 0);
    assert_eq!(lead("b", Duration::ZERO, hour).await, Some(place.clone()));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(lead("c", hour, hour).await, Some(place), "the lease of b ended");
    assert_eq!(end("c", &part).await.cut_short, 2);
    assert!(lead("c", hour, hour).await.is_some());
    let last = SweepRun { cursor: serde_json::json!({}), progress: SweepProgress::default(), over: true, ..part };
    let state = end("c", &last).await;
    assert_eq!((state.leader, state.figures, state.passed_at.is_some()), (None, figures, true));
    assert_eq!((state.cut_short, state.backlog, state.oldest_ms), (0, 0, None));
    assert_eq!(lead("a", hour, hour).await, None, "its pass is over");
    assert!(lead("a", hour, Duration::ZERO).await.is_some());
    f.store.ledger.leave_sweep(&f.store.db, lead_of("a"), Some("it broke")).await.unwrap();
    assert!(lead("b", hour, Duration::ZERO).await.is_some());
    f.store.ledger.leave_sweep(&f.store.db, lead_of("b"), None).await.unwrap();
    assert_eq!(f.store.ledger.sweeps(&f.store.db.conn).await.unwrap()[0].error.as_deref(), Some("it broke"));
    // A pass that was begun early and left in the middle is resumed.
    assert_eq!(lead("c", hour, hour).await, None);
    assert!(lead("c", hour, Duration::ZERO).await.is_some());
    let part = SweepRun { cursor: serde_json::json!({ "stage": "refs" }), over: false, ..last };
    assert!(end("c", &part).await.passed_at.is_some());
    assert_eq!(lead("a", hour, hour).await, Some(part.cursor));
}

async fn month(f: &Fixture, name: &str, from: &str, to: &str) {
    f.execute(&format!(
        "create table sexton_deletion_done_{name} partition of sexton_deletion_done for values from ('{from}') to ('{to}')"
    ))
    .await;
}

async fn partitions(f: &Fixture) -> Vec<String> {
    f.rows(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'sexton_deletion_done'::regclass and c.relname < 'sexton_deletion_done_2026' order by 1",
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_months_are_dropped_and_what_stays_keeps_its_time() {
    let f = Fixture::postgres().await;
    month(&f, "202412", "2024-12-01 00:00:00+00", "2025-01-01 00:00:00+00").await;
    month(&f, "202501", "2025-01-01 00:00:00+00", "2025-02-01 00:00:00+00").await;
    f.blocks(2).await;
    f.execute("update block set deleted_at = '2025-01-01T00:00:00Z'").await;
    finished(&f, Finished { n: 1, resource: "block", key: "1", how: "kept", at: OLD }).await;
    finished(&f, Finished { n: 2, resource: "block", key: "2", how: "deleted", at: OLD }).await;
    finished(&f, Finished { n: 3, resource: "block", key: "3", how: "deleted", at: "2024-12-31T23:59:59.999Z" }).await;
    finished(&f, Finished { n: 4, resource: "block", key: "4", how: "kept", at: "2024-12-31T00:00:00.000Z" }).await;
    attempt(&f, 2, OLD).await;
    attempt(&f, 1, OLD).await;
    // The month in which the time runs out is not dropped.
    let boundary = days_ago(&f, 90).await[..7].replace('-', "");
    let first = "date_trunc('month', (now() - interval '90 days') at time zone 'utc') at time zone 'utc'";
    let bounds =
        f.rows(&format!("select {first}, ({first} at time zone 'utc' + interval '1 month') at time zone 'utc'")).await;
    let (from, to) = bounds[0].split_once('|').unwrap();
    month(&f, &boundary, from, to).await;
    let done = prune(&f).await;
    assert_eq!(done, Pruned { partitions: 2, deletions: 3, kept: 1, attempts: 1, refs: 0 });
    assert_eq!(partitions(&f).await, [""; 0]);
    let stays = "select tableoid::regclass, key, finished_at at time zone 'utc' from sexton_deletion_done";
    assert_eq!(f.rows(stays).await, ["sexton_deletion_done_default|1|2025-01-15 00:00:00"]);
    let boundary = format!("select count(*) from pg_class where relname = 'sexton_deletion_done_{boundary}'");
    assert_eq!(f.one(&boundary).await, "1");
    assert_eq!(prune(&f).await, Pruned { kept: 1, ..Pruned::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_month_is_pruned_in_batches() {
    let f = Fixture::postgres().await;
    month(&f, "202501", "2025-01-01 00:00:00+00", "2025-02-01 00:00:00+00").await;
    finished(&f, Finished { n: 1, resource: "block", key: "1", how: "deleted", at: OLD }).await;
    let application = f.application().await;
    let reader = sea_orm::TransactionTrait::begin(&application).await.unwrap();
    reader.execute_unprepared("select count(*) from sexton_deletion_done").await.unwrap();
    assert_eq!(prune(&f).await, Pruned { deletions: 1, ..Pruned::default() });
    assert_eq!(partitions(&f).await, ["sexton_deletion_done_202501"], "a long transaction still reads it");
    reader.rollback().await.unwrap();
    assert_eq!(prune(&f).await, Pruned { partitions: 1, ..Pruned::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_a_prune_use_indexes_on_a_large_table() {
    let f = Fixture::postgres().await;
    let Server::Postgres(_) = &f.server else { return };
    f.execute(
        "insert into sexton_deletion_done (id, resource, key, state, row_outcome, fence, attempts, rescues, batch_id, targets,
            confirmations, refs, requested_at, requested_by, finished_at)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'block', n, 'completed',
            case when n % 100 = 0 then 'kept' else 'deleted' end, 1, 1, 0, '00000000-0000-7000-8000-000000000000', '[]', '{}',
            case when n < 3000 then '{}'::jsonb end, now(), 'x',
            now() - case when n < 3000 then 100 else 1 end * interval '1 day' + n * interval '1 millisecond'
         from generate_series(1, 200000) n;
         insert into sexton_attempt (deletion_id, fence, target, at, outcome, reason, duration_ms, worker)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n + 2000), 12, '0'))::uuid, 1, 'calendar',
            now() - case when n < 3000 then 100 else 1 end * interval '1 day', 'retry', 'http_503', 1, 'w'
         from generate_series(1, 200000) n;
         insert into sexton_deletion (id, resource, key, lane, state, run_at, batch_id, requested_by)
         select gen_random_uuid(), 'block', n + 1000000, 'block', 'pending', now(), gen_random_uuid(), 'x'
         from generate_series(1, 100000) n;
         insert into block (id) select n from generate_series(1, 100000) n",
    )
    .await;
    // What autovacuum knew of tables that were small a moment ago, and what it knows later.
    for analyzed in [false, true] {
        if analyzed {
            f.execute("analyze sexton_deletion_done; analyze sexton_attempt; analyze sexton_deletion; analyze block")
                .await;
        }
        let scans = "select relname, seq_tup_read from pg_stat_user_tables
            where relname ~ '^sexton_(deletion|attempt)' and relname not in ('sexton_deletion_done') or relname = 'block'
            order by relname";
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let before = f.rows(scans).await;
        // One run does a part of the work, so that both passes have some to do.
        let budget = SweepBudget { rows: 1500, time: DAY };
        let mut place = PruneCheckpoint::default();
        for _ in 0..if analyzed { 9 } else { 1 } {
            place = run(&f, place, budget, Mode::Delete).await;
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(f.rows(scans).await, before, "a whole table is read (analyzed: {analyzed})");
        assert_eq!(place.is_over(), analyzed);
    }
    assert_eq!(
        f.one("select count(*) from sexton_deletion_done where finished_at < now() - interval '90 days'").await,
        "0"
    );
}

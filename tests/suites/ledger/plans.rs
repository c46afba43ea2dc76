//! The statements that run for every deletion or at every tick use indexes, on tables that are large enough to tell.
//!
//! PostgreSQL counts sequential scans itself: the counters before and after say what the real statements did, under
//! custom plans and under the generic plan that a session settles for after five executions.

use std::{collections::HashMap, time::Duration};

use sea_orm::ConnectionTrait;
use sexton_core::{
    db::{Db, NextPage},
    ledger::{Candidates, Claim, Filter, Finish, RowOutcome, Settlement},
    outcome::DeadKind,
    restore::{MarkedRows, restore},
    soft_remove::{DeletionRequest, soft_remove},
    state::Event,
};

use crate::rig::{
    ledger::{Fixture, LEASE, ME, claim_by_me, confirmed, lane, settlement},
    store,
};

const ROWS: usize = 200_000;
const ROUNDS: usize = 8;

async fn fill(f: &Fixture) {
    f.execute(&format!(
        "insert into block (id, calendar_id, gcal_id, other_id) select n, 'c', 'g' || n, 'o' || n from generate_series(1, {ROWS}) n;
         insert into pair (tenant, name) select n % 100, 'n' || n from generate_series(1, {}) n",
        ROWS
    ))
    .await;
    // Most of them due in the future; some due, some running under an expired lease, some dead.
    f.execute(&format!(
        "insert into sexton_deletion (id, resource, key, lane, state, run_at, batch_id, requested_by, payload,
            worker, lease_until, dead_kind, dead_at, marker_rule)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'block', (n + 100000)::text,
            case when n % 2 = 0 then 'block.calendar' else 'block.other' end, state,
            now() + case when n <= 4000 then -1 else 1 end * interval '1 hour' - n * interval '1 millisecond',
            '00000000-0000-7000-8000-000000000000', 'x', '{{}}',
            case when state = 'running' then 'w' end,
            case when state = 'running' then now() + case when n % 2 = 0 then -1 else 1 end * interval '1 hour' end,
            case when state = 'dead' then 'rejected' end, case when state = 'dead' then now() end, 1
         from generate_series(1, {ROWS}) n,
            lateral (select case when n % 1000 = 0 then 'running' when n % 1001 = 0 then 'dead' else 'pending' end as state) s"
    ))
    .await;
    f.execute("analyze block; analyze pair; analyze sexton_deletion").await;
}

/// One session, so that its counters can be had when they are needed.
struct Watch<'f> {
    f: &'f Fixture,
    db: Db,
}

impl Watch<'_> {
    async fn scans(&self) -> HashMap<String, u64> {
        self.db.conn.execute_unprepared("select pg_stat_force_next_flush()").await.unwrap();
        let sql = "select relname, seq_scan from pg_stat_user_tables
                   where relname in ('block', 'pair', 'sexton_deletion')";
        let rows = self.f.rows(sql).await;
        rows.iter()
            .map(|row| row.split_once('|').unwrap())
            .map(|(name, n)| (name.to_owned(), n.parse().unwrap()))
            .collect()
    }

    async fn check(&self, what: &str, before: HashMap<String, u64>) {
        assert_eq!(self.scans().await, before, "{what} reads a whole table");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_every_deletion_and_tick_use_indexes() {
    let f = Fixture::postgres().await;
    fill(&f).await;
    let db = store::connect(f.server.url(), 1).await;
    let w = Watch { f: &f, db };
    let (lanes, ledger) = (f.store.catalog.lanes(), &f.store.ledger);

    let before = w.scans().await;
    for round in 0..ROUNDS {
        requests(&w, round).await;
    }
    w.check("a request", before).await;

    let before = w.scans().await;
    for _ in 0..ROUNDS {
        let pick = Candidates::Due { limit: 64, overdue: Duration::from_secs(5) };
        let claims = ledger.claim(&w.db, claim_by_me(pick, &lanes)).await.unwrap();
        assert_eq!(claims.len(), 64);
        let leases: Vec<_> = claims.iter().map(Claim::lease).collect();
        assert_eq!(ledger.renew(&w.db, &leases, LEASE).await.unwrap().renewed.len(), 64);
        let failed: Vec<_> = claims.iter().map(|claim| settlement(claim, Event::Failed)).collect();
        assert_eq!(ledger.settle(&w.db, &failed, ME).await.unwrap().len(), 64);
        let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
        let claims = ledger.claim(&w.db, claim_by_me(Candidates::Hinted(&ids), &lanes)).await.unwrap();
        assert_eq!(claims.len(), 64);
        let transaction = w.db.begin().await.unwrap();
        let leases: Vec<_> = claims.iter().map(Claim::lease).collect();
        assert_eq!(ledger.lock_ours(&transaction, &leases).await.unwrap().len(), 64);
        let finish = |claim: &sexton_core::ledger::Claim| Finish {
            id: claim.id,
            fence: claim.fence,
            confirmations: confirmed(&["calendar"]),
            row: RowOutcome::Deleted,
            children: 0,
        };
        let done: Vec<_> = claims.iter().take(60).map(finish).collect();
        assert_eq!(ledger.finish(&transaction, &done).await.unwrap().len(), 60);
        transaction.commit().await.unwrap();
        let dead = |claim| Settlement { dead: Some(DeadKind::Rejected), ..settlement(claim, Event::Died) };
        let dead: Vec<_> = claims.iter().skip(60).map(dead).collect();
        assert_eq!(ledger.settle(&w.db, &dead, ME).await.unwrap().len(), 4);
    }
    w.check("a claim, its renewal, its settlement or its end", before).await;

    let before = w.scans().await;
    for round in 0..ROUNDS {
        let page = ledger.due_in_lane(&w.db, &lane("block.calendar"), None, 100).await.unwrap();
        assert_eq!(page.len(), 100);
        assert_eq!(ledger.due_in_lane(&w.db, &lane("block.calendar"), page.last(), 100).await.unwrap().len(), 100);
        assert_eq!(ledger.next_due_in(&w.db, &lanes).await.unwrap(), Some(Duration::ZERO));
        assert!(!ledger.is_idle(&w.db, &lanes).await.unwrap());
        assert_eq!(ledger.rescue(&w.db, 5, 20).await.unwrap().len(), 20);
        let letters = ledger.dead_letters(&w.db.conn, &Filter { limit: Some(20), ..Filter::default() }).await.unwrap();
        assert_eq!(letters.len(), 20);
        let found = ledger.find(&w.db.conn, "block", &(250_001 + round).to_string()).await.unwrap().unwrap();
        assert!(ledger.record(&w.db.conn, found).await.unwrap().is_some());
    }
    w.check("a tick, a rescue or a look at a deletion", before).await;

    f.execute(
        r#"update sexton_deletion set held_at = now(), confirmations = '{"calendar": {"doubted": true}}'
           where lane = 'block.calendar' and state = 'pending' and run_at < now() + interval '1 minute';
           analyze sexton_deletion"#,
    )
    .await;
    let before = w.scans().await;
    let (calendar, other) = (lane("block.calendar"), lane("block.other"));
    for _ in 0..ROUNDS {
        let count = ledger.count_held(&w.db.conn).await.unwrap()[0].count;
        let held = ledger.held_in_lane(&w.db, &calendar, 5000).await.unwrap();
        assert_eq!(held.len(), count);
        assert_eq!(ledger.ask_again(&w.db.conn, &calendar, Some(&[held[0].id])).await.unwrap(), 1);
        assert_eq!(ledger.draw_probes(&w.db, &calendar, 8).await.unwrap().len(), 8);
        assert_eq!(ledger.draw_probes(&w.db, &other, 8).await.unwrap().len(), 8);
        assert!(!ledger.withdraw_breaker(&w.db, &calendar, Duration::ZERO).await.unwrap());
    }
    w.check("a look at what is held, or the choice of a probe", before).await;
}

/// New, refreshed and superseding requests, and restores.
async fn requests(w: &Watch<'_>, round: usize) {
    let (f, db) = (w.f, &w.db);
    let one = |key: usize| key.to_string();
    // Open deletions are those of the keys above 100000; the 1001st of them is dead.
    let keys = [one(1 + round), one(100_001 + round), one(100_000 + 1001 * (round + 1))];
    let table = f.table("block");
    let keys: Vec<_> = keys.iter().map(|key| table.parse_key(key).unwrap()).collect();
    let transaction = db.begin().await.unwrap();
    let requested = soft_remove(&transaction, &f.store, &table, &keys, &DeletionRequest::by("x")).await.unwrap();
    assert_eq!((requested.len(), requested.iter().filter(|r| r.created).count()), (3, 2));
    let pair = f.table("pair");
    let keys = [pair.parse_key(&format!("[{}, \"n{}\"]", round + 1, round + 1)).unwrap()];
    let of_pair = soft_remove(&transaction, &f.store, &pair, &keys, &DeletionRequest::by("x")).await.unwrap();
    assert_eq!(of_pair.len(), 1);
    assert!(restore(&transaction, &f.store, of_pair[0].id, MarkedRows::Refuse).await.unwrap().row_restored);
    transaction.commit().await.unwrap();
}

/// A month of completed deletions, of which each turn looks at some hundred.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_completed_deletions_again_reads_no_whole_table() {
    let f = Fixture::postgres().await;
    f.execute(&format!(
        "insert into sexton_deletion_done (id, resource, key, state, row_outcome, fence, attempts, rescues, batch_id, targets,
            confirmations, refs, requested_at, requested_by, finished_at)
         select gen_random_uuid(), 'block', n::text, 'completed', 'deleted', 1, 1, 0, gen_random_uuid(), '[]', '{{}}',
            '{{\"gcal_id\": \"g\"}}', now(), 'x', now() - n * interval '10 seconds'
         from generate_series(1, {ROWS}) n"
    ))
    .await;
    f.execute(&format!(
        "insert into block (id, calendar_id, gcal_id) select n, 'c', 'g' || n from generate_series(1, {ROWS}) n;
         create index block_event on block (gcal_id); create index block_alike on block (lower(trim(gcal_id))); analyze block; analyze sexton_deletion_done"
    ))
    .await;
    let db = store::connect(f.server.url(), 1).await;
    let w = Watch { f: &f, db };
    let scans = "select relname, seq_scan from pg_stat_user_tables where relname ~ '^(sexton_deletion|block$)'";
    let read = "select sum(idx_tup_read) from pg_stat_user_indexes where relname like 'sexton_deletion_done%'";
    w.scans().await;
    let (before, tuples): (_, u64) = (f.rows(scans).await, f.one(read).await.parse().unwrap());
    let (week, minutes) = (Duration::from_secs(7 * 86_400), Duration::from_secs(600));
    let mut after = None;
    for _ in 0..ROUNDS {
        let (since, until) = (
            f.store.ledger.time_ago(&w.db, week).await.unwrap(),
            f.store.ledger.time_ago(&w.db, minutes).await.unwrap(),
        );
        let page = f
            .store
            .ledger
            .finished_in_order(&w.db, &since, &until, NextPage { after: after.as_ref(), limit: 500 })
            .await
            .unwrap();
        assert_eq!(page.len(), 500);
        assert!(page.is_sorted() && after.as_ref().is_none_or(|after| *after < page[0]), "{page:?}");
        assert_eq!(f.store.ledger.completed(&w.db, &page[..100]).await.unwrap().len(), 100);
        after = page.last().cloned();
        let table = f.table("block");
        assert!(table.has_values(&w.db, &[("gcal_id", "g77"), ("calendar_id", "c")]).await.unwrap());
        let other = [("gcal_id", "g77"), ("calendar_id", "d")];
        assert!(
            !table.has_values(&w.db, &other).await.unwrap() && !table.has_values_alike(&w.db, &other).await.unwrap()
        );
        assert!(table.has_row(&w.db, &table.parse_key("77").unwrap()).await.unwrap());
    }
    w.scans().await;
    assert_eq!(f.rows(scans).await, before, "a whole table is read");
    let tuples = f.one(read).await.parse::<u64>().unwrap() - tuples;
    assert!(tuples < 3 * 600 * ROUNDS as u64, "{tuples} entries of indexes are read for {ROUNDS} pages");
}

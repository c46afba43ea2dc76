//! The sweep waits for no lock, and its own locks are short.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{
    fixture::{Fixture, at_once, code},
    toys::{TOY, days_pass, nonzero, sweep, toys},
};
use crate::rig::{PATIENCE, Rig, Server};
use sexton_core::db::NextPage;
use sexton_core::sweep::unreferenced::Step;

/// How long the application holds its locks.
const HELD: Duration = Duration::from_secs(10);

/// What the sessions of the sweep are at, seen a few hundred times a second: how often one of them waited for a lock,
/// and how long its longest statement was, in milliseconds.
async fn watch(rig: &Rig, until: Instant) -> (u64, u64) {
    let (mut waits, mut longest) = (0, 0);
    let sql = "select count(*) filter (where wait_event_type = 'Lock' or cardinality(pg_blocking_pids(pid)) > 0),
            coalesce(max(extract(epoch from clock_timestamp() - query_start) * 1000) filter (where state = 'active'), 0)::bigint
        from pg_stat_activity where datname = current_database() and application_name = 'sexton'";
    while Instant::now() < until {
        let row = rig.one(sql).await;
        let (waiting, ms) = row.split_once('|').unwrap();
        waits += waiting.parse::<u64>().unwrap();
        longest = longest.max(ms.parse().unwrap());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (waits, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_others_hold_for_ten_seconds_are_passed_over() {
    let rig = toys(Server::postgres().await, 40, &[30], TOY).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    let application = rig.server.connect().await;
    let holder = application.begin().await.unwrap();
    for held in [
        "insert into person (id, favorite_toy_id) values (1, 1)",
        "update toy set name = 'held' where id = 2",
        "select * from toy where id = 3 for update",
        "select * from toy where id = 4 for share",
        "delete from toy where id = 5",
        "update person set favorite_toy_id = 6 where id = 30",
    ] {
        holder.execute_unprepared(held).await.unwrap();
    }
    let begun = Instant::now();
    let passes = async {
        let first = sweep(&rig).await;
        assert!(begun.elapsed() < HELD, "{:?}", begun.elapsed());
        let mut passes = 1;
        while begun.elapsed() < HELD {
            sweep(&rig).await;
            passes += 1;
        }
        (first, passes)
    };
    let ((first, passes), (waits, longest)) = tokio::join!(passes, watch(&rig, begun + HELD));
    assert_eq!(nonzero(&first), "looked 40, unreferenced 39, hidden 39, old 39, deleted 33, missed 6");
    assert_eq!(waits, 0, "the sweep waited for a lock in {passes} passes");
    // A wait for the holder would have been ten seconds, and for a lock that is given up after a while 100 ms each.
    assert!(longest < 5000, "a statement took {longest} ms");
    holder.commit().await.unwrap();
    assert_eq!(
        nonzero(&sweep(&rig).await),
        "looked 6, unreferenced 4, hidden 3, deprecated 1, cleared 2, old 3, deleted 3"
    );
    assert_eq!(rig.rows("select id from toy order by id").await, ["1", "6", "30"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_table_is_left_for_the_next_pass() {
    let fixture = Fixture::of_old_toys(3).await;
    let holder = fixture.open("read committed", "lock table toy in access exclusive mode").await;
    let refused = at_once(fixture.act(Step::Delete, &["1", "2"])).await.unwrap_err();
    assert_eq!(code(&refused), "55P03");
    assert_eq!(code(&at_once(fixture.pass().look(NextPage { after: None, limit: 10 })).await.unwrap_err()), "55P03");
    holder.rollback().await.unwrap();
    assert_eq!(fixture.act(Step::Delete, &["1", "2"]).await.unwrap(), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_a_small_batch_is_locked_at_once() {
    let mut rig = toys(Server::postgres().await, 0, &[], TOY).await;
    rig.execute("insert into toy select n from generate_series(1, 450) n").await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    rig.sexton = rig.sexton.env("FAILPOINTS", "unreferenced::locked=sleep(300)");
    let sweep = rig.sexton.spawn(&["sweep", "unreferenced"]).await;
    let (mut most, mut seen) = (0, 0);
    while sweep.exit_code().is_none() {
        let free = "select (select count(*) from toy) - (select count(*) from (select 1 from toy for key share skip locked) t)";
        let locked: u64 = rig.one(free).await.parse().unwrap();
        most = most.max(locked);
        seen += usize::from(locked > 0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sweep.wait(PATIENCE).await, 0);
    assert!(seen > 4, "no batch was seen");
    assert!(most <= 100, "{most} rows were locked at once");
    // Looking at locks takes some, too: whatever a batch passed over for that goes with the next pass.
    rig.sexton = rig.sexton.env("FAILPOINTS", "");
    super::toys::sweep(&rig).await;
    assert_eq!(rig.rows("select count(*) from toy").await, ["0"]);
}

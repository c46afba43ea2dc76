//! A standby takes over, and one address leads to the one or the other.

use std::time::Duration;

use sexton_tests::{
    Pgpool, Postgres, Switch, TestDb,
    api::{Answer, Behaviour},
};

use crate::rig::{BLOCK, RESOURCE, Rig, Server};

/// What a process writes although nothing is due, it writes after the test.
const QUIET: &str = "[worker]\nlease = \"1h\"\n[sync]\ninterval = \"1h\"\n";

struct Cluster {
    rig: Rig,
    switch: Switch,
    primary: Postgres,
    standby: Postgres,
}

impl Cluster {
    /// `n` blocks, an address that leads to the primary, and a standby that has all that was committed.
    async fn start(n: usize) -> Self {
        let primary = Postgres::start_primary().await;
        let db = TestDb::on(&primary).await;
        let switch = Switch::to(primary.port()).await;
        let url = format!("postgres://postgres@127.0.0.1:{}/{}", switch.port(), db.name());
        let standby = primary.start_standby(&[]).await;
        let rig = Rig::as_role(Server::Postgres(db), &url, BLOCK, &format!("{QUIET}{RESOURCE}")).await;
        rig.execute(&format!(
            "insert into block (id, calendar_id, gcal_id) select i, 'c', 'g' || i from generate_series(1, {n}) i"
        ))
        .await;
        let cluster = Self { rig, switch, primary, standby };
        cluster.standby_has_all().await;
        cluster
    }

    async fn standby_has_all(&self) {
        let behind = "select bool_and(replay_lsn >= pg_current_wal_lsn()) from pg_stat_replication";
        self.rig.server.until(behind, "t").await;
    }

    /// The database on the standby.
    fn promoted(&self) -> Server {
        Server::Postgres(TestDb::same_on(&self.standby, self.rig.server.as_postgres()))
    }

    /// The former primary takes no more writes, and keeps its connections.
    async fn fence(&self) {
        self.rig.execute("alter system set default_transaction_read_only = on").await;
        self.rig.execute("select pg_reload_conf()").await;
        self.rig.server.until("show transaction_read_only", "on").await;
    }
}

const LISTENERS: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and application_name = 'sexton' and query ilike 'listen%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_process_moves_although_the_former_primary_still_answers() {
    let cluster = Cluster::start(1).await;
    let daemon = cluster.rig.daemon().await;
    cluster.rig.until(LISTENERS, "1").await;
    cluster.fence().await;
    cluster.standby_has_all().await;
    cluster.standby.promote().await;
    cluster.switch.move_to(cluster.standby.port());
    let promoted = cluster.promoted();
    promoted.execute("select sexton_soft_remove('block', '1')").await;
    promoted.until("select state from sexton_deletion_done", "completed").await;
    promoted.until("select count(*) from block", "0").await;
    // What is asked for there wakes it.
    promoted.until(LISTENERS, "1").await;
    cluster.rig.until(LISTENERS, "0").await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_process_goes_on_with_the_promoted_server() {
    const ROWS: usize = 300;
    let mut cluster = Cluster::start(ROWS).await;
    let slow = Answer::Delay(Duration::from_millis(50), Box::new(Answer::Status(204)));
    cluster.rig.api.set_default(Behaviour::Always(slow));
    // Nothing that was committed is lost with the primary.
    cluster.rig.execute("alter system set synchronous_standby_names = '*'").await;
    cluster.rig.execute("select pg_reload_conf()").await;
    let daemon = cluster.rig.daemon().await;
    cluster.rig.execute("select sexton_soft_remove('block', id::text) from block").await;
    cluster.rig.until("select count(*) > 50 from sexton_deletion_done", "t").await;
    // For a while the address leads to a server that takes no writes.
    cluster.switch.move_to(cluster.standby.port());
    cluster.primary.stop_immediate().await;
    daemon.wait_for_log("the server is a standby (in recovery)", crate::rig::PATIENCE).await;
    cluster.standby.promote().await;
    // The former primary comes back as a standby, and nobody cares.
    cluster.primary.start_as_standby().await;
    let promoted = cluster.promoted();
    promoted.execute("update sexton_deletion set lease_until = clock_timestamp() where state = 'running'").await;
    promoted.until("select count(*) from sexton_deletion", "0").await;
    promoted.until("select count(*) from sexton_deletion_done where state = 'completed'", &ROWS.to_string()).await;
    promoted.until("select count(*) from block", "0").await;
    promoted.until(LISTENERS, "1").await;
    daemon.stop().await;
}

/// A proxy that divides reads from writes appears where the primary was: its sessions are not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_waits_until_what_it_reads_comes_from_the_primary() {
    let cluster = Cluster::start(2).await;
    let pgpool = Pgpool::before(&cluster.primary, &cluster.standby, "").await;
    let daemon = cluster.rig.daemon().await;
    cluster.switch.move_to(pgpool.port());
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sexton'";
    cluster.rig.execute(end).await;
    daemon.wait_for_log("a proxy between Sexton and the primary sends reads to a standby", crate::rig::PATIENCE).await;
    cluster.rig.execute("select sexton_soft_remove('block', '1')").await;
    cluster.switch.move_to(cluster.primary.port());
    cluster.rig.until("select state from sexton_deletion_done", "completed").await;
    daemon.stop().await;
}

/// All that is said there about pauses is old: nothing is claimed, so that nothing is written either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_process_sees_that_it_is_resumed_on_the_promoted_server() {
    let cluster = Cluster::start(1).await;
    drop(cluster.rig.run(&["pause", "block.calendar", "--reason", "they move"]).await.expect_code(0));
    cluster.rig.execute("select sexton_soft_remove('block', '1')").await;
    let daemon = cluster.rig.daemon().await;
    cluster.fence().await;
    cluster.standby_has_all().await;
    cluster.standby.promote().await;
    cluster.switch.move_to(cluster.standby.port());
    drop(cluster.rig.run(&["resume", "block.calendar"]).await.expect_code(0));
    cluster.promoted().until("select state from sexton_deletion_done", "completed").await;
    daemon.stop().await;
}

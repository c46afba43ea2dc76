//! pgpool-II before a primary and a standby that is four seconds behind.

use sexton_tests::{Pgpool, Postgres, TestDb};

use crate::rig::{BLOCK, RESOURCE, Rig, Server};

/// Rows enough that a read which goes astray now and then is seen.
const ROWS: usize = 36;

struct Cluster {
    rig: Rig,
    pgpool: Pgpool,
    standby: Postgres,
    _primary: Postgres,
}

impl Cluster {
    /// Blocks on the primary; `sexton` connects through pgpool with these settings.
    async fn start(settings: &str) -> Self {
        let primary = Postgres::start_primary().await;
        let db = TestDb::on(&primary).await;
        let name = db.name().to_owned();
        let standby = primary.start_standby(&["recovery_min_apply_delay=4s"]).await;
        let pgpool = Pgpool::before(&primary, &standby, settings).await;
        let rig = Rig::as_role(Server::Postgres(db), &pgpool.url(&name), BLOCK, RESOURCE).await;
        rig.execute(&format!(
            "insert into block (id, calendar_id, gcal_id) select i, 'c', 'g' || i from generate_series(1, {ROWS}) i"
        ))
        .await;
        Self { rig, pgpool, standby, _primary: primary }
    }

    /// What the standby was asked about Sexton's tables and those of the application.
    fn reads_of_the_standby(&self) -> Vec<String> {
        let lines = self.standby.log().into_iter().map(|line| line.text);
        lines.filter(|line| line.contains("sexton_") || line.contains("block")).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgpool_that_sends_all_to_the_primary_is_as_good_as_the_primary() {
    let cluster = Cluster::start("load_balance_mode = off").await;
    let rig = &cluster.rig;
    drop(rig.run(&["check"]).await.expect_code(0));
    let keys: Vec<String> = (1..=ROWS).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    rig.request("block", &keys).await;
    rig.work().await;
    let ends = rig.rows("select state, count(*) from sexton_deletion_done group by state").await;
    assert_eq!(ends, [format!("completed|{ROWS}")]);
    assert_eq!(rig.calls().len(), ROWS);
    assert_eq!(rig.one("select count(*) from block").await, "0");
    assert_eq!(cluster.reads_of_the_standby(), [""; 0]);
}

/// A comment before a statement keeps pgpool from balancing it only as long as `allow_sql_comments` is off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgpool_that_reads_elsewhere_is_refused() {
    let settings = [
        ("allow_sql_comments = on", "load_balance_mode"),
        ("statement_level_load_balance = on", "load_balance_mode"),
        ("load_balance_mode = off\nmemory_cache_enabled = on", "memory_cache_enabled"),
    ];
    for (settings, named) in settings {
        let cluster = Cluster::start(settings).await;
        for command in [&["check"][..], &["run", "--until-idle"], &["status"], &["migrate"], &["request", "block", "1"]]
        {
            let refused = cluster.rig.run(command).await.expect_code(1).stderr;
            assert!(refused.contains(&format!("pgpool has `{named} = on`")), "{command:?}: {refused}");
            assert!(refused.contains("connect to the primary itself"), "{command:?}: {refused}");
        }
        assert_eq!(cluster.reads_of_the_standby(), [""; 0]);
    }
}

/// The application may balance its own reads: the SQL functions write, and pgpool sends them to the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_an_application_calls_through_pgpool_run_on_the_primary() {
    let cluster = Cluster::start("statement_level_load_balance = on").await;
    let Cluster { rig, pgpool, .. } = &cluster;
    let db = rig.server.as_postgres();
    let application = sqlx::PgPool::connect(&pgpool.url(db.name())).await.unwrap();
    // The resource must be known on the standby too, or a read that went there would only fail.
    rig.server.until("select count(*) from pg_stat_replication where replay_lsn >= '0/1'", "1").await;
    for n in 1..=ROWS {
        let id: uuid::Uuid = sqlx::query_scalar("select sexton_soft_remove('block', $1::text)")
            .bind(n.to_string())
            .fetch_one(&application)
            .await
            .unwrap();
        // Asked again within one transaction, which has not written yet.
        let mut transaction = application.begin().await.unwrap();
        let again: uuid::Uuid = sqlx::query_scalar("select sexton_soft_remove('block', $1::text)")
            .bind(n.to_string())
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(id, again);
    }
    assert_eq!(rig.one("select count(*) from block where deleted_at is not null").await, ROWS.to_string());
}

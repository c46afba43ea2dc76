//! Deleting unreferenced rows while others reference them: what one statement cannot do, and two can.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures::future::join_all;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use sexton_core::{
    catalog::UnreferencedTable,
    db::{self, Db, NextPage},
    store::Store,
    sweep::unreferenced::Step,
};
use sexton_migrations::{Migrator, MigratorTrait};
use sexton_tests::TestDb;

use crate::sweep::unreferenced::fixture::{code, load, pass, store_without_tables};

const WRITERS: usize = 16;
const SWEEPERS: usize = 3;
const TOYS: i64 = 300;

/// Each of them is one statement, whose parts all see the same snapshot. That of the last is locked before it is looked
/// at again, and that does not help.
const ONE_STATEMENT: [(&str, &str); 4] = [
    ("not exists", "delete from toy t where not exists (select 1 from person p where p.favorite_toy_id = t.id)"),
    (
        "in (… for update skip locked)",
        "delete from toy where id in (select t.id from toy t
             where not exists (select 1 from person p where p.favorite_toy_id = t.id) for update skip locked)",
    ),
    (
        "the same, checked twice",
        "delete from toy x where id in (select t.id from toy t
             where not exists (select 1 from person p where p.favorite_toy_id = t.id) for update skip locked)
         and not exists (select 1 from person p where p.favorite_toy_id = x.id)",
    ),
    (
        "materialized, checked outside",
        "with locked as materialized (select t.id from toy t
             where not exists (select 1 from person p where p.favorite_toy_id = t.id) for update skip locked)
         delete from toy x using locked where x.id = locked.id
             and not exists (select 1 from person p where p.favorite_toy_id = x.id)",
    ),
];

const TABLES: &str = "
    create table toy (id bigint primary key, name text, deprecated_at timestamptz);
    create table person (id bigint primary key, favorite_toy_id bigint references toy (id));
    create index on_toy on person (favorite_toy_id);
    create table wish (id bigint primary key, toy_id bigint references toy (id) deferrable initially deferred);
    create index wish_on_toy on wish (toy_id)";

const RESOURCES: &str = r#"
[resources.toy]
table = "toy"
key = "id"
unreferenced = { by = [{ table = "person", column = "favorite_toy_id" }, { table = "wish", column = "toy_id" }], since = "deprecated_at", hide_after = "7d", delete_after = "14d", mode = "on" }
"#;

/// What happened while writers and sweepers were at it.
#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    ids: AtomicI64,
    written: AtomicU64,
    /// References that came too late, and transactions that had seen too little.
    refused: AtomicU64,
    deleted: AtomicU64,
    violations: AtomicU64,
    longest_ms: AtomicU64,
}

async fn pool(db: &TestDb, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(db.url());
    options.max_connections(connections).min_connections(connections).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

impl Load {
    /// References rows, takes references away, and makes rows anew, one after the other.
    async fn write(&self, conn: &DatabaseConnection, number: usize, levels: &[&str]) {
        let level = levels[number % levels.len()];
        let table = if number % 4 == 3 { ("wish", "toy_id") } else { ("person", "favorite_toy_id") };
        let mut dice = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        while !self.stop.load(Relaxed) {
            // xorshift64 (Marsaglia 2003); any unfair dice would do.
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let toy = (dice >> 8) as i64 % TOYS;
            let id = self.ids.fetch_add(1, Relaxed);
            let (name, column) = table;
            let sql = match dice % 8 {
                0..=2 => format!("insert into {name} (id, {column}) values ({id}, {toy})"),
                3 => format!(
                    "update {name} set {column} = {toy} where id = (select max(id) from {name} where id < {id})"
                ),
                4..=6 => format!("delete from {name} where id in (select id from {name} order by id limit 2)"),
                _ => format!(
                    "insert into toy select ({toy} + n) % {TOYS}, '', now() - interval '1 year' from generate_series(1, 20) n
                     on conflict do nothing"
                ),
            };
            let begun = Instant::now();
            let result = conn.execute_unprepared(&format!("begin isolation level {level}; {sql}; commit")).await;
            self.longest_ms.fetch_max(begun.elapsed().as_millis() as u64, Relaxed);
            match result {
                Ok(_) => self.written.fetch_add(1, Relaxed),
                Err(error) => {
                    conn.execute_unprepared("rollback").await.ok();
                    let error = error.into();
                    let code = code(&error);
                    assert!(["23503", "40001", "40P01"].contains(&code.as_str()), "{sql}: {error}");
                    self.refused.fetch_add(1, Relaxed)
                }
            };
        }
    }

    fn saw(&self, result: Result<u64, db::Error>) {
        match result {
            Ok(deleted) => self.deleted.fetch_add(deleted, Relaxed),
            Err(error) if code(&error) == "23503" => self.violations.fetch_add(1, Relaxed),
            // The statements of the control wait for locks, and for each other in any order.
            Err(error) if ["40P01", "40001", "55P03"].contains(&code(&error).as_str()) => 0,
            Err(error) => panic!("{error}"),
        };
    }

    async fn sweep_in_one_statement(&self, conn: &DatabaseConnection, sql: &str) {
        while !self.stop.load(Relaxed) {
            self.saw(conn.execute_unprepared(sql).await.map(|done| done.rows_affected()).map_err(Into::into));
        }
    }

    async fn sweep(&self, store: &Store, toys: &UnreferencedTable) {
        while !self.stop.load(Relaxed) {
            let page = pass(store, toys).look(NextPage { after: None, limit: TOYS as usize }).await.unwrap();
            let old = page.observations.into_iter().filter(|one| one.step == Step::Delete).map(|one| one.key);
            let old: Vec<_> = old.collect();
            for some in old.chunks(100) {
                self.saw(pass(store, toys).act(Step::Delete, some).await.map(|done| done.len() as u64));
            }
        }
    }

    async fn until(&self, over: impl Fn(&Self) -> bool, longest: Duration) {
        let deadline = Instant::now() + longest;
        while !over(self) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.stop.store(true, Relaxed);
    }
}

async fn tables() -> TestDb {
    let db = TestDb::new().await;
    db.execute(TABLES).await;
    db.execute(&format!(
        "insert into toy select n, '', now() - interval '1 year' from generate_series(0, {}) n",
        TOYS - 1
    ))
    .await;
    db
}

/// Each connection is a session of its own: a transaction is sent in one go.
async fn sessions(db: &TestDb, count: usize) -> Vec<DatabaseConnection> {
    join_all((0..count).map(|_| pool(db, 1))).await
}

/// The load would show a violation: here it does, within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_statement_violates_the_foreign_key_in_whatever_form() {
    for (name, sql) in ONE_STATEMENT {
        let db = tables().await;
        // Two tables would be two chances.
        db.execute("drop table wish; create table wish (id bigint primary key, toy_id bigint)").await;
        let (writers, sweepers) = (sessions(&db, WRITERS).await, sessions(&db, SWEEPERS).await);
        let load = Load::default();
        let writing = writers.iter().enumerate().map(|(n, conn)| load.write(conn, n, &["read committed"]));
        let sweeping = sweepers.iter().map(|conn| load.sweep_in_one_statement(conn, sql));
        let over = load.until(|load| load.violations.load(Relaxed) > 0, Duration::from_secs(60));
        tokio::join!(join_all(writing), join_all(sweeping), over);
        println!("{name}: {load:?}");
        assert!(load.violations.load(Relaxed) > 0, "{name}: {load:?}");
    }
}

async fn two_statements(levels: &[&str], default: &str) {
    let seconds = std::env::var("SEXTON_LOAD").map_or(20, |seconds| seconds.parse().unwrap());
    let db = tables().await;
    db.execute(&format!("alter database {} set default_transaction_isolation = '{default}'", db.name())).await;
    let writers = sessions(&db, WRITERS).await;
    // Sessions that keep the default of the database.
    let sweeper = async || Db::of_application(pool(&db, 1).await).await.unwrap();
    let sweepers = join_all((0..SWEEPERS).map(|_| sweeper())).await;
    Migrator::up(&writers[0], None).await.unwrap();
    let sweepers = join_all(sweepers.into_iter().map(store_without_tables)).await;
    let toys = load(&sweepers[0].db, RESOURCES).await;
    let load = Load::default();
    let writing = writers.iter().enumerate().map(|(n, conn)| load.write(conn, n, levels));
    let sweeping = sweepers.iter().map(|store| load.sweep(store, &toys));
    tokio::join!(join_all(writing), join_all(sweeping), load.until(|_| false, Duration::from_secs(seconds)));
    println!("two statements, writers at {levels:?}, default {default}: {load:?}");
    assert_eq!(load.violations.load(Relaxed), 0, "{load:?}");
    assert!(load.deleted.load(Relaxed) > 100 && load.written.load(Relaxed) > 100, "{load:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_statements_violate_nothing() {
    two_statements(&["read committed"], "read committed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_statements_violate_nothing_with_writers_and_defaults_at_repeatable_read() {
    two_statements(&["repeatable read", "read committed", "serializable"], "repeatable read").await;
}

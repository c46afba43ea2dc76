//! An application's database, an external system, and `sexton` configured for both.

use std::time::Duration;

use serde_json::Value;
use sexton_tests::{Daemon, Output, Sexton, SqliteDb, TestDb, api::Api};

/// Generous: tests share two cores with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Bookings, mirrored in a calendar.
pub(crate) const BLOCK: &str = "create table block (id bigint primary key, calendar_id text, gcal_id text, note text,
    kind text, item_status text, deleted_at TIME_TYPE)";

pub(crate) const RESOURCE: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }

[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "@API@/calendars/{calendar_id}/events/{gcal_id}"
timeout = "2s"
allow_private = true
breaker = { probe_interval = "20ms", max_probe_interval = "200ms" }
"#;

/// Settings that a test may say otherwise, as long as it does so in the same tables.
const SETTINGS: &str = r#"
[retry]
max_attempts = 3
initial_interval = "1ms"
max_interval = "2s"

[console]
listen = "127.0.0.1:0"
"#;

/// Runs a scenario on PostgreSQL and on SQLite, each as a test of its own.
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use crate::rig::Server;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$scenario(Server::postgres().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$scenario(Server::sqlite().await).await;
            }
        }
    )+};
}
pub(crate) use on_both;

/// The application's database.
pub(crate) enum Server {
    Postgres(TestDb),
    Sqlite(SqliteDb),
}

impl Server {
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(TestDb::new().await)
    }

    pub(crate) async fn sqlite() -> Self {
        Self::Sqlite(SqliteDb::new().await)
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Postgres(db) => db.url(),
            Self::Sqlite(db) => db.url(),
        }
    }

    /// A new pool, as an application has it.
    pub(crate) async fn connect(&self) -> sea_orm::DatabaseConnection {
        match self {
            Self::Postgres(db) => db.connect().await,
            Self::Sqlite(db) => db.connect().await,
        }
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Runs statements; `TIME_TYPE` is the type of a time.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Postgres(db) => db.execute(&sql.replace("TIME_TYPE", "timestamptz")).await,
            Self::Sqlite(db) => db.execute(&sql.replace("TIME_TYPE", "text")).await,
        }
    }

    /// The rows of a query as text, columns joined by `|`, null as `-`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = match self {
            Self::Postgres(db) => db.query_text(sql).await,
            Self::Sqlite(db) => db.query_text(sql).await,
        };
        let text = |row: &Vec<Option<String>>| {
            row.iter().map(|value| value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")
        };
        rows.iter().map(text).collect()
    }
}

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) api: Api,
    pub(crate) sexton: Sexton,
}

impl Rig {
    /// These tables, and a migrated ledger for these resources.
    pub(crate) async fn with(server: Server, tables: &str, resources: &str) -> Self {
        let url = server.url().to_owned();
        Self::as_role(server, &url, tables, resources).await
    }

    /// The same, but `sexton` connects with another URL (it migrates with that of the database's owner).
    pub(crate) async fn as_role(server: Server, url: &str, tables: &str, resources: &str) -> Self {
        server.execute(tables).await;
        let api = Api::start().await;
        let sexton = Sexton::new(&config(server.url(), &api, resources));
        drop(sexton.run(&["migrate"]).await.expect_code(0));
        sexton.write("sexton.toml", &config(url, &api, resources));
        Self { server, api, sexton }
    }

    /// Blocks 1 to `n` with events `g1` to `gn` in calendar `c`.
    pub(crate) async fn blocks(server: Server, n: usize) -> Self {
        Self::blocks_with(server, n, RESOURCE).await
    }

    pub(crate) async fn blocks_with(server: Server, n: usize, resources: &str) -> Self {
        let rig = Self::with(server, BLOCK, resources).await;
        for i in 1..=n {
            rig.execute(&format!("insert into block (id, calendar_id, gcal_id) values ({i}, 'c', 'g{i}')")).await;
        }
        rig
    }

    /// Another configuration for the same database and external system.
    pub(crate) fn reconfigure(&self, resources: &str) {
        self.sexton.write("sexton.toml", &config(self.server.url(), &self.api, resources));
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.server.execute(sql).await;
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        self.server.rows(sql).await
    }

    pub(crate) async fn one(&self, sql: &str) -> String {
        self.rows(sql).await.into_iter().next().unwrap()
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        self.sexton.run(args).await
    }

    /// The objects that a `--json` command prints.
    pub(crate) async fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args).await.expect_code(0);
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Requests deletions and returns their ids in the order of the keys.
    pub(crate) async fn request(&self, resource: &str, keys: &[&str]) -> Vec<String> {
        let args = [&["request", resource, "--json", "--"], keys].concat();
        let lines = self.json(&args).await;
        assert_eq!(lines.len(), keys.len(), "{lines:?}");
        let id_of = |key: &&str| lines.iter().find(|line| line["key"] == **key).unwrap_or(&lines[0])["id"].clone();
        keys.iter().map(|key| id_of(key).as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn request_block(&self) -> String {
        self.request("block", &["1"]).await.remove(0)
    }

    /// Works off everything that becomes due without outside help.
    pub(crate) async fn work(&self) {
        drop(self.run(&["run", "--until-idle"]).await.expect_code(0));
    }

    /// A worker that runs until it is told to stop.
    pub(crate) async fn daemon(&self) -> Daemon {
        let daemon = self.sexton.spawn(&["run"]).await;
        daemon.wait_for_log("working", PATIENCE).await;
        daemon
    }

    pub(crate) async fn show(&self, id: &str) -> Value {
        self.json(&["show", id, "--json"]).await.remove(0)
    }

    /// Its state; for a dead one `dead: KIND`.
    pub(crate) async fn state(&self, id: &str) -> String {
        let record = self.show(id).await;
        let state = record["state"].as_str().unwrap();
        record["dead_kind"].as_str().map_or_else(|| state.to_owned(), |kind| format!("{state}: {kind}"))
    }

    /// Waits until a query's only row is as wanted.
    pub(crate) async fn until(&self, sql: &str, wanted: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let rows = self.rows(sql).await;
            if rows == [wanted] {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{sql}\nstill gives {rows:?}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the deletion is completed or dead.
    pub(crate) async fn settled(&self, id: &str) -> String {
        let open = format!("select count(*) from sexton_deletion where id = '{id}' and state <> 'dead'");
        self.until(&open, "0").await;
        self.state(id).await
    }

    /// Method and path of every call so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.api.log().iter().map(|call| format!("{} {}", call.method, call.path_and_query)).collect()
    }
}

/// A configuration file; `@API@` in `resources` is the external system's URL.
pub(crate) fn config(url: &str, api: &Api, resources: &str) -> String {
    let settings =
        if resources.contains("[retry]") { &SETTINGS[SETTINGS.find("[console]").unwrap()..] } else { SETTINGS };
    format!("[database]\nurl = \"{url}\"\n{settings}{}", resources.replace("@API@", &api.url()))
}

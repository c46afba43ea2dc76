//! An application's database, an external system, and `sexton` configured for both.

use serde_json::Value;
use sexton_tests::{Daemon, Output, PATIENCE, Server, Sexton, api::Api};

/// Settings that a test may say otherwise, as long as it does so in the same tables.
const SETTINGS: &str = r#"
[retry]
max_attempts = 3
initial_interval = "1ms"
max_interval = "2s"

[console]
listen = "127.0.0.1:0"
"#;

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
        self.server.one(sql).await
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
        self.server.until(sql, wanted).await;
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

//! Rows of one table with one target, and `sexton` between them.

use std::time::Duration;

use serde_json::Value;
use sexton_tests::{Output, Server, Sexton};

pub(super) struct Rig {
    db: Server,
    pub(super) sexton: Sexton,
    rows: usize,
}

/// One attempt, a second of patience with what costs none, and no breaker: each row stands for a target of its own.
const SETTINGS: &str = r#"
[retry]
max_attempts = 1
initial_interval = "1ms"
max_interval = "50ms"
give_up_after = "20s"
[console]
listen = "127.0.0.1:0"
[sync]
verify = { share = 1.0 }
[resources.thing]
table = "thing"
key = "id"
marker = { column = "deleted_at" }
[[resources.thing.targets]]
name = "there"
timeout = "20s"
allow_private = true
gone_limit = 1.0
breaker = { failure_ratio = 2.0 }
"#;

impl Rig {
    /// A table with the columns `place`, `name` and `tag`, and a target with these settings.
    pub(super) async fn new(target: &str) -> Self {
        let db = Server::sqlite().await;
        let table = "create table thing (id bigint primary key, place text, name text, tag text, deleted_at text)";
        db.execute(table).await;
        let sexton = Sexton::new(&config(db.url(), target));
        drop(sexton.run(&["migrate"]).await.expect_code(0));
        Self { db, sexton, rows: 0 }
    }

    /// Another configuration of the target.
    pub(super) fn reconfigure(&self, target: &str) {
        self.sexton.write("sexton.toml", &config(self.db.url(), target));
    }

    /// A new row; its key.
    pub(super) async fn row(&mut self, place: &str, name: &str, tag: Option<&str>) -> String {
        self.rows += 1;
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let tag = tag.map_or_else(|| "null".to_owned(), quoted);
        let (id, place, name) = (self.rows, quoted(place), quoted(name));
        self.db
            .execute(&format!("insert into thing (id, place, name, tag) values ({id}, {place}, {name}, {tag})"))
            .await;
        id.to_string()
    }

    /// Asks for the deletion of these rows, works until nothing is due, and says what became of each:
    /// `completed deleted 204`, or `dead: rejected 404 http_404`.
    pub(super) async fn delete(&self, keys: &[String]) -> Vec<String> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let asked = self.json(&[&["request", "thing", "--json", "--"], keys.as_slice()].concat()).await;
        assert_eq!(asked.len(), keys.len(), "{asked:?}");
        drop(self.run(&["run", "--until-idle"]).await.expect_code(0));
        let mut all = Vec::new();
        for key in keys {
            let asked = asked.iter().find(|line| line["key"] == key).unwrap();
            let record = self.json(&["show", asked["id"].as_str().unwrap(), "--json"]).await.remove(0);
            all.push(outcome_of(&record));
        }
        all
    }

    /// Looks whether what was deleted so far is still gone: what was seen, and why what was not seen was not.
    pub(super) async fn look(&self) -> String {
        // Nothing is looked at that was deleted just now.
        let age = "update sexton_deletion_done set finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '-1 hour')
                   where finished_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-30 minutes')";
        self.db.execute(age).await;
        self.db.execute("update sexton_sweep set cursor = '{}'").await;
        let figures = self.json(&["sweep", "verify", "--json"]).await.remove(0);
        let seen = ["gone", "returned", "unverifiable", "unanswered", "held"].into_iter();
        let seen = seen.filter(|name| figures[name] != 0).map(|name| format!("{name} {}", figures[name]));
        let error =
            self.db.query_text("select error from sexton_sweep where name = 'verify'").await.remove(0).remove(0);
        let error = error.map(|error| error.split("because of ").last().unwrap().to_owned());
        seen.chain(error).collect::<Vec<_>>().join(", ")
    }

    /// How many rows are left.
    pub(super) async fn rows_left(&self) -> String {
        self.db.one("select count(*) from thing").await
    }

    pub(super) async fn run(&self, args: &[&str]) -> Output {
        tokio::time::timeout(Duration::from_secs(120), self.sexton.run(args)).await.unwrap()
    }

    async fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(args).await.expect_code(0);
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn config(url: &str, target: &str) -> String {
    format!("[database]\nurl = \"{url}\"\n{SETTINGS}{target}")
}

fn outcome_of(record: &Value) -> String {
    let state = record["state"].as_str().unwrap();
    if state == "completed" {
        let confirmation = &record["confirmations"]["there"];
        return format!("completed {} {}", confirmation["answer"].as_str().unwrap(), confirmation["status"]);
    }
    let Some(attempt) = record["failed_attempts"].as_array().and_then(|attempts| attempts.last()) else {
        return format!("{record:#}");
    };
    let status = attempt["status"].as_i64().map_or_else(|| "-".to_owned(), |status| status.to_string());
    let kind = record["dead_kind"].as_str().unwrap_or("-");
    format!("{state}: {kind} {status} {}", attempt["reason"].as_str().unwrap())
}

//! A database that is emptied between cases, and an external system whose answers are set in advance.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sexton_core::{
    config::Config,
    db::{Db, Dialect},
};
use sexton_tests::{
    FromServer, Server,
    api::{Answer as Reply, Api, Behaviour, Call},
};

use super::{actions::Answer, schema::Schema};
use crate::rig::store;

const SETTINGS: &str = r#"
[database]
url = "@URL@"
max_connections = 4
[worker]
lease = "60s"
max_rescues = 2
shutdown_grace = "5s"
[retry]
max_attempts = 3
initial_interval = "100000h"
max_interval = "100000h"
give_up_after = "200000h"
[console]
listen = "127.0.0.1:0"
"#;

/// Deletions that are recorded while a worker runs are delayed until it has ended, so that it works on one alone.
const POSTGRES: &str = "
    create table model_switch (closed int); create table model_held (id uuid, run_at timestamptz);
    create function model_hold() returns trigger language plpgsql as $$ begin
        if exists (select 1 from public.model_switch) then
            insert into public.model_held values (new.id, new.run_at);
            new.run_at := '2100-01-01';
        end if;
        return new;
    end $$;
    create trigger model_hold before insert on sexton_deletion for each row execute function model_hold();";
const SQLITE: &str = "
    create table model_switch (closed int); create table model_held (id text, run_at text);
    create trigger model_hold after insert on sexton_deletion when exists (select 1 from model_switch) begin
        insert into model_held values (new.id, new.run_at);
        update sexton_deletion set run_at = '2100-01-01T00:00:00.000Z' where id = new.id;
    end;";

/// What all cases of a test share.
pub(super) struct Fixture {
    server: Server,
    pub(super) api: Api,
    /// The answers of each table's targets.
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
}

impl FromServer for Fixture {
    async fn from_server(server: Server) -> Self {
        let api = Api::start().await;
        let answers: Arc<Mutex<BTreeMap<String, Answer>>> = Arc::default();
        let known = Arc::clone(&answers);
        api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
            let target: String = call.path().split('/').take(3).collect::<Vec<_>>().join("/");
            let answer = known.lock().unwrap().get(&target).copied();
            Reply::Status(match answer.unwrap_or(Answer::Done) {
                Answer::Done => 204,
                Answer::Gone => 410,
                Answer::Fails => 500,
                Answer::Rejects => 400,
                Answer::Throttles => 429,
                Answer::Refuses => 401,
            })
        })));
        let fixture = Self { server, api, answers };
        fixture.server.execute(if fixture.is_postgres() { POSTGRES } else { SQLITE }).await;
        fixture
    }
}

impl Fixture {
    pub(super) const fn is_postgres(&self) -> bool {
        self.server.is_postgres()
    }

    /// What the targets of `table` answer from now on; all others confirm.
    pub(super) fn answer(&self, table: usize, answers: [Answer; 2]) {
        let of = |(name, answer): (&str, Answer)| (format!("/t{table}/{name}"), answer);
        *self.answers.lock().unwrap() = super::schema::TARGETS.into_iter().zip(answers).map(of).collect();
    }

    /// The tables of a schema, all of them empty, and the ledger as well.
    pub(super) async fn prepare(&self, schema: &Schema) {
        let cascade = if self.is_postgres() { "cascade" } else { "" };
        let mut sql = if self.is_postgres() { String::new() } else { "pragma foreign_keys = off;".to_owned() };
        for table in 0..3 {
            sql += &format!("drop table if exists t{table} {cascade};");
        }
        for table in ["deletion", "deletion_done", "child", "wait", "attempt", "action", "breaker", "sweep"] {
            sql += &format!("delete from sexton_{table};");
        }
        self.execute(&sql).await.unwrap();
        if !self.is_postgres() {
            self.execute("pragma foreign_keys = on").await.unwrap();
        }
        self.execute("delete from model_switch; delete from model_held").await.unwrap();
        let dialect = if self.is_postgres() { Dialect::Postgres } else { Dialect::Sqlite };
        self.execute(&schema.tables(dialect)).await.unwrap();
    }

    pub(super) fn config(&self, schema: &Schema) -> Config {
        let settings = SETTINGS.replace("@URL@", self.server.url());
        store::parse(&format!("{settings}{}", schema.resources().replace("@API@", &self.api.url())))
    }

    pub(super) async fn connect(&self) -> Db {
        store::connect(self.server.url(), 2).await
    }

    /// Runs statements as the application, which may be refused.
    pub(super) async fn execute(&self, sql: &str) -> Result<(), String> {
        self.server.try_execute(sql).await
    }

    pub(super) async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.server.query_text(sql).await
    }
}

//! A database that is emptied between cases, and an external system whose answers are set in advance.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use secrecy::SecretString;
use sexton_core::{
    config::{self, Config},
    db::{self, Db},
};
use sexton_migrations::{Migrator, MigratorTrait};
use sexton_tests::{
    SqliteDb, TestDb,
    api::{Answer as Reply, Api, Behaviour, Call},
};

use super::{actions::Answer, schema::Schema};

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

/// Deletions that are recorded while a worker runs are held until it has ended, so that it works on one alone.
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

pub(super) enum Server {
    Postgres(TestDb),
    Sqlite(SqliteDb),
}

/// What all cases of a test share.
pub(super) struct Bed {
    server: Server,
    pub(super) api: Api,
    /// The answers of each table's targets.
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
}

impl Bed {
    pub(super) async fn postgres() -> Self {
        Self::on(Server::Postgres(TestDb::new().await)).await
    }

    pub(super) async fn sqlite() -> Self {
        Self::on(Server::Sqlite(SqliteDb::new().await)).await
    }

    async fn on(server: Server) -> Self {
        let (application, hold) = match &server {
            Server::Postgres(db) => (db.connect().await, POSTGRES),
            Server::Sqlite(db) => (db.connect().await, SQLITE),
        };
        Migrator::up(&application, None).await.unwrap();
        application.close().await.unwrap();
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
        let bed = Self { server, api, answers };
        bed.execute(hold).await.unwrap();
        bed
    }

    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self.server, Server::Postgres(_))
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
        self.execute(&schema.tables(self.is_postgres())).await.unwrap();
    }

    pub(super) fn config(&self, schema: &Schema) -> Config {
        let url = match &self.server {
            Server::Postgres(db) => db.url(),
            Server::Sqlite(db) => db.url(),
        };
        let resources = schema.resources().replace("@API@", &self.api.url());
        config::parse("sexton.toml", &format!("{}{resources}", SETTINGS.replace("@URL@", url)), |_| None).unwrap()
    }

    pub(super) async fn connect(&self) -> Db {
        let url = match &self.server {
            Server::Postgres(db) => db.url(),
            Server::Sqlite(db) => db.url(),
        };
        db::connect(&SecretString::from(url.to_owned()), 2).await.unwrap()
    }

    /// Runs statements as the application, which may be refused.
    pub(super) async fn execute(&self, sql: &str) -> Result<(), String> {
        match &self.server {
            Server::Postgres(db) => db.try_execute(sql).await,
            Server::Sqlite(db) => db.try_execute(sql).await,
        }
    }

    pub(super) async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match &self.server {
            Server::Postgres(db) => db.query_text(sql).await,
            Server::Sqlite(db) => db.query_text(sql).await,
        }
    }
}

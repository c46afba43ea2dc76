//! A migrated database with the application's tables, PostgreSQL or SQLite, and a producer on it.

use sea_orm::DatabaseConnection;
use sexton_core::{config::Config, db::Db, ledger::Ledger};
use sexton_migrations::{Migrator, MigratorTrait};
use sexton_producer::Producer;
use sexton_tests::{SqliteDb, TestDb};

/// Defines each test twice: `name::postgres` and `name::sqlite`.
macro_rules! on_both {
    ($(async fn $name:ident($bed:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn test($bed: Bed) $body

            #[tokio::test]
            async fn postgres() {
                test(Bed::postgres().await).await;
            }

            #[tokio::test]
            async fn sqlite() {
                test(Bed::sqlite().await).await;
            }
        }
    )*};
}

const POSTGRES: &str = "
create table block (id bigint primary key, title text not null, gcal_id text, kind text,
    item_status text not null default 'Active', deleted_at timestamptz);
create table toy (id uuid primary key, name varchar(40) not null, removed_at timestamp);
create type member_status as enum ('active', 'gone');
create table member (tenant_id uuid, name text, status member_status, primary key (tenant_id, name));
create table flag (id integer primary key, hidden boolean);
create table color (id bigint primary key, unused_since timestamp);
create table paint (id bigint primary key, color_id bigint references color (id));
create index on_color on paint (color_id);
create table stray (id integer primary key)";

const SQLITE: &str = "
create table block (id integer primary key, title text not null, gcal_id text, kind text,
    item_status text not null default 'Active', deleted_at text);
create table toy (id uuid_text primary key, name varchar(40) not null, removed_at text);
create table member (tenant_id uuid_text, name text, status text, primary key (tenant_id, name));
create table flag (id integer primary key, hidden boolean);
create table color (id bigint primary key, unused_since text);
create table paint (id bigint primary key, color_id bigint references color (id));
create index on_color on paint (color_id);
create table stray (id integer primary key)";

const RESOURCES: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }
marker_when = [{ column = "kind", equals = "T", marker = { column = "item_status", value = "Deleted" }, then = "keep" }]
[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "https://calendar.example/events/{gcal_id}"
skip_when_null = ["gcal_id"]

[resources.toy]
table = "toy"
key = "id"
marker = { column = "removed_at" }
[[resources.toy.targets]]
name = "shop"
kind = "http"
url = "https://shop.example/toys/{id}"

[resources.member]
table = "member"
key = ["tenant_id", "name"]
marker = { column = "status", value = "gone" }
[[resources.member.targets]]
name = "crm"
kind = "http"
url = "https://crm.example/{tenant_id}/{name}"

[resources.flag]
table = "flag"
key = "id"
marker = { column = "hidden", value = true }
[[resources.flag.targets]]
name = "map"
kind = "http"
url = "https://map.example/{id}"

[resources.color]
table = "color"
key = "id"
unreferenced = { by = [{ table = "paint", column = "color_id" }], since = "unused_since", hide_after = "7d", delete_after = "14d" }
"#;

#[derive(Debug)]
enum Server {
    Postgres(TestDb),
    Sqlite(SqliteDb),
}

#[derive(Debug)]
pub(crate) struct Bed {
    server: Server,
    pub(crate) conn: DatabaseConnection,
    more_resources: &'static str,
}

impl Bed {
    pub(crate) async fn postgres() -> Self {
        let db = TestDb::new().await;
        db.execute(POSTGRES).await;
        let conn = db.connect().await;
        Self { server: Server::Postgres(db), conn, more_resources: "" }.migrated().await
    }

    pub(crate) async fn sqlite() -> Self {
        let db = SqliteDb::new().await;
        db.execute(SQLITE).await;
        let conn = db.connect().await;
        Self { server: Server::Sqlite(db), conn, more_resources: "" }.migrated().await
    }

    async fn migrated(self) -> Self {
        Migrator::up(&self.conn, None).await.expect("the migrations apply");
        self.configured().await
    }

    async fn configured(self) -> Self {
        let db = Db::of_application(self.conn.clone()).await.unwrap();
        let ledger = Ledger::open(&db).await.unwrap();
        ledger.write_resources(&db, &self.config("").resources, &std::collections::BTreeMap::new()).await.unwrap();
        self
    }

    /// The same with more tables, and more resources.
    pub(crate) async fn with(mut self, tables: &str, resources: &'static str) -> Self {
        self.execute(tables).await;
        self.more_resources = resources;
        self.configured().await
    }

    /// Another pool. Connections of SQLite that were open before an index was made may not know of it: preparing an
    /// `on conflict` does not look whether the schema is a newer one (SQLite 3.51).
    pub(crate) async fn reconnected(&self) -> DatabaseConnection {
        match &self.server {
            Server::Postgres(db) => db.connect().await,
            Server::Sqlite(db) => db.connect().await,
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.server, Server::Postgres(_))
    }

    /// The configuration, with more lines of TOML before the resources.
    pub(crate) fn config(&self, more: &str) -> Config {
        let url = match &self.server {
            Server::Postgres(db) => db.url(),
            Server::Sqlite(db) => db.url(),
        };
        let text = format!("database.url = \"{url}\"\n{more}\n{RESOURCES}\n{}", self.more_resources);
        sexton_core::config::parse("test.toml", &text, |_| None).expect("the configuration is good")
    }

    pub(crate) async fn producer(&self) -> Producer {
        Producer::connect(self.conn.clone(), &self.config("")).await.expect("a producer")
    }

    pub(crate) async fn producer_with_queue(&self, url: &str, window: usize) -> Producer {
        let config = self.config(&format!("queue = {{ url = \"{url}\", window = {window} }}"));
        Producer::connect(self.conn.clone(), &config).await.expect("a producer")
    }

    pub(crate) async fn execute(&self, sql: &str) {
        match &self.server {
            Server::Postgres(db) => db.execute(sql).await,
            Server::Sqlite(db) => db.execute(sql).await,
        }
    }

    /// Rows as texts joined by `|`, null as `-`.
    pub(crate) async fn query(&self, sql: &str) -> Vec<String> {
        let rows = match &self.server {
            Server::Postgres(db) => db.query_text(sql).await,
            Server::Sqlite(db) => db.query_text(sql).await,
        };
        let row = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join("|")
        };
        rows.into_iter().map(row).collect()
    }

    /// The ids of the marked blocks.
    pub(crate) async fn marked(&self) -> Vec<String> {
        self.query("select id from block where deleted_at is not null order by id").await
    }

    /// Resource, key and state of what the ledger knows, finished or not.
    pub(crate) async fn ledger(&self) -> Vec<String> {
        self.query(
            "select resource, key, state from sexton_deletion
             union all select resource, key, state from sexton_deletion_done order by 1, 2",
        )
        .await
    }

    /// From now on, the ledger takes no deletion.
    pub(crate) async fn refuse_deletions(&self) {
        let sql = if self.is_postgres() {
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'not today'; end $$;
             create trigger refuse before insert on sexton_deletion for each row execute function refuse()"
        } else {
            "create trigger refuse before insert on sexton_deletion begin select raise(abort, 'not today'); end"
        };
        self.execute(sql).await;
    }
}

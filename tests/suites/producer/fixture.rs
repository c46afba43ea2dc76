//! A migrated database with the application's tables, PostgreSQL or SQLite, and a producer on it.

use sea_orm::DatabaseConnection;
use sexton_core::{config::Config, db::Db, ledger::Ledger};
use sexton_migrations::{Migrator, MigratorTrait};
use sexton_producer::Producer;
use sexton_tests::{FromServer, Server};

use crate::rig::store;

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
pub(crate) struct Fixture {
    pub(crate) server: Server,
    pub(crate) conn: DatabaseConnection,
    more_resources: &'static str,
}

impl Fixture {
    pub(crate) async fn postgres() -> Self {
        Self::from_server(Server::postgres().await).await
    }

    pub(crate) async fn sqlite() -> Self {
        Self::from_server(Server::sqlite().await).await
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
        self.server.connect().await
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.server.is_postgres()
    }

    /// The configuration, with more lines of TOML before the resources.
    pub(crate) fn config(&self, more: &str) -> Config {
        let url = self.server.url();
        store::parse(&format!("database.url = \"{url}\"\n{more}\n{RESOURCES}\n{}", self.more_resources))
    }

    pub(crate) async fn producer(&self) -> Producer {
        Producer::connect(self.conn.clone(), &self.config("")).await.expect("a producer")
    }

    pub(crate) async fn producer_with_queue(&self, url: &str, window: usize) -> Producer {
        let config = self.config(&format!("queue = {{ url = \"{url}\", window = {window} }}"));
        Producer::connect(self.conn.clone(), &config).await.expect("a producer")
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.server.execute(sql).await;
    }

    /// The rows of a query as text, columns joined by `|`, null as `-`.
    pub(crate) async fn query(&self, sql: &str) -> Vec<String> {
        self.server.rows(sql).await
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

impl FromServer for Fixture {
    async fn from_server(server: Server) -> Self {
        server.execute(if server.is_postgres() { POSTGRES } else { SQLITE }).await;
        let conn = server.connect().await;
        Migrator::up(&conn, None).await.expect("the migrations apply");
        Self { server, conn, more_resources: "" }.configured().await
    }
}

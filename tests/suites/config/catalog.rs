//! Mistakes that only the database can show: each is named with its key path before anything starts.

use sea_orm::ConnectionTrait;
use secrecy::SecretString;
use sexton_core::{
    catalog::{Catalog, Error},
    db::{Db, connect},
};
use sexton_tests::{Server, TestDb};

use crate::rig::{ledger::parse, store};

fn resource(table: &str, rest: &str) -> String {
    format!("[resources.r]\ntable = '{table}'\n{rest}")
}

const USUAL: &str = "key = \"id\"\nmarker = { column = \"deleted_at\" }";

async fn open(url: &str) -> Db {
    store::connect(url, 2).await
}

async fn problems(db: &Db, config: &str) -> String {
    match Catalog::load(db, &parse(config)).await {
        Ok(_) => String::new(),
        Err(Error::Problems(problems)) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => panic!("{error}"),
    }
}

async fn expect(db: &Db, table: &str, rest: &str, parts: &[&str]) {
    let said = problems(db, &resource(table, rest)).await;
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert_eq!(said.is_empty(), parts.is_empty(), "{said}");
    assert!(said.lines().all(|line| line.starts_with("resources.r.")), "{said}");
}

const TABLES: &str = "
create table t (id bigint primary key, deleted_at timestamptz, name varchar(4) unique, other text, made timestamptz not null,
    price numeric(10, 2) unique, code bit(3) unique, n int, doubled int generated always as (n * 2) stored);
create view v as select * from t;
create type mood as enum ('sad', 'happy');
create domain inner_id as bigint; create domain outer_id as inner_id;
create table d (id outer_id primary key, feeling mood, deleted_at timestamptz);
create table covered (id bigint, extra text, deleted_at timestamptz);
create unique index on covered (id) include (extra);
create table partial (id bigint, deleted_at timestamptz);
create unique index on partial (id) where deleted_at is null;
create table ruled (id bigint primary key, deleted_at timestamptz);
create rule r as on delete to ruled do instead nothing;
create table parted (id bigint primary key, deleted_at timestamptz) partition by range (id);
create table parted1 partition of parted for values from (0) to (100);
create table base (id bigint primary key, deleted_at timestamptz);
create table heir (primary key (id)) inherits (base);
create schema other; create table other.o (id bigint primary key, deleted_at timestamptz);
";

#[tokio::test]
async fn mistakes_about_tables_and_keys_are_named_on_postgres() {
    let server = TestDb::new().await;
    server.execute(TABLES).await;
    let db = open(server.url()).await;
    for table in ["t", "public.t", "d", "covered", "parted", "other.o"] {
        expect(&db, table, USUAL, &[]).await;
    }
    expect(&db, "nope", USUAL, &["resources.r.table: ", "no table `nope`", "in the schemas public"]).await;
    expect(&db, "o", USUAL, &["resources.r.table: ", "no table `o`"]).await;
    expect(&db, "v", USUAL, &["resources.r.table: ", "`v` is a view"]).await;
    expect(&db, "ruled", USUAL, &["resources.r.table: ", "rewrite rule on UPDATE or DELETE"]).await;
    // Rows that are reached through another table, too: guards would not see them go, and keys may repeat.
    let partition = "`parted1` is a partition of `public.parted`; name `public.parted`";
    expect(&db, "parted1", USUAL, &["resources.r.table: ", partition]).await;
    expect(&db, "base", USUAL, &["resources.r.table: ", "`public.heir`, which inherits from `base`"]).await;
    expect(&db, "heir", USUAL, &["resources.r.table: ", "`heir` inherits from `public.base`"]).await;
    expect(&db, "partial", USUAL, &["resources.r.key: (id) is not unique"]).await;
    let marker = "marker = { column = \"deleted_at\" }";
    let key = |key: &str| format!("key = {key}\n{marker}");
    expect(&db, "t", &key("\"idd\""), &["resources.r.key: ", "no column `idd`", "its columns are id, deleted_at"])
        .await;
    expect(&db, "t", &key("\"other\""), &["resources.r.key: (other) is not unique"]).await;
    expect(&db, "t", &key("\"price\""), &["resources.r.key: `price` is numeric(10,2)"]).await;
    expect(&db, "t", &key("\"code\""), &["resources.r.key: `code` is bit(3)"]).await;
    expect(&db, "t", &key("[\"other\", \"id\"]"), &[]).await;
}

#[tokio::test]
async fn mistakes_about_markers_and_targets_are_named_on_postgres() {
    let server = TestDb::new().await;
    server.execute(TABLES).await;
    let db = open(server.url()).await;
    let marker = |marker: &str| format!("key = \"id\"\nmarker = {marker}");
    expect(&db, "t", &marker("{ column = \"gone\" }"), &["resources.r.marker.column: ", "no column `gone`"]).await;
    expect(&db, "t", &marker("{ column = \"other\" }"), &["resources.r.marker: ", "cannot hold the current time"])
        .await;
    expect(&db, "t", &marker("{ column = \"made\" }"), &["resources.r.marker: ", "NOT NULL"]).await;
    expect(&db, "t", &marker("{ column = \"id\", value = 1 }"), &["resources.r.marker: ", "key column"]).await;
    expect(&db, "t", &marker("{ column = \"doubled\", value = 1 }"), &["resources.r.marker: ", "computed"]).await;
    expect(&db, "t", &marker("{ column = \"n\", value = \"x\" }"), &["resources.r.marker.value: `x` is not a value"])
        .await;
    expect(
        &db,
        "t",
        &marker("{ column = \"name\", value = \"gone!\" }"),
        &["resources.r.marker.value: ", "character varying(4)"],
    )
    .await;
    expect(&db, "t", &marker("{ column = \"name\", value = \"gone\" }"), &[]).await;
    expect(&db, "d", &marker("{ column = \"feeling\", value = \"happy\" }"), &[]).await;
    let angry = marker("{ column = \"feeling\", value = \"angry\" }");
    expect(&db, "d", &angry, &["resources.r.marker.value: `angry` is not a value of `feeling`", "mood"]).await;
    let when = |when: &str| format!("{USUAL}\nmarker_when = [{{ {when} }}]");
    let angry = when("column = \"feeling\", equals = \"angry\", marker = { column = \"nope\" }");
    let paths = ["resources.r.marker_when[0].equals: `angry`", "resources.r.marker_when[0].marker.column: "];
    expect(&db, "d", &angry, &paths).await;
    let target = format!(
        "{USUAL}\n[[resources.r.targets]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://h/{{nope}}\"\nskip_when_null = [\"void\"]"
    );
    let paths = ["resources.r.targets[0].url: ", "no column `nope`", "resources.r.targets[0].skip_when_null: "];
    expect(&db, "t", &target, &paths).await;
}

#[tokio::test]
async fn row_level_security_is_refused_unless_it_does_not_apply() {
    let server = TestDb::new().await;
    server.execute(TABLES).await;
    server.execute("alter table t enable row level security").await;
    let (app, free) = (server.create_role("app", "").await, server.create_role("free", "bypassrls").await);
    for role in [&app, &free] {
        server.execute(&format!("grant select, update, delete on all tables in schema public to {}", role.name)).await;
    }
    expect(&open(&app.url).await, "t", USUAL, &["resources.r.table: row-level security applies to our role on `t`"])
        .await;
    expect(&open(&free.url).await, "t", USUAL, &[]).await;
    expect(&open(server.url()).await, "t", USUAL, &[]).await;
}

#[tokio::test]
async fn table_is_found_where_the_role_finds_it() {
    let server = TestDb::new().await;
    server.execute(TABLES).await;
    server.execute("create table other.t (id text primary key, deleted_at timestamptz)").await;
    let role = server.create_role("app", "").await;
    server
        .execute(&format!(
            "grant usage on schema other to {0}; alter role {0} set search_path = nowhere, other, public",
            role.name
        ))
        .await;
    let db = open(&role.url).await;
    assert_eq!(db.search_path.0, ["other", "public"]);
    let catalog = Catalog::load(&db, &parse(&resource("t", USUAL))).await.unwrap();
    assert_eq!(catalog.by_name("r").unwrap().sql, r#""other"."t""#);
    // The sessions themselves find nothing by chance.
    assert!(db.conn.execute_unprepared("select 1 from t").await.is_err());
    let application = Db::of_application(sea_orm::Database::connect(&role.url).await.unwrap()).await.unwrap();
    assert_eq!(application.search_path.0, ["other", "public"]);
    assert!(Catalog::load(&application, &parse(&resource("o", USUAL))).await.is_ok());
}

#[tokio::test]
async fn sessions_mean_the_same_whatever_the_role_is_set_to() {
    let server = TestDb::new().await;
    let role = server.create_role("app", "").await;
    let settings = [
        "default_transaction_isolation = 'serializable'",
        "timezone = 'Asia/Tokyo'",
        "row_security = on",
        "lock_timeout = 0",
    ];
    for setting in settings {
        server.execute(&format!("alter role {} set {setting}", role.name)).await;
    }
    let db = open(&role.url).await;
    let show = async |name: &str| -> String {
        let row = db.conn.query_one_raw(db.dialect.statement(format!("show {name}"), [])).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    };
    assert_eq!(show("transaction_isolation").await, "read committed");
    assert_eq!(show("timezone").await, "UTC");
    assert_eq!(show("row_security").await, "off");
    assert_eq!(show("search_path").await.replace('"', ""), "");
    assert_eq!(show("lock_timeout").await, "5s");
    assert_eq!(show("statement_timeout").await, "30s");
}

#[tokio::test]
async fn unreachable_database_is_named_without_its_password() {
    let url = SecretString::from("postgres://app:hunter2@127.0.0.1:1/none".to_owned());
    let error = connect(&url, 2).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1/none") && !error.contains("hunter2"), "{error}");
    let error = connect(&SecretString::from("no url, hunter2".to_owned()), 2).await.unwrap_err().to_string();
    assert!(error.contains("database.url") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn mistakes_are_named_on_sqlite() {
    let server = Server::sqlite().await;
    server
        .execute(
            "create table t (id integer primary key, deleted_at text, other text, price real unique, made text not null,
                n int, doubled int generated always as (n * 2));
             create view v as select * from t;
             create table partial (id int, deleted_at text);
             create unique index p on partial (id) where deleted_at is null;
             create table expr (id int, deleted_at text);
             create unique index e on expr (lower(id));
             create table uniq (id int, deleted_at text, unique (id));
             create table folded (id text collate nocase primary key, deleted_at text);
             create table exact (id text primary key, deleted_at text);
             create unique index f on exact (id collate nocase)",
        )
        .await;
    let db = open(server.url()).await;
    for table in ["t", "T", "main.t", "uniq", "exact"] {
        expect(&db, table, USUAL, &[]).await;
    }
    expect(&db, "nope", USUAL, &["resources.r.table: there is no table `nope`"]).await;
    expect(&db, "v", USUAL, &["resources.r.table: `v` is a view"]).await;
    expect(&db, "partial", USUAL, &["resources.r.key: (id) is not unique"]).await;
    expect(&db, "expr", USUAL, &["resources.r.key: (id) is not unique"]).await;
    expect(&db, "folded", USUAL, &["resources.r.key: `id` has the collation nocase, in which different texts"]).await;
    let key = "key = \"price\"\nmarker = { column = \"deleted_at\" }";
    expect(&db, "t", key, &["resources.r.key: `price` is REAL"]).await;
    let marker = |marker: &str| format!("key = \"id\"\nmarker = {marker}");
    expect(&db, "t", &marker("{ column = \"n\" }"), &["resources.r.marker: ", "cannot hold the current time"]).await;
    expect(&db, "t", &marker("{ column = \"made\" }"), &["resources.r.marker: ", "NOT NULL"]).await;
    expect(&db, "t", &marker("{ column = \"doubled\", value = 1 }"), &["resources.r.marker: ", "computed"]).await;
}

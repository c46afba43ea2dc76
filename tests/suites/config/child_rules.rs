//! Child rules and foreign keys compared with the database: what is refused, and what is only advised against.

use sexton_core::{
    catalog::{Catalog, ConfigProblem, Error},
    db::Db,
};
use sexton_tests::Server;

use crate::rig::{ledger::parse, store};

const POSTGRES: &str = "
create table parent (id bigint primary key, tenant int, name text, code varchar(10) unique, at timestamptz, deleted_at timestamptz);
create table kid (id bigint primary key, tenant int, parent_id bigint, parent_name text, must bigint not null, data jsonb, deleted_at timestamptz);
create index on kid (parent_id); create index on kid ((data ->> 'parent'));
create table far (id bigint primary key, kid_id bigint references kid (id), deleted_at timestamptz);
create table keyless (parent_id bigint);
create view seen as select * from kid;
create table parted (id bigint primary key, parent_id bigint) partition by range (id); create table part partition of parted default;
create table base (id bigint primary key, parent_id bigint); create table heir (primary key (id)) inherits (base);";

const SQLITE: &str = "
create table parent (id integer primary key, tenant int, name text, code varchar(10) unique, at text, deleted_at text);
create table kid (id integer primary key, tenant int, parent_id integer, parent_name text, must integer not null, data text, deleted_at text);
create index kid_parent on kid (parent_id);
create index kid_data on kid ((case when json_valid(\"data\") then json_extract(\"data\", '$.\"parent\"') end));
create table far (id integer primary key, kid_id integer references kid (id), deleted_at text);
create table keyless (parent_id integer);
create view seen as select * from kid;";

const KID: &str = "[resources.kid]\ntable = \"kid\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\n";
const CALLED: &str = "targets = [{ name = \"t\", kind = \"http\", url = \"https://h.example/{id}\" }]\n";
const PARENT: &str = "[resources.parent]\ntable = \"parent\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\n";

fn with_rule(rule: &str) -> String {
    format!("{KID}{PARENT}[[resources.parent.children]]\n{}\n", rule.replace("; ", "\n"))
}

async fn load(db: &Db, config: &str) -> Result<Catalog, Vec<ConfigProblem>> {
    match Catalog::load(db, &parse(config)).await {
        Ok(catalog) => Ok(catalog),
        Err(Error::Problems(problems)) => Err(problems),
        Err(error) => panic!("{error}"),
    }
}

/// The rule is refused at this key of it, with these words.
async fn refused(db: &Db, rule: &str, key: &str, words: &[&str]) {
    let problems = load(db, &with_rule(rule)).await.expect_err(rule);
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, [format!("resources.parent.children[0].{key}")], "{rule}: {problems:?}");
    for word in words {
        assert!(problems[0].message.contains(word), "`{word}` is not in: {}", problems[0].message);
    }
}

async fn advice(db: &Db, config: &str) -> Vec<String> {
    let catalog = load(db, config).await.unwrap();
    catalog.advice(db).await.unwrap().iter().map(ToString::to_string).collect()
}

async fn databases() -> ([Server; 2], Vec<Db>) {
    let [postgres, sqlite] = [Server::postgres().await, Server::sqlite().await];
    postgres.execute(POSTGRES).await;
    sqlite.execute(SQLITE).await;
    let mut dbs = Vec::new();
    for server in [&postgres, &sqlite] {
        dbs.push(store::connect(server.url(), 2).await);
    }
    ([postgres, sqlite], dbs)
}

const GOOD: &str = "table = \"kid\"; column = \"parent_id\"; references = \"id\"; then = \"delete\"";

#[tokio::test]
async fn child_rule_that_cannot_work_is_refused_with_its_key_path() {
    let (_servers, dbs) = databases().await;
    for db in &dbs {
        let rule = |from: &str, to: &str| GOOD.replace(from, to);
        assert!(load(db, &with_rule(GOOD)).await.is_ok());
        refused(db, &rule("\"kid\"", "\"nope\""), "table", &["no table `nope`"]).await;
        refused(db, &rule("\"kid\"", "\"seen\""), "table", &["not an ordinary table"]).await;
        refused(db, &rule("\"kid\"", "\"keyless\""), "table", &["no primary key", "configure the table as a resource"])
            .await;
        refused(db, &rule("parent_id", "parentid"), "column", &["`kid` has no column `parentid`", "parent_id"]).await;
        refused(db, &rule("\"id\"", "\"idd\""), "references", &["`parent` has no column `idd`", "tenant"]).await;
        refused(db, &rule("parent_id", "parent_name"), "column", &["no row can ever match", "parent_name", "id"]).await;
        let json = "json = { column = \"parent_id\", path = \"parent\" }";
        if db.dialect == sexton_core::db::Dialect::Postgres {
            for (table, why) in [("part", "is a partition of `public.parted`"), ("base", "inherits from `base`")] {
                refused(db, &rule("\"kid\"", &format!("\"{table}\"")), "table", &[why]).await;
            }
            refused(db, &rule("column = \"parent_id\"", json), "json.column", &["not JSON", "use `column`"]).await;
            let at = rule("column = \"parent_id\"", &json.replace("parent_id", "data")).replace("\"id\"", "\"at\"");
            refused(db, &format!("{at}; scope = [\"tenant\"]"), "references", &["no row can ever match"]).await;
        }
        let by_name = rule("parent_id", "parent_name").replace("\"id\"", "\"name\"");
        refused(db, &by_name, "scope", &["`name` of `parent` is not unique", "unique index"]).await;
        assert!(load(db, &with_rule(&format!("{by_name}; scope = [\"tenant\"]"))).await.is_ok());
        refused(db, &format!("{by_name}; scope = [\"tenantt\"]"), "scope", &["no column `tenantt`"]).await;
        let nullify = rule("\"delete\"", "\"nullify\"");
        assert!(load(db, &with_rule(&nullify)).await.is_ok());
        refused(db, &nullify.replace("parent_id", "must"), "then", &["`must` is NOT NULL"]).await;
        let request = rule("\"delete\"", "\"request\"").replace("\"kid\"", "\"far\"").replace("parent_id", "kid_id");
        refused(db, &request, "then", &["not the table of a resource"]).await;
    }
}

#[tokio::test]
async fn children_with_targets_need_a_word_on_their_twins() {
    let (_servers, dbs) = databases().await;
    for db in &dbs {
        let config = with_rule(GOOD).replace(KID, &format!("{KID}{CALLED}"));
        let problems = load(db, &config).await.unwrap_err();
        assert_eq!(problems[0].path, "resources.parent.children[0].twin");
        assert!(problems[0].message.contains("goes_with_parent"), "{}", problems[0].message);
        assert!(load(db, &config.replace("then =", "twin = \"goes_with_parent\"\nthen =")).await.is_ok());
        assert!(load(db, &config.replace("\"delete\"", "\"request\"")).await.is_ok());
    }
}

#[tokio::test]
async fn table_of_two_resources_is_refused_as_children() {
    let (_servers, dbs) = databases().await;
    for db in &dbs {
        let twice = format!("{}{}", KID.replace("resources.kid", "resources.kid2"), with_rule(GOOD));
        let problems = load(db, &twice).await.unwrap_err();
        assert!(problems[0].message.contains("`kid`, `kid2`"), "{}", problems[0].message);
    }
}

#[tokio::test]
async fn cascade_that_deletes_rows_with_twins_is_refused() {
    let ([postgres, sqlite], dbs) = databases().await;
    for table in ["link", "leaf"] {
        let of = if table == "link" { "parent" } else { "link" };
        let ddl = format!(
            "create table {table} (id bigint primary key, {of}_id bigint references {of} (id) on delete cascade, deleted_at text)"
        );
        postgres.execute(&ddl.replace("at text", "at timestamptz")).await;
        sqlite.execute(&ddl).await;
    }
    for db in &dbs {
        let leaf = KID.replace("kid", "leaf");
        let plain = format!("{leaf}{PARENT}");
        assert!(load(db, &plain).await.is_ok(), "rows without twins may go as they like");
        let called = format!("{leaf}{CALLED}{PARENT}");
        let problems = load(db, &called).await.unwrap_err();
        assert_eq!(problems[0].path, "resources.parent.table");
        for word in ["`leaf`", "ON DELETE CASCADE", "link.parent_id → leaf.link_id", "[[resources.parent.children]]"]
        {
            assert!(problems[0].message.contains(word), "`{word}` is not in: {}", problems[0].message);
        }
        let rule = "[[resources.parent.children]]\ntable = \"link\"\ncolumn = \"parent_id\"\nreferences = \"id\"\nthen = \"delete\"\n";
        assert!(load(db, &format!("{called}{rule}")).await.is_ok(), "Sexton sees those go");
    }
}

#[tokio::test]
async fn foreign_key_without_a_rule_and_rule_without_an_index_are_advised_against() {
    let ([postgres, sqlite], dbs) = databases().await;
    for (db, url) in dbs.iter().zip([postgres.url(), sqlite.url()]) {
        let said = advice(db, KID).await;
        assert_eq!(said.len(), 1, "{said:?}");
        for word in ["resources.kid.children: ", "`far`", "kid_id", "`referenced`"] {
            assert!(said[0].contains(word), "`{word}` is not in: {}", said[0]);
        }
        let far = "[[resources.kid.children]]\ntable = \"far\"\ncolumn = \"kid_id\"\nreferences = \"id\"\nthen = \"delete\"\n";
        let said = advice(db, &format!("{KID}{far}")).await;
        assert_eq!(said.len(), 1, "{said:?}");
        for word in ["resources.kid.children[0]: ", "reads the whole of `far`", "index", "\"kid_id\""] {
            assert!(said[0].contains(word), "`{word}` is not in: {}", said[0]);
        }
        let indexed = with_rule(GOOD).replace(KID, "");
        assert_eq!(advice(db, &indexed).await, Vec::<String>::new());
        let json = GOOD.replace("column = \"parent_id\"", "json = { column = \"data\", path = \"parent\" }");
        assert_eq!(advice(db, &with_rule(&json).replace(KID, "")).await, Vec::<String>::new());
        let deeper = json.replace("\"parent\" }", "\"a.b\" }");
        let said = advice(db, &with_rule(&deeper).replace(KID, "")).await;
        assert!(said[0].contains("index") && said[0].contains("data"), "{said:?}");
        // And the advice is right.
        let statement = said[0].split("; ").last().unwrap().trim_matches('`');
        let statement = statement.replace("create an index on", "create index advised on").replace("concurrently ", "");
        sea_orm::ConnectionTrait::execute_unprepared(&db.conn, &statement).await.unwrap();
        // On a new connection: SQLite explains a statement that it has prepared before as it was then.
        let fresh = store::connect(url, 2).await;
        assert_eq!(advice(&fresh, &with_rule(&deeper).replace(KID, "")).await, Vec::<String>::new());
    }
}

//! The statements on parents and children use indexes, with and without statistics (PostgreSQL).

use sea_orm::ConnectionTrait;
use sexton_core::{
    children::{Descendants, RowToDelete, delete},
    db::RowLocks,
    restore::{MarkedRows, restore},
    soft_remove::{DeletionRequest, request_children, soft_remove},
    store::Store,
};

use crate::rig::{
    Server,
    ledger::{Fixture, claim_by_me},
    store,
};

const ROWS: usize = 200_000;
const ROUNDS: usize = 7;

const TABLES: &str = "
create table parent (id bigint primary key, name text, deleted_at timestamptz);
create table kid (id bigint primary key, parent_id bigint, deleted_at timestamptz);
create index on kid (parent_id);
create table own (id bigint primary key, parent_id bigint, deleted_at timestamptz);
create index on own (parent_id);
create table note (id bigint primary key, data jsonb, deleted_at timestamptz);
create index on note ((data ->> 'kid'));";

const RESOURCES: &str = r#"
[resources.parent]
table = "parent"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "t", kind = "http", url = "https://h.example/{id}" }]
children = [
    { table = "kid", column = "parent_id", references = "id", then = "delete" },
    { table = "own", column = "parent_id", references = "id", then = "request" },
]

[resources.kid]
table = "kid"
key = "id"
marker = { column = "deleted_at" }
children = [{ table = "note", json = { column = "data", path = "kid" }, references = "id", then = "delete" }]

[resources.note]
table = "note"
key = "id"
marker = { column = "deleted_at" }

[resources.own]
table = "own"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "t", kind = "http", url = "https://h.example/{id}" }]
"#;

/// What the planner knows of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statistics {
    Fresh,
    /// What autovacuum leaves behind of tables that it found empty.
    None,
}

async fn fill(f: &Fixture, statistics: Statistics) {
    // Without autovacuum: the planner is to know nothing, or all.
    for table in ["parent", "kid", "own", "note", "sexton_deletion", "sexton_child", "sexton_wait"] {
        f.execute(&format!("alter table {table} set (autovacuum_enabled = false)")).await;
        if statistics == Statistics::None {
            f.execute(&format!("vacuum analyze {table}")).await;
        }
    }
    f.execute(&format!(
        "insert into parent (id) select n from generate_series(1, {ROWS}) n;
         insert into kid (id, parent_id) select n, n from generate_series(1, {ROWS}) n;
         insert into own (id, parent_id) select n, n from generate_series(1, {ROWS}) n;
         insert into note (id, data) select n, jsonb_build_object('kid', n) from generate_series(1, {ROWS}) n;
         insert into sexton_deletion (id, resource, key, lane, state, run_at, batch_id, requested_by, payload, marker_rule)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'own', (n + 1000000)::text, 'own.t',
            case when n % 2 = 0 then 'waiting' else 'pending' end, now() + interval '1 hour',
            '00000000-0000-7000-8000-000000000000', 'x', '{{}}', 0 from generate_series(1, {ROWS}) n;
         insert into sexton_child (deletion_id, resource, key)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'kid', (n + 1000000)::text
            from generate_series(1, {ROWS}) n;
         insert into sexton_wait (deletion_id, child_id)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
            ('00000000-0000-7000-8000-' || lpad(to_hex(n - 1), 12, '0'))::uuid from generate_series(2, {ROWS}, 2) n"
    ))
    .await;
    if statistics == Statistics::Fresh {
        f.execute("analyze").await;
    }
}

/// Tables that were read from one end to the other by this session's statements so far.
async fn scans(f: &Fixture, db: &sexton_core::db::Db) -> Vec<String> {
    db.conn.execute_unprepared("select pg_stat_force_next_flush()").await.unwrap();
    f.rows(
        "select relname, seq_scan from pg_stat_user_tables where relname in
            ('parent', 'kid', 'own', 'note', 'sexton_deletion', 'sexton_child', 'sexton_wait') order by relname",
    )
    .await
}

async fn families_are_found_by_index(statistics: Statistics) {
    let f = Fixture::with(Server::postgres().await, TABLES, RESOURCES).await;
    fill(&f, statistics).await;
    let db = store::connect(f.server.url(), 1).await;
    let store = Store { db: db.clone(), ..f.store.clone() };
    let ledger = &store.ledger;
    let table = f.table("parent");
    let request = DeletionRequest::by("x");
    let mut before = scans(&f, &db).await;
    let mut said = Vec::new();
    let mut check = |what: &str, now: Vec<String>| {
        if now != before {
            let read: Vec<_> = now.iter().filter(|row| !before.contains(row)).cloned().collect();
            said.push(format!("{what} reads {read:?}"));
        }
        before = now;
    };
    for round in 1..=ROUNDS {
        let key = table.parse_key(&round.to_string()).unwrap();
        let transaction = db.begin().await.unwrap();
        let requested =
            soft_remove(&transaction, &store, &table, std::slice::from_ref(&key), &request).await.unwrap().remove(0);
        transaction.commit().await.unwrap();
        check("a request", scans(&f, &db).await);
        // Again: the pairs are known.
        let transaction = db.begin().await.unwrap();
        soft_remove(&transaction, &store, &table, std::slice::from_ref(&key), &request).await.unwrap();
        transaction.commit().await.unwrap();
        check("another request", scans(&f, &db).await);
        let claim = |id| {
            let (db, catalog) = (&db, &f.store.catalog);
            async move {
                let ready = "update public.sexton_deletion set state = 'pending' where id =";
                db.conn.execute_unprepared(&format!("{ready} '{id}'")).await.unwrap();
                let pick = sexton_core::ledger::Candidates::Hinted(std::slice::from_ref(&id));
                let lanes = catalog.lanes();
                ledger.claim(db, claim_by_me(pick, &lanes)).await.unwrap().remove(0)
            }
        };
        if round % 2 == 0 {
            let transaction = db.begin().await.unwrap();
            let restored = restore(&transaction, &store, requested.id, MarkedRows::Refuse).await.unwrap();
            assert_eq!((restored.row_restored, restored.children.len()), (true, 1));
            transaction.commit().await.unwrap();
            check("a restore", scans(&f, &db).await);
            continue;
        }
        let claim = claim(requested.id).await;
        check("a claim", scans(&f, &db).await);
        let row = RowToDelete { resource: table.name.clone(), key: key.to_string(), values: claim.payload.clone() };
        let descendants =
            Descendants::find(&db.conn, &store, std::slice::from_ref(&row), 1000, RowLocks::None).await.unwrap();
        assert!(descendants.has_unfinished(&db.conn, ledger, 0, claim.id).await.unwrap());
        assert_eq!(descendants.count(0), 2);
        check("looking for children", scans(&f, &db).await);
        assert!(request_children(&store, &table, claim.lease(), &key, &claim.payload).await.unwrap());
        check("asking for children", scans(&f, &db).await);
        let transaction = db.begin().await.unwrap();
        let descendants = Descendants::find(&transaction, &store, &[row], 1000, RowLocks::SkipLocked).await.unwrap();
        delete(&transaction, &descendants, &[true]).await.unwrap();
        ledger.forget_children(&transaction, &[claim.id]).await.unwrap();
        transaction.commit().await.unwrap();
        check("deleting children", scans(&f, &db).await);
    }
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(f.one("select count(*) from note").await, (ROWS - ROUNDS.div_ceil(2)).to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn families_in_tables_that_the_planner_knows_are_found_by_index() {
    families_are_found_by_index(Statistics::Fresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn families_in_tables_that_the_planner_takes_for_empty_are_found_by_index() {
    families_are_found_by_index(Statistics::None).await;
}

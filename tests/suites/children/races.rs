//! Requests, restores and claims of parents and children at once, in the orders that a lock can force (PostgreSQL).

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sexton_core::{
    restore::{MarkedRows, restore},
    soft_remove::{DeletionRequest, request_children, soft_remove},
    state::{Event, State},
};

use crate::{
    ledger::finish::try_restore,
    rig::{
        Server,
        ledger::{Fixture, settlement},
    },
};

const TABLES: &str = "
create table parent (id bigint primary key, deleted_at timestamptz);
create table kid (id bigint primary key, mother bigint, father bigint, deleted_at timestamptz);
create index on kid (mother); create index on kid (father);
create table own (id bigint primary key, parent_id bigint, deleted_at timestamptz);
create index on own (parent_id);
create table box (id bigint primary key, inside bigint references box (id), deleted_at timestamptz);
create index on box (inside);
insert into parent (id) values (1), (2);
insert into kid (id, mother, father) values (1, 1, 2);";

const RESOURCES: &str = r#"
[resources.parent]
table = "parent"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "t", kind = "http", url = "https://h.example/{id}" }]
children = [
    { table = "kid", column = "mother", references = "id", then = "delete" },
    { table = "kid", column = "father", references = "id", then = "delete" },
    { table = "own", column = "parent_id", references = "id", then = "request" },
]

[resources.kid]
table = "kid"
key = "id"
marker = { column = "deleted_at" }

[resources.own]
table = "own"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "t", kind = "http", url = "https://h.example/{id}" }]

[resources.box]
table = "box"
key = "id"
marker = { column = "deleted_at" }
children = [{ table = "box", column = "inside", references = "id", then = "delete" }]
"#;

const LIVE_KIDS: &str = "select count(*) from kid where deleted_at is null";

pub(super) async fn family() -> Fixture {
    Fixture::with(Server::postgres().await, TABLES, RESOURCES).await
}

#[tokio::test]
async fn child_of_two_parents_stays_removed_when_one_is_requested_while_the_other_is_restored() {
    let f = family().await;
    let first = f.request_one("parent", "1").await.id;
    let requesting = f.begin().await;
    let table = f.table("parent");
    let keys = [table.parse_key("2").unwrap()];
    soft_remove(&requesting, &f.store, &table, &keys, &DeletionRequest::by("test")).await.unwrap();
    let (restored, ()) = tokio::join!(try_restore(&f, first), async {
        f.waiting_for_locks(1).await;
        requesting.commit().await.unwrap();
    });
    assert!(restored.unwrap().row_restored);
    assert_eq!(f.one(LIVE_KIDS).await, "0", "the other parent's deletion wants it gone");
}

#[tokio::test]
async fn child_of_two_parents_is_live_when_both_are_restored_at_once() {
    let f = family().await;
    let (first, second) = (f.request_one("parent", "1").await.id, f.request_one("parent", "2").await.id);
    let restoring = f.begin().await;
    restore(&restoring, &f.store, first, MarkedRows::Refuse).await.unwrap();
    let (restored, ()) = tokio::join!(try_restore(&f, second), async {
        f.waiting_for_locks(1).await;
        restoring.commit().await.unwrap();
    });
    assert!(restored.unwrap().row_restored);
    assert_eq!(f.one(LIVE_KIDS).await, "1", "no deletion wants it gone any more");
    assert_eq!(f.one("select count(*) from sexton_child").await, "0");
}

#[tokio::test]
async fn request_of_a_parent_does_not_block_the_worker_of_its_running_child() {
    let f = family().await;
    f.execute("insert into own (id, parent_id) values (1, 1)").await;
    let child = f.request_one("own", "1").await.id;
    let claim = f.claim_one(child).await;
    let table = f.table("parent");
    let keys = [table.parse_key("1").unwrap()];
    let long = f.begin().await;
    let requested = soft_remove(&long, &f.store, &table, &keys, &DeletionRequest::by("test")).await.unwrap();
    assert_eq!(requested[0].state, State::Waiting);
    let settled = tokio::time::timeout(Duration::from_secs(3), f.settle(settlement(&claim, Event::Failed))).await;
    assert_eq!(settled, Ok(true));
    long.commit().await.unwrap();
}

#[tokio::test]
async fn worker_that_asks_for_children_gives_way_to_an_application_that_holds_one() {
    let f = family().await;
    let id = f.request_one("parent", "2").await.id;
    let claim = f.claim_one(id).await;
    f.execute("insert into own (id, parent_id) values (1, 2)").await;
    let application = f.begin().await;
    application.execute_unprepared("select 1 from public.own where id = 1 for update").await.unwrap();
    let (table, since) = (f.table("parent"), Instant::now());
    let key = table.parse_key("2").unwrap();
    let error = request_children(&f.store, &table, claim.lease(), &key, &claim.payload).await.unwrap_err();
    // It holds the deletion meanwhile, which its own process renews the lease of.
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    assert!(error.refusal().unwrap().is_contention(), "{error}");
    application.rollback().await.unwrap();
    assert!(request_children(&f.store, &table, claim.lease(), &key, &claim.payload).await.unwrap());
}

#[tokio::test]
async fn dead_deletion_that_is_done_at_once_when_it_is_requested_anew_leaves_no_marks() {
    let f = family().await;
    f.execute("insert into box (id, inside) values (1, null), (2, 1)").await;
    let application = f.begin().await;
    application.execute_unprepared("select 1 from public.box where id = 2 for no key update").await.unwrap();
    let (requested, ()) = tokio::join!(f.request_one("box", "1"), async {
        // Marking the child waits.
        f.waiting_for_locks(1).await;
        application.commit().await.unwrap();
    });
    assert_eq!((requested.state, f.one("select count(*) from sexton_child").await.as_str()), (State::Pending, "1"));
    let claim = f.claim_one(requested.id).await;
    f.kill(&claim, Default::default()).await;
    assert_eq!(f.request_one("box", "1").await.state, State::Completed);
    assert_eq!(f.one("select count(*) from box").await, "0");
    assert_eq!(f.one("select count(*) from sexton_child").await, "0");
}

#[tokio::test]
async fn row_whose_child_in_the_same_request_has_to_wait_waits_as_well() {
    let f = family().await;
    f.execute("insert into box (id, inside) values (1, null), (2, 1), (3, 2)").await;
    let application = f.begin().await;
    application.execute_unprepared("select 1 from public.box where id = 3 for no key update").await.unwrap();
    let (requested, ()) = tokio::join!(f.try_request("box", &["1", "2"]), async {
        f.waiting_for_locks(1).await;
        application.commit().await.unwrap();
    });
    let states: Vec<_> = requested.unwrap().iter().map(|one| one.state).collect();
    assert_eq!(states, [State::Pending, State::Pending], "the child of the second is locked, and it names the first");
    assert_eq!(f.one("select count(*) from box").await, "3");
}

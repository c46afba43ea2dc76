//! The ledger's own tables: up, down, and the partitions of finished deletions.

use sexton_core::ledger::{Ledger, OpenError};
use sexton_migrations::{Migrator, MigratorTrait};

use crate::rig::{ledger::Fixture, on_both};

on_both!(migrations_go_down_and_up_again, partitions_are_nothing_to_worry_about);

async fn migrations_go_down_and_up_again(f: Fixture) {
    let application = f.application().await;
    Migrator::down(&application, None).await.unwrap();
    let left = if f.is_postgres() {
        "select relname from pg_class where relname like 'sexton%' and relkind in ('r', 'p') and relname <> 'sexton_migration'"
    } else {
        "select name from sqlite_schema where name like 'sexton%' and type = 'table' and name <> 'sexton_migration'"
    };
    assert_eq!(f.rows(left).await, [""; 0]);
    let error = Ledger::open(&f.store.db).await.unwrap_err();
    assert!(matches!(&error, OpenError::NotMigrated { .. }) && error.to_string().contains("sexton migrate"), "{error}");
    Migrator::up(&application, None).await.unwrap();
    Migrator::up(&application, None).await.unwrap();
    Ledger::open(&f.store.db).await.unwrap();
    f.claimed_block().await;
}

async fn partitions_are_nothing_to_worry_about(f: Fixture) {
    let create = || f.store.ledger.create_partitions(&f.store.db);
    let (one, two, three) = tokio::join!(create(), create(), create());
    assert!(one.is_ok() && two.is_ok() && three.is_ok(), "{one:?} {two:?} {three:?}");
    create().await.unwrap();
}

const CANCEL: &str = "insert into sexton_deletion_done (id, resource, key, state, cancelled_by, fence, attempts, rescues,
    batch_id, targets, confirmations, requested_at, requested_by, finished_at)
    select gen_random_uuid(), 'block', '1', 'cancelled', 'discarded', 0, 0, 0, gen_random_uuid(), '[]', '{}', now(), 'x',";

#[tokio::test]
async fn finished_deletions_are_in_the_partition_of_their_month() {
    let f = Fixture::postgres().await;
    // Finished before there was a partition, one of them at the very beginning of the month.
    f.execute(&format!("{CANCEL} now()")).await;
    f.execute(&format!("{CANCEL} date_trunc('month', now() at time zone 'utc') at time zone 'utc'")).await;
    f.execute(&format!("{CANCEL} '2000-01-01'")).await;
    f.store.ledger.create_partitions(&f.store.db).await.unwrap();
    f.execute(&format!("{CANCEL} now()")).await;
    f.execute(&format!("{CANCEL} now() + interval '1 month'")).await;
    let month = "to_char(finished_at at time zone 'utc', 'YYYYMM')";
    let places = f
        .rows(&format!(
            "select case tableoid::regclass::text when 'sexton_deletion_done_' || {month} then 'own' else 'default' end, count(*)
             from sexton_deletion_done group by 1 order by 1"
        ))
        .await;
    assert_eq!(places, ["default|1", "own|4"]);
    let partitions = "select count(*) from pg_inherits where inhparent = 'sexton_deletion_done'::regclass";
    assert_eq!(f.one(partitions).await, "5");
    let indexes = "select count(*) from pg_index where indrelid = 'sexton_deletion_done_default'::regclass";
    let of_month = format!(
        "select count(*) from pg_index where indrelid = ('sexton_deletion_done_' || {})::regclass",
        month.replace("finished_at", "now()")
    );
    assert_eq!(f.one(indexes).await, f.one(&of_month).await);
}

//! `psql`, and Python's ordinary driver, each in transactions of its own.

use std::path::Path;

use serde_json::{Value, json};
use sexton_tests::clients;

use super::setup::rig;

const OPEN: &str = "select resource, key, state from sexton_deletion order by 1, 2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_removes_and_restores_in_its_own_transactions() {
    let rig = rig().await;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/sql_functions/application.py");
    let output = clients::python(&program, &[rig.server.url()]).await.expect_code(0);
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    let refused: Vec<_> = said["refused"].as_array().unwrap().iter().map(|one| one[0].as_str().unwrap()).collect();
    assert_eq!(refused, ["SX001", "SX004", "SX001"], "{said}");
    assert_eq!(said["refused"][0][1], "block has no row with the key '99'");
    let restored: Vec<_> = ["1", "3"].map(|key| json!(["album", key, true])).into();
    assert_eq!(said["restored"].as_array().unwrap()[..2], restored, "{said}");
    assert_eq!(said["restored"].as_array().unwrap().len(), 6, "with the photos and the print");
    assert_eq!(rig.rows(OPEN).await, ["block|7|pending", "pair|[\"1\",\"other\"]|pending"]);
    assert_eq!(rig.rows("select count(*) from album where deleted_at is null").await, ["3"], "what was rolled back");
    let record = rig.show(said["removed"].as_str().unwrap()).await;
    assert_eq!((record["requested_by"].as_str(), record["reason"].as_str()), (Some("python"), Some("it's over")));
    rig.work().await;
    assert!(rig.calls().contains(&"DELETE /pair/last".to_owned()), "{:?}", rig.calls());
    assert_eq!(rig.rows("select name from pair").await, ["it's \"two\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_commits_or_rolls_back_with_everything_else() {
    let rig = rig().await;
    let script = "begin; select sexton_soft_remove('album', '2'); insert into album values (9); rollback;";
    drop(rig.psql(script).await.expect_code(0));
    assert_eq!(rig.rows(OPEN).await, [""; 0]);
    let script = script.replace("rollback", "commit");
    let output = rig.psql(&script).await.expect_code(0);
    assert_eq!(rig.state(output.stdout.trim()).await, "waiting");
    assert_eq!(rig.rows(OPEN).await, ["album|2|waiting", "photo|21|pending"]);
    assert_eq!(rig.rows("select count(*) from album where id = 9").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_query_are_one_request() {
    let rig = rig().await;
    let script = "select count(sexton_soft_remove('block', id, batch => '01939d1c-0000-7000-8000-000000000000'))
        from block where id > 5;
        select id || ' ' || row_restored from sexton_restore_batch('01939d1c-0000-7000-8000-000000000000', 'a mistake', 'ann');
        select who, action, reason, count(*) from sexton_action group by 1, 2, 3;
        select count(*) from block where deleted_at is not null or item_status <> 'Active'";
    let output = rig.psql(script).await.expect_code(0).stdout;
    let lines: Vec<_> = output.lines().collect();
    assert_eq!((lines[0], &lines[3..]), ("2", &["ann|restore|a mistake|2", "0"][..]), "{output}");
    assert!(lines[1].ends_with(" true") && lines[2].ends_with(" true"), "{output}");
}

/// Integers and UUIDs as they are, a literal and an untyped parameter as text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_have_the_types_that_applications_give_them() {
    let rig = rig().await;
    let thing = "01939d1c-aaaa-7000-8000-000000000000";
    for key in ["5::smallint", "6", "7::bigint", "'2'", "'3'::text", "'4'::varchar"] {
        drop(rig.psql(&format!("select sexton_soft_remove('block', {key}, reason => 'x')")).await.expect_code(0));
    }
    drop(rig.psql(&format!("select sexton_soft_remove('thing', '{thing}'::uuid, 'x', 'ann')")).await.expect_code(0));
    drop(
        rig.psql("prepare remove as select sexton_soft_remove('block', $1); execute remove('1')").await.expect_code(0),
    );
    assert_eq!(rig.rows("select count(*), count(distinct key) from sexton_deletion").await, ["8|8"]);
    let restored = |key: &str| format!("select row_restored from sexton_restore_row('block', {key}, by => 'ann')");
    for key in ["5::smallint", "6", "7::bigint"] {
        assert_eq!(rig.psql(&restored(key)).await.expect_code(0).stdout, "t\n", "{key}");
    }
    let restore = format!("select count(*) from sexton_restore_row('thing', '{thing}'::uuid)");
    assert_eq!(rig.psql(&restore).await.expect_code(0).stdout, "1\n");
    // Another type is the caller's to convert, and said so.
    let refused = rig.refused("select sexton_soft_remove('block', 5.0)").await;
    assert!(refused.contains("sexton_soft_remove(unknown, numeric) does not exist"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_of_version_7_and_sort_by_time() {
    let rig = rig().await;
    let output = rig.psql("select sexton_uuidv7() from generate_series(1, 1000)").await.expect_code(0).stdout;
    let ids: Vec<uuid::Uuid> = output.lines().map(|line| line.parse().unwrap()).collect();
    assert!(ids.iter().all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122));
    let age = |id: &uuid::Uuid| {
        let (seconds, _) = id.get_timestamp().unwrap().to_unix();
        std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() - seconds
    };
    assert!(ids.iter().all(|id| age(id) < 60));
    // Those of one microsecond are in any order.
    let time = |id: &uuid::Uuid| id.as_u128() >> 64;
    assert!(ids.windows(2).all(|pair| time(&pair[0]) <= time(&pair[1])));
}

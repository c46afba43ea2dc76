//! Settings that would lose references, and the rows that are not swept because of them.

use super::toys::{TOY, ids, toys};
use crate::rig::{Server, on_both};

on_both!(
    check_refuses_what_would_lose_references,
    settings_that_cannot_work_are_refused,
    deletion_of_a_row_without_a_marker_cannot_be_requested,
    worker_starts_although_rows_are_not_swept,
);

async fn check_refuses_what_would_lose_references(server: Server) {
    let rig = toys(server, 1, &[], TOY).await;
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute(
        "create table shelf (id bigint primary key, toy_id bigint references toy (id) on delete cascade, loose bigint,
            other bigint references toy (id) on delete set null);
         create index on_shelf on shelf (toy_id)",
    )
    .await;
    let by = |entries: &str| {
        TOY.replace("column = \"favorite_toy_id\" }", &format!("column = \"favorite_toy_id\" }}, {entries}"))
    };
    let refused = async |resources: &str, wanted: &[&str]| {
        rig.reconfigure(resources);
        let check = rig.run(&["check"]).await.expect_code(2).stderr;
        for wanted in wanted {
            assert!(check.contains(wanted), "{wanted}\n{check}");
        }
    };
    refused(TOY, &["resources.toy.unreferenced.by: `shelf` references `toy` by (toy_id), which is not named here"])
        .await;
    let all = by("{ table = \"shelf\", column = \"toy_id\" }, { table = \"shelf\", column = \"other\" }");
    refused(
        &all,
        &[
            "by[1]: the foreign key of `shelf` (toy_id) is ON DELETE CASCADE",
            "by[2]: the foreign key of `shelf` (other) is ON DELETE SET NULL",
            "by[2]: `shelf` (other) has no index",
            "(\"other\")`",
        ],
    )
    .await;
    refused(
        &by("{ table = \"shelf\", column = \"loose\" }, { table = \"shelves\", column = \"toy_id\" }"),
        &["by[1]: there is no foreign key from `shelf` (loose) to `toy`", "by[2].table: there is no table `shelves`"],
    )
    .await;
    // An index that begins with another column would be read as a whole.
    rig.execute("create table tag_toy (tag bigint, toy_id bigint references toy (id), primary key (tag, toy_id))")
        .await;
    let entry = "{ table = \"shelf\", column = \"toy_id\" }";
    let joined = all.replace(entry, &format!("{entry}, {{ table = \"tag_toy\", column = \"toy_id\" }}"));
    refused(&joined, &["`tag_toy` (toy_id) has no index"]).await;
    rig.execute("create index on_tag_toy on tag_toy (toy_id, tag)").await;
    rig.execute("drop table shelf").await;
    rig.reconfigure(&by("{ table = \"tag_toy\", column = \"toy_id\" }"));
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute("drop table tag_toy").await;
    let since = |column: &str| TOY.replace("since = \"deprecated_at\"", &format!("since = \"{column}\""));
    refused(&since("nothing"), &["resources.toy.unreferenced.since: `toy` has no column `nothing`"]).await;
    refused(&since("id"), &["since: `id` is bigint and cannot hold a time"]).await;
}

async fn settings_that_cannot_work_are_refused(server: Server) {
    let rig = toys(server, 1, &[], TOY).await;
    for (from, to, wanted) in [
        ("delete_after = \"14d\"", "delete_after = \"6d\"", "unreferenced.hide_after: it is longer than delete_after"),
        (
            "hide_after = \"7d\", delete_after = \"14d\"",
            "hide_after = \"1s\", delete_after = \"3m\"",
            "unreferenced.delete_after: it must be at least 4m",
        ),
        ("mode = \"on\"", "mode = \"delete\"", "unreferenced.mode"),
        ("since = \"deprecated_at\", ", "", "missing field `since`"),
        ("[{ table = \"person\", column = \"favorite_toy_id\" }]", "[]", "unreferenced.by: expected the foreign keys"),
        ("key = \"id\"", "key = \"id\"\ngrace = \"1h\"", "resources.toy.marker: it is missing"),
        ("unreferenced =", "# unreferenced =", "resources.toy.marker: it is missing: say how a removed row is marked"),
        (
            "key = \"id\"",
            "key = \"id\"\nmarker = { column = \"deprecated_at\" }",
            "unreferenced.since: `deprecated_at` marks removed rows",
        ),
    ] {
        rig.reconfigure(&TOY.replace(from, to));
        let check = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(check.contains(wanted), "{to}: {check}");
    }
}

async fn deletion_of_a_row_without_a_marker_cannot_be_requested(server: Server) {
    let rig = toys(server, 1, &[], TOY).await;
    let refused = rig.run(&["request", "toy", "1"]).await.expect_code(2).stderr;
    assert!(refused.contains("resource `toy` has no marker"), "{refused}");
    assert_eq!(ids(&rig, "true").await, "1");
}

/// A worker that starts has more to do than to sweep.
async fn worker_starts_although_rows_are_not_swept(server: Server) {
    let rig = toys(server, 2, &[], &TOY.replace("favorite_toy_id", "id")).await;
    let started = rig.run(&["run", "--until-idle"]).await.expect_code(0);
    assert!(started.stderr.contains("not looked at: resources.toy.unreferenced.by"), "{}", started.stderr);
    drop(rig.run(&["sweep", "unreferenced"]).await.expect_code(0));
    assert_eq!(ids(&rig, "deprecated_at is null").await, "1 2");
}

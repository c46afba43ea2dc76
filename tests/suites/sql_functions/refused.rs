//! What is refused says why, has an SQLSTATE of our own, and changes nothing.

use super::setup::rig;

const NOBODY: &str = "01939d1c-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_that_is_refused_says_why_and_changes_nothing() {
    let rig = rig().await;
    let before = rig.written().await;
    for (arguments, wanted) in [
        ("'nothing', '1'", ["SX001: there is no resource \"nothing\"", "sexton migrate"]),
        ("null, '1'", ["SX001: there is no resource", "sexton.toml"]),
        ("'block', '99'", ["SX001: block has no row with the key '99'", "Nothing was removed"]),
        ("'block', 'it''s'", ["SX004: 'it''s' is not a key of the resource \"block\"", "bigint"]),
        ("'block', '99999999999999999999'", ["SX004: ", "out of range"]),
        ("'pair', '[40000, \"other\"]'", ["SX004: ", "out of range"]),
        ("'block', null", ["SX004: null is not a key", "bigint"]),
        ("'block', ''", ["SX004: '' is not a key", "bigint"]),
        ("'pair', '[1]'", ["SX004: '[1]' is not a key", "[\"tenant\", \"name\"]"]),
        ("'pair', '[1, \"other\", null]'", ["SX004: ", "a JSON array"]),
        ("'pair', '{\"tenant\": 1}'", ["SX004: ", "a JSON array"]),
        ("'pair', '[1, '", ["SX004: '[1, ' is not a key", "a JSON array"]),
        ("'thing', '01939d1c'", ["SX004: ", "uuid"]),
        ("'note', '''; drop table note; --'", ["SX001: note has no row with the key '''; drop table note; --'", ""]),
        ("'x''; drop table note; --', '1'", ["SX001: there is no resource \"x'; drop table note; --\"", ""]),
    ] {
        let error = rig.refused(&format!("select sexton_soft_remove({arguments})")).await;
        assert!(error.starts_with(wanted[0]) && error.contains(wanted[1]), "{arguments}: {error}");
    }
    assert_eq!(rig.written().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_that_is_refused_says_why_and_changes_nothing() {
    let rig = rig().await;
    let album = rig.soft_remove("album", "2").await;
    let pair = rig.soft_remove("pair", "[1, \"other\"]").await;
    let restored = rig.soft_remove("block", "7").await;
    drop(rig.psql(&format!("select sexton_restore('{restored}')")).await.expect_code(0));
    rig.execute("update sexton_deletion set called_at = now() where resource = 'pair'").await;
    let photo = rig.one("select id from sexton_deletion where resource = 'photo'").await;
    let before = rig.written().await;
    for (call, wanted) in [
        (format!("sexton_restore('{NOBODY}')"), format!("SX001: there is no deletion {NOBODY}")),
        ("sexton_restore(null)".to_owned(), "SX001: there is no deletion".to_owned()),
        (format!("sexton_restore_batch('{NOBODY}')"), format!("SX001: the request {NOBODY} has no deletion")),
        ("sexton_restore_row('pair', '[1, \"x\"]')".to_owned(), "SX001: pair has no deletion of the row".to_owned()),
        ("sexton_restore_row('pair', 'x')".to_owned(), "SX004: 'x' is not a key".to_owned()),
        (
            format!("sexton_restore('{restored}')"),
            format!("SX002: deletion {restored} of block 7| cannot be restored: it was restored already"),
        ),
        (
            format!("sexton_restore('{pair}')"),
            format!(
                "SX002: deletion {pair} of pair [| cannot be restored: it is pending, and the first external call was made at 2"
            ),
        ),
        (
            format!("sexton_restore('{photo}')"),
            format!("SX002: deletion {photo} of photo | cannot be restored: deletion {album} waits for it"),
        ),
    ] {
        let error = rig.refused(&format!("select * from {call}")).await;
        let parts: Vec<&str> = wanted.split('|').collect();
        assert!(error.starts_with(parts[0]) && parts.iter().all(|part| error.contains(part)), "{call}: {error}");
    }
    // All or nothing: a child's deletion is past restoring, and its parent was restored before it.
    rig.execute("update sexton_deletion set called_at = now() where resource = 'photo'").await;
    let error = rig.refused(&format!("select * from sexton_restore('{album}')")).await;
    assert!(
        error.starts_with(&format!("SX002: deletion {photo}")) && error.contains("Nothing was restored"),
        "{error}"
    );
    rig.execute("update sexton_deletion set called_at = null where resource = 'photo'").await;
    assert_eq!(rig.written().await, before);
    rig.execute("update sexton_deletion set called_at = null").await;
    rig.work().await;
    let error = rig.refused(&format!("select * from sexton_restore('{album}')")).await;
    assert!(
        error.starts_with(&format!("SX002: deletion {album} of album 2 cannot be restored: it is completed")),
        "{error}"
    );
}

//! An application's role needs what docs/sql.md grants it, and nothing less would do.

use sexton_tests::clients::psql;

use super::setup::rig;
use crate::rig::Server;

const GUIDE: &str = include_str!("../../../docs/sql.md");

/// Everything that the functions do, rolled back.
const ALL: &str = "begin;
    select sexton_soft_remove('block', '1');
    select sexton_soft_remove('album', '1');
    select * from sexton_restore_row('album', '1');
    select sexton_soft_remove('note', 'plain');
    rollback;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_with_the_documented_grants_may_call_the_functions_and_none_is_too_much() {
    let rig = rig().await;
    let Server::Postgres(db) = &rig.server else { panic!("PostgreSQL only") };
    let role = db.create_role("app", "").await;
    let denied = psql(&role.url, ALL).await.expect_code(3);
    assert!(denied.stderr.contains("42501"), "{}", denied.stderr);
    let grants: Vec<_> = GUIDE.lines().filter_map(|line| line.strip_prefix("grant ")?.split_once(';')).collect();
    let mut single = Vec::new();
    for (grant, _) in &grants {
        let grant = grant.replace("to app", &format!("to {}", role.name));
        // The tables of the guide's example are this test's.
        let grant = grant.replace("on booking ", "on block, album, photo, print, note ");
        db.execute(&format!("grant {grant}")).await;
        let (privileges, rest) = grant.split_once(" on ").unwrap();
        let (tables, _) = rest.split_once(" to ").unwrap();
        let pairs =
            privileges.split(", ").flat_map(|privilege| tables.split(", ").map(move |table| (privilege, table)));
        single.extend(pairs.filter(|(_, table)| table.starts_with("sexton")).map(|(p, t)| format!("{p} on {t}")));
    }
    db.execute(&format!("grant delete on note to {}", role.name)).await;
    drop(psql(&role.url, ALL).await.expect_code(0));
    assert!(single.len() > 10, "{single:?}");
    for privilege in single {
        db.execute(&format!("revoke {privilege} from {}", role.name)).await;
        let output = psql(&role.url, ALL).await;
        assert!(output.code == 3 && output.stderr.contains("42501"), "{privilege} is not needed: {output:?}");
        db.execute(&format!("grant {privilege} to {}", role.name)).await;
    }
}

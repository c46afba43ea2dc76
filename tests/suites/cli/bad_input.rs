//! Configurations that do not fit: a message with file, key path and what is accepted, exit code 2, nothing changed.

use crate::rig::{BLOCK, EmptyServer, RESOURCE, Rig, Server, config, on_both};

on_both!(
    wrong_configuration_is_refused_by_every_command_and_changes_nothing,
    database_without_migrations_is_named_with_the_remedy,
    ledger_of_an_earlier_release_is_named_with_the_remedy,
    drift_is_refused_unless_it_is_allowed,
);

/// What is replaced by what in the configuration, and what the message must say.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("timeout =", "time_out =", &["resources.block.targets", "time_out", "timeout"]),
    ("key = \"id\"", "key = \"id\"\ncolour = 1", &["resources.block", "colour", "expected", "marker"]),
    ("[resources.block]", "[worker]\nconcurency = 1\n[resources.block]", &["worker", "concurency", "concurrency"]),
    ("[resources.block]", "[wroker]\n[resources.block]", &["wroker", "worker"]),
    ("table = \"block\"", "table = \"nope\"", &["resources.block.table", "there is no table `nope`"]),
    ("table = \"block\"", "table = \"block_view\"", &["resources.block.table", "view", "table"]),
    ("key = \"id\"", "key = \"nope\"", &["resources.block.key", "no column `nope`", "gcal_id"]),
    ("key = \"id\"", "key = \"calendar_id\"", &["resources.block.key", "(calendar_id) is not unique", "unique index"]),
    ("key = \"id\"", "key = []", &["resources.block.key", "at least one column"]),
    ("key = \"id\"", "key = 7", &["resources.block.key", "a column name or an array"]),
    ("column = \"deleted_at\"", "column = \"gone_at\"", &["resources.block.marker.column", "no column `gone_at`"]),
    ("column = \"deleted_at\"", "column = \"size\"", &["resources.block.marker", "`size`", "current time", "value"]),
    ("{gcal_id}", "{gcalid}", &["resources.block.targets[0].url", "no column `gcalid`", "gcal_id"]),
    ("timeout =", "skip_when_null = [\"x\"]\ntimeout =", &["resources.block.targets[0].skip_when_null", "`x`"]),
    ("{gcal_id}", "{gcal_id", &["resources.block.targets", "url", "enclose a column name"]),
    ("url = \"", "url = \"{kind}.", &["resources.block.targets", "url"]),
    ("@API@", "ftp://example.org", &["resources.block.targets", "url", "http or https"]),
    ("@API@", "https://${HOST_OF_NOBODY}", &["resources.block.targets[0].url", "HOST_OF_NOBODY is not set"]),
    ("\"2s\"", "\"2 parsecs\"", &["resources.block.targets", "timeout", "parsecs"]),
    ("\"2s\"", "2", &["resources.block.targets", "timeout", "30s"]),
    ("\"2s\"", "\"50s\"", &["resources.block.targets[0].timeout", "worker.lease"]),
    ("kind = \"http\"", "kind = \"gopher\"", &["resources.block.targets", "kind", "gopher", "http"]),
    ("timeout =", "method = \"delete\"\ntimeout =", &["resources.block.targets", "method", "DELETE"]),
    ("timeout =", "gone = [500]\ntimeout =", &["resources.block.targets[0].gone", "400 to 499"]),
    ("key = \"id\"", "then = \"drop\"\nkey = \"id\"", &["resources.block.then", "delete_after"]),
    ("[resources.block]", "[retry]\nmultiplier = 0.5\n[resources.block]", &["retry.multiplier", "between 1 and 100"]),
    ("[resources.block]", "[worker]\nlease = \"1s\"\n[resources.block]", &["worker.lease", "at least 2s"]),
    ("[resources.block]", "[worker]\nlease = \"0s\"\n[resources.block]", &["worker.lease", "at least 2s"]),
    ("[resources.block]", "[queue]\nwindow = 9000\n[resources.block]", &["queue.window", "7000"]),
    ("[resources.block]", "[queue]\nurl = \"amqp://h\"\n[resources.block]", &["queue.url", "redis://"]),
    ("[resources.block]", "[resources.block", &["sexton.toml", "TOML"]),
    ("[resources.block]", "[resources.\"a b\"]\n[resources.block]", &["resources", "a b"]),
];

async fn wrong_configuration_is_refused_by_every_command_and_changes_nothing(server: Server) {
    let sqlite = !server.is_postgres();
    let tables =
        format!("{BLOCK}; alter table block add column size integer; create view block_view as select * from block");
    let rig = Rig::with(server, &tables, RESOURCE).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    let before = rig.rows("select name, definition from sexton_resource").await;
    for (n, (good, bad, wanted)) in WRONG.iter().enumerate() {
        assert!(RESOURCE.contains(good), "{good}");
        rig.reconfigure(&RESOURCE.replacen(good, bad, 1));
        // Every command reads the configuration in the same way: `check` always, one of the others in turn.
        let other: &[&str] =
            if n % 2 == usize::from(sqlite) { &["run", "--until-idle"] } else { &["request", "block", "1"] };
        for command in [&["check"], other] {
            let output = rig.run(command).await;
            assert_eq!(output.code, 2, "{command:?} with {bad}: {output:?}");
            let clear = output.stderr.contains("sexton.toml") && wanted.iter().all(|part| output.stderr.contains(part));
            assert!(clear, "{command:?} with {bad} does not say {wanted:?}:\n{}", output.stderr);
        }
    }
    assert_eq!(rig.rows("select deleted_at from block").await, ["-"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
    assert_eq!(rig.rows("select name, definition from sexton_resource").await, before);
    assert_eq!(rig.calls(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marker_value_of_a_wrong_type_is_refused() {
    let tables = format!(
        "create type mood as enum ('ok', 'gone'); {BLOCK}; alter table block add column mood mood,
        add column size integer, add column code varchar(3), add column born timestamptz not null default now()"
    );
    let rig = Rig::with(Server::postgres().await, &tables, RESOURCE).await;
    for (marker, wanted) in [
        ("column = \"mood\", value = \"sad\"", "`sad` is not a value of `mood`"),
        ("column = \"size\", value = \"big\"", "`big` is not a value of `size`"),
        ("column = \"code\", value = \"gone\"", "`gone` is not a value of `code`"),
        ("column = \"born\"", "`born` is NOT NULL"),
        ("column = \"id\", value = 0", "`id` is a key column"),
        ("column = \"note\"", "`note` is text and cannot hold the current time"),
    ] {
        rig.reconfigure(&RESOURCE.replace("column = \"deleted_at\"", marker));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains("sexton.toml: resources.block.marker") && refused.contains(wanted), "{refused}");
    }
    rig.reconfigure(&RESOURCE.replace("column = \"deleted_at\"", "column = \"mood\", value = \"gone\""));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    drop(rig.run(&["check"]).await.expect_code(0));
}

async fn ledger_of_an_earlier_release_is_named_with_the_remedy(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    rig.execute("delete from sexton_migration where version = 'm0007_sweeps'").await;
    for command in [&["check"][..], &["run"], &["request", "block", "1"], &["status"]] {
        let refused = rig.run(command).await.expect_code(2).stderr;
        assert!(refused.contains("older than this program and lacks m0007_sweeps: run `sexton migrate`"), "{refused}");
    }
    // One of a later release is none of our business.
    rig.execute("insert into sexton_migration (version, applied_at) values ('m0007_sweeps', 0), ('m9999_later', 0)")
        .await;
    drop(rig.run(&["check"]).await.expect_code(0));
}

async fn database_without_migrations_is_named_with_the_remedy(EmptyServer(server): EmptyServer) {
    server.execute(BLOCK).await;
    let api = sexton_tests::api::Api::start().await;
    let sexton = sexton_tests::Sexton::new(&config(server.url(), &api, RESOURCE));
    let id = "01939d1c-0000-7000-8000-000000000000";
    let commands: [&[&str]; 7] = [
        &["check"],
        &["run"],
        &["request", "block", "1"],
        &["status"],
        &["show", id],
        &["dlq", "list"],
        &["restore", id],
    ];
    for command in commands {
        let refused = sexton.run(command).await.expect_code(2).stderr;
        assert!(refused.contains("sexton.toml: database.url") && refused.contains("sexton migrate"), "{refused}");
    }
    let created = "sexton_deletion";
    let sql = if server.is_postgres() {
        format!("select count(*) from pg_class where relname = '{created}'")
    } else {
        format!("select count(*) from sqlite_schema where name = '{created}'")
    };
    assert_eq!(server.rows(&sql).await, ["0"]);
}

async fn drift_is_refused_unless_it_is_allowed(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let other = RESOURCE.replace("{calendar_id}", "{kind}");
    rig.reconfigure(&format!(
        "{other}\n{}",
        RESOURCE.replace("block", "second").replace("table = \"second\"", "table = \"block\"")
    ));
    for command in [&["check"], &["run"]] {
        let refused = rig.run(command).await.expect_code(2).stderr;
        let said = ["sexton.toml: ", "block", "second", "sexton migrate"];
        assert!(said.iter().all(|part| refused.contains(part)), "{refused}");
    }
    drop(rig.run(&["run", "--until-idle", "--allow-drift"]).await.expect_code(0));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    drop(rig.run(&["run", "--until-idle"]).await.expect_code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_database_is_a_failure_without_the_password() {
    let server = Server::sqlite().await;
    let rig = Rig::blocks(server, 1).await;
    let file = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    for (url, command) in [
        ("postgres://ann:hunter2@127.0.0.1:1/app", "run"),
        ("postgresql://ann:hunter2@no-such-host.invalid/app", "check"),
        ("sqlite:///no/such/dir/x.db", "migrate"),
    ] {
        rig.sexton.write("sexton.toml", &file.replace(rig.server.url(), url));
        let failed = rig.run(&[command]).await.expect_code(1);
        assert!(failed.stderr.contains("cannot connect to the database"), "{}", failed.stderr);
        assert!(!format!("{failed:?}").contains("hunter2"), "{failed:?}");
    }
    for url in ["mysql://ann:hunter2@localhost/app", "hunter2", ""] {
        rig.sexton.write("sexton.toml", &file.replace(rig.server.url(), url));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains("sexton.toml: database.url") && refused.contains("postgres://"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    // A URL may have a credential filled in.
    for bad in ["ftp://example.org/hunter2", "{id}.example.org/hunter2", "https://example.org/hunter2/{", "hunter2"] {
        rig.reconfigure(&RESOURCE.replace("@API@", bad));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains("targets[0].url") && !refused.contains("hunter2"), "{refused}");
    }
    let missing = rig.run(&["--config", "nowhere.toml", "check"]).await.expect_code(2).stderr;
    assert!(missing.contains("nowhere.toml") && missing.contains("--config"), "{missing}");
}

//! `sexton.toml`: what is refused, with the key path and what is accepted; what is assumed; what overrides it.

use std::{process::Command, time::Duration};

use secrecy::ExposeSecret;
use sexton_core::{
    config::{self, AfterConfirmation, Config, GoneAnswer, TargetKind, target::http::Http},
    template::Values,
};

const URL: &str = "[database]\nurl = \"postgres://app@localhost/app\"\n";
const BLOCK: &str = "[resources.block]\ntable = \"block\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\n";
const TARGET: &str =
    "[[resources.block.targets]]\nname = \"calendar\"\nkind = \"http\"\nurl = \"https://h.example/{id}\"\n";

fn parse(text: &str) -> Result<Config, String> {
    let env = |name: &str| (name == "TOKEN").then(|| "s3cret\"".to_owned());
    config::parse("sexton.toml", text, env).map_err(|error| error.to_string())
}

/// The settings of the first target.
fn http(config: &Config) -> &Http {
    let TargetKind::Http(http) = &config.resources.values().next().unwrap().targets[0].kind else {
        panic!("kind = \"http\"")
    };
    http
}

fn refused(text: &str, parts: &[&str]) {
    let error = parse(text).unwrap_err();
    for part in parts.iter().chain(&["sexton.toml: "]) {
        assert!(error.contains(part), "`{part}` is not in: {error}\n{text}");
    }
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = parse(&format!("{URL}{BLOCK}{TARGET}")).unwrap();
    assert_eq!((config.database.max_connections, config.queue.window, config.worker.concurrency), (8, 2000, 64));
    assert_eq!((config.queue.name.as_str(), config.queue.url.is_none()), ("deletions", true));
    assert_eq!((config.worker.lease, config.worker.max_rescues), (Duration::from_secs(60), 5));
    assert_eq!((config.retry.max_attempts, config.retry.give_up_after), (30, Duration::from_secs(3 * 86_400)));
    assert_eq!(config.console.listen.to_string(), "127.0.0.1:8088");
    let block = config.resources.values().next().unwrap();
    assert_eq!(
        (block.key.as_slice(), block.grace, block.then),
        (&["id".to_owned()][..], Duration::ZERO, AfterConfirmation::Delete)
    );
    let target = &block.targets[0];
    assert_eq!(
        (http(&config).gone.as_slice(), target.timeout, target.allow_private),
        (&[GoneAnswer::Status(410)][..], Duration::from_secs(10), false)
    );
}

#[test]
fn unknown_keys_are_refused_wherever_they_are() {
    refused(&format!("{URL}[worker]\nconcurency = 1"), &["worker", "concurency", "concurrency"]);
    refused(&format!("{URL}[wroker]\nconcurrency = 1"), &["wroker"]);
    refused(&format!("{URL}{BLOCK}tabel = \"x\""), &["resources.block", "tabel"]);
    refused(&format!("{URL}{BLOCK}{TARGET}timeuot = \"1s\""), &["resources.block.targets", "timeuot"]);
    refused(&format!("{URL}{BLOCK}{TARGET}retry = {{ max = 1 }}"), &["resources.block.targets", "max"]);
}

#[test]
fn variables_are_filled_in_and_must_be_set() {
    let with = |value: &str| format!("{URL}{BLOCK}{TARGET}headers = {{ Authorization = '{value}' }}");
    let config = parse(&with("Bearer ${TOKEN}-${TOKEN}")).unwrap();
    let header = http(&config).headers["Authorization"].render(&Values::new()).unwrap();
    assert_eq!(header.expose_secret(), "Bearer s3cret\"-s3cret\"");
    assert!(!format!("{config:?}").contains("s3cret"), "a credential is printed");
    refused(
        &with("${crate::soft_remove}"),
        &["resources.block.targets[0].headers.Authorization", "crate::soft_remove is not set"],
    );
    refused(&with("${TOKEN"), &["resources.block.targets[0].headers.Authorization", "closing"]);
}

#[test]
fn durations_and_numbers_out_of_range_are_refused() {
    let worker = |line: &str| format!("{URL}[worker]\n{line}");
    refused(&worker("lease = \"soon\""), &["worker.lease", "`soon` is not a duration", "30s"]);
    refused(&worker("lease = 60"), &["worker.lease"]);
    refused(&worker("concurrency = 0"), &["worker.concurrency", "between 1 and"]);
    refused(&worker("concurrency = -1"), &["worker.concurrency"]);
    refused(&format!("{URL}[queue]\nwindow = 7001"), &["queue.window", "7000"]);
    refused(&format!("{URL}[queue]\nname = \"a b\""), &["queue.name", "`a b` is not a queue name", "{hash tag}"]);
    refused(&format!("{URL}[queue]\nname = \"{}\"", "a".repeat(101)), &["queue.name"]);
    assert_eq!(parse(&format!("{URL}[queue]\nname = \"{{x}}:a\"")).unwrap().queue.name, "{x}:a");
    refused(&format!("{URL}[retry]\nmultiplier = 0.5"), &["retry.multiplier"]);
    refused(&format!("{URL}[retry]\ninitial_interval = \"2h\""), &["retry.max_interval"]);
    refused(
        &format!("{URL}[worker]\nlease = \"20s\"\n{BLOCK}{TARGET}"),
        &["resources.block.targets[0].timeout", "lease"],
    );
    refused(&format!("{URL}{BLOCK}{TARGET}gone = [200]"), &["resources.block.targets[0].gone", "200"]);
    refused(&format!("{URL}{BLOCK}{TARGET}gone = [404, 429]"), &["resources.block.targets[0].gone", "429"]);
    refused(&format!("{URL}{BLOCK}{TARGET}{TARGET}"), &["resources.block.targets[1].name", "calendar"]);
    refused(
        &format!("{URL}{BLOCK}{}", TARGET.replace("\"calendar\"", "\"row\"")),
        &["resources.block.targets[0].name", "row itself"],
    );
    refused("[database]\nurl = \"mysql://x\"", &["database.url", "postgres://"]);
    refused("", &["url"]);
    refused("[database\n", &[]);
}

#[test]
fn resources_are_checked() {
    refused(&format!("{URL}{}", BLOCK.replace("\"id\"", "[]")), &["resources.block.key"]);
    refused(&format!("{URL}{}", BLOCK.replace("\"id\"", "[\"id\", \"id\"]")), &["resources.block.key", "twice"]);
    refused(&format!("{URL}{}", BLOCK.replace("\"id\"", "7")), &["resources.block.key", "column name"]);
    refused(&format!("{URL}{}", BLOCK.replace("\"block\"", "\"a..b\"")), &["resources.block.table"]);
    refused(&format!("{URL}{}", BLOCK.replace("[resources.block]", "[resources.Block]")), &["resources", "Block"]);
    refused(&format!("{URL}{BLOCK}then = \"kepe\""), &["resources.block.then", "delete_after"]);
    refused(&format!("{URL}{BLOCK}then = {{ delete_after = \"x\" }}"), &["resources.block.then"]);
    refused(&format!("{URL}{BLOCK}{}", TARGET.replace("{id}", "{id")), &["resources.block.targets", "url"]);
    let keep = parse(&format!("{URL}{BLOCK}then = {{ delete_after = \"30d\" }}")).unwrap();
    let then = keep.resources.values().next().unwrap().then;
    assert_eq!(then, AfterConfirmation::DeleteAfter(Duration::from_secs(30 * 86_400)));
}

#[test]
fn setting_in_the_environment_overrides_the_file() {
    // The environment belongs to a process, so the second half runs in a process of its own, as this same test.
    if std::env::var_os("SEXTON_WORKER__CONCURRENCY").is_some() {
        let config = parse(&format!("{URL}[worker]\nconcurrency = 3\nlease = \"90s\"")).unwrap();
        assert_eq!((config.worker.concurrency, config.worker.lease), (7, Duration::from_secs(90)));
        assert_eq!(config.database.url.expose_secret(), "postgres://other@db:5432/app?a=b,c");
        return;
    }
    let module = module_path!().split_once("::").unwrap().1;
    let name = format!("{module}::setting_in_the_environment_overrides_the_file");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name])
        .env("SEXTON_WORKER__CONCURRENCY", "7")
        .env("SEXTON_DATABASE__URL", "postgres://other@db:5432/app?a=b,c")
        .env("SEXTON_PORT_8088_TCP", "set by an orchestrator, and none of our settings")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn child_rules_are_checked_in_themselves() {
    let with = |rule: &str| format!("{URL}{BLOCK}[[resources.block.children]]\n{rule}");
    let good = "table = \"kid\"\ncolumn = \"parent_id\"\nreferences = \"id\"\nthen = \"delete\"\n";
    parse(&with(good)).unwrap();
    let at = "resources.block.children[0]";
    refused(&with(&good.replace("column = \"parent_id\"\n", "")), &[at, "column", "json"]);
    refused(&with(&format!("{good}json = {{ column = \"d\", path = \"p\" }}")), &[at, "either"]);
    let json = good.replace("column = \"parent_id\"", "json = { column = \"d\", path = \"a..b\" }");
    refused(&with(&json), &[&format!("{at}.json.path"), "`a..b`", "dots"]);
    refused(&with(&good.replace("\"kid\"", "\"a.\"")), &[&format!("{at}.table"), "`a.`"]);
    refused(&with(&format!("{good}scope = [\"id\"]")), &[&format!("{at}.scope"), "`id`"]);
    refused(&with(&good.replace("\"delete\"", "\"request\"\ntwin = \"goes_with_parent\"")), &[&format!("{at}.twin")]);
    refused(&with(&good.replace("then = \"delete\"\n", "")), &["resources.block.children", "then"]);
    refused(&with(&good.replace("\"delete\"", "\"drop\"")), &["resources.block.children", "drop", "nullify"]);
}

#[test]
fn marker_that_decides_on_itself_is_refused() {
    let rule = "marker_when = [{ column = \"item_status\", equals = \"Open\", marker = { column = \"item_status\", value = \"Deleted\" }, then = \"keep\" }]\n";
    refused(&format!("{URL}{BLOCK}{rule}"), &["resources.block.marker_when[0].column", "`item_status`", "`then`"]);
}

#[test]
fn manifest_of_kubernetes_has_a_configuration_that_is_accepted() {
    let manifest = include_str!("../../../deploy/kubernetes/sexton.yaml");
    let (_, rest) = manifest.split_once("  sexton.toml: |\n").unwrap();
    let (text, _) = rest.split_once("\n---").unwrap();
    let text: String = text.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    let env = |name: &str| {
        Some(match name {
            "DATABASE_URL" => "postgres://app@db/app".to_owned(),
            "REDIS_URL" => "redis://redis".to_owned(),
            _ => "0123456789abcdef".to_owned(),
        })
    };
    let config = config::parse("sexton.toml", &text, env).unwrap();
    assert!(!config.console.listen.ip().is_loopback() && !config.console.needs_token());
    let closed =
        config::parse("sexton.toml", &text.replace("unauthenticated = true", ""), env).unwrap_err().to_string();
    assert!(closed.contains("console.listen: ") && closed.contains("network policy"), "{closed}");
    for probe in ["/healthz", "/readyz"] {
        assert!(manifest.contains(&format!("path: {probe}")), "{probe}");
    }
    assert!(manifest.contains("kind: NetworkPolicy"));
}

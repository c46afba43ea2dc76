//! The `s3` connector against moto, and row by row against the table in docs/connectors/s3.md.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex},
};

use sexton_tests::{
    Moto,
    api::{Answer, Api, Behaviour, Call},
    clients,
};

use super::rig::Rig;

pub(super) fn target(endpoint: &str, what: &str) -> String {
    format!(
        "kind = 's3'\nbucket = 'papers'\nregion = 'eu-test-1'\nendpoint = '{endpoint}'\nallow_http = true\n\
         access_key_id = 'AKIDEXAMPLE'\nsecret_access_key = 'secret'\n{what}\n"
    )
}

/// A bucket with these objects, all of which another client sees.
async fn bucket(keys: &[String]) -> Moto {
    let server = Moto::start("papers", keys).await;
    assert_eq!(listed(&server).await, keys.iter().cloned().collect(), "all of them can be there");
    server
}

async fn listed(server: &Moto) -> BTreeSet<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/connector/objects.py");
    let keys = clients::python(&program, &[&server.url(), "papers"]).await.expect_code(0).stdout;
    serde_json::from_str(&keys).unwrap()
}

const ODD: [&str; 12] =
    ["plain", "a b", "a+b", "100%", "a%2Fb", "a/b/c", "../up", "a/../b", "a//b", "folder/", "ünï cødé/😀", "<&>\"'"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_with_any_key_are_really_gone_and_no_others() {
    let kept = ["b", "up", "folder", "ab", "a/b", "kept/a b", "a%252Fb"];
    let all: Vec<String> = ODD.iter().chain(&kept).map(|key| (*key).to_owned()).collect();
    let server = bucket(&all).await;
    let mut rig = Rig::new(&target(&server.url(), "key = '{name}'")).await;
    let mut keys = Vec::new();
    for name in ODD {
        keys.push(rig.row("", name, None).await);
    }
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"; ODD.len()]);
    let kept: BTreeSet<String> = kept.map(str::to_owned).into();
    assert_eq!(listed(&server).await, kept);
    let never = rig.row("", "never there", None).await;
    assert_eq!(rig.delete(&[never]).await, ["completed deleted 200"], "S3 does not say what was not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_objects_under_a_prefix_are_gone_and_those_of_its_neighbours_stay() {
    let kept = ["users/70/a", "users/7", "users/8/a", "other/users/7/a", "users/7b/a"];
    let mut all: Vec<String> = (0..1_010).map(|n| format!("users/7/{n}")).collect();
    all.extend(ODD.iter().map(|key| format!("users/7/{key}")));
    all.push("users/7/".to_owned());
    all.extend(kept.map(str::to_owned));
    let server = bucket(&all).await;
    let mut rig = Rig::new(&target(&server.url(), "prefix = 'users/{name}/'")).await;
    let keys = [rig.row("", "7", None).await, rig.row("", "nobody", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200", "completed gone 200"]);
    assert_eq!(listed(&server).await, kept.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefix_of_slashes_only_is_never_sent() {
    let api = Api::start().await;
    let mut rig = Rig::new(&target(&api.url(), "prefix = '{name}/'")).await;
    let keys = [rig.row("", "/", None).await, rig.row("", "", None).await, rig.row("", "//", None).await];
    for told in rig.delete(&keys).await {
        assert!(told.starts_with("dead: bad_template"), "{told}");
    }
    let long = rig.row("", &"x".repeat(1024), None).await;
    let told = rig.delete(&[long]).await;
    assert!(told[0].contains("more than 1,024 bytes"), "{told:?}");
    assert!(api.log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_would_delete_too_much_are_refused() {
    let rig = Rig::new(&target("http://127.0.0.1:1", "key = '{name}'")).await;
    for (what, why) in [
        ("prefix = 'users/{name}'", "it ends with a column"),
        ("prefix = 'users/'", "it names no column"),
        ("key = 'one'", "it names no column"),
        ("key = '{name}'\nprefix = '{name}/'", "expected either key"),
        ("", "expected either key"),
    ] {
        rig.reconfigure(&target("http://127.0.0.1:1", what));
        let output = rig.run(&["check"]).await.expect_code(2);
        assert!(output.stderr.contains(why), "{what}: {}", output.stderr);
    }
    rig.reconfigure(&target("http://127.0.0.1:1", "key = '{name}'").replace("allow_http = true\n", ""));
    let output = rig.run(&["check"]).await.expect_code(2);
    assert!(output.stderr.contains("not encrypted"), "{}", output.stderr);
}

fn error(status: u16, code: &str) -> Answer {
    Answer::StatusBody(status, format!("<Error><Code>{code}</Code><Message>of Ann</Message></Error>"))
}

fn of_key(code: &str) -> Answer {
    Answer::StatusBody(200, format!("<DeleteResult><Error><Key>@KEY@</Key><Code>{code}</Code></Error></DeleteResult>"))
}

/// Codes that speak of the credentials.
const UNAUTHORIZED: [&str; 12] = [
    "AccessDenied",
    "AllAccessDisabled",
    "AccountProblem",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "NotSignedUp",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnauthorizedAccess",
];

/// Codes that ask for patience.
const THROTTLED: [&str; 7] = [
    "SlowDown",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "BandwidthLimitExceeded",
];

/// `@KEY@` stands for the key that is asked.
const GONE: &str = "<DeleteResult><Deleted><Key>@KEY@</Key></Deleted></DeleteResult>";

/// The answer about the first key that a call names.
fn about(call: &Call, answer: &Answer) -> Answer {
    let body = String::from_utf8_lossy(&call.body);
    let key = body.split_once("<Key>").and_then(|(_, rest)| rest.split_once("</Key>")).map(|(key, _)| key);
    match answer {
        Answer::StatusBody(status, text) => Answer::StatusBody(*status, text.replace("@KEY@", key.unwrap_or("none"))),
        other => other.clone(),
    }
}

fn of_two(one: &str, other: &str) -> String {
    format!("<DeleteResult><Deleted><Key>{one}</Key></Deleted><Deleted><Key>{other}</Key></Deleted></DeleteResult>")
}

/// The first answer to the deletion of one key, and what becomes of it. An attempt that is given back is followed by a
/// call that succeeds.
fn documented() -> Vec<(Answer, &'static str)> {
    let deleted = "completed deleted 200";
    let mut documented = vec![
        (Answer::StatusBody(200, GONE.into()), deleted),
        (of_key("NoSuchKey"), deleted),
        (of_key("AccessDenied"), deleted),
        (of_key("InternalError"), "dead: exhausted 200 InternalError"),
        (of_key("SlowDown"), deleted),
        (of_key("InvalidObjectState"), "dead: rejected 200 InvalidObjectState"),
        (of_key("ObjectLocked"), "dead: rejected 200 ObjectLocked"),
        (of_key("Whatever"), "dead: rejected 200 Whatever"),
        (Answer::StatusBody(200, "<DeleteResult/>".into()), "dead: rejected - answer_lacks_keys"),
        (Answer::StatusBody(200, GONE.replace("@KEY@", "@KEY@ ")), "dead: rejected - other_object"),
        (Answer::StatusBody(200, of_two("@KEY@", "other")), "dead: rejected - other_object"),
        (Answer::StatusBody(200, GONE.replace("<Key>@KEY@</Key>", "")), "dead: rejected 200 unreadable_answer"),
        (Answer::StatusBody(200, "<html/>".into()), "dead: rejected 200 unreadable_answer"),
        (error(200, "InternalError"), "dead: exhausted 200 InternalError"),
        (error(400, "ExpiredToken"), deleted),
        (Answer::Status(401), deleted),
        (Answer::Status(403), deleted),
        (error(403, "Whatever"), deleted),
        (error(501, "NotImplemented"), "dead: rejected 501 NotImplemented"),
        (of_key("NotImplemented"), "dead: rejected 200 NotImplemented"),
        (Answer::Status(501), "dead: rejected 501 http_501"),
        (error(403, "InvalidObjectState"), "dead: rejected 403 InvalidObjectState"),
        (Answer::Status(503), deleted),
        (Answer::Status(429), deleted),
        (error(400, "RequestTimeout"), "dead: exhausted 400 RequestTimeout"),
        (error(409, "OperationAborted"), "dead: exhausted 409 OperationAborted"),
        (error(500, "InternalError"), "dead: exhausted 500 InternalError"),
        (error(400, "IncompleteBody"), "dead: exhausted 400 IncompleteBody"),
        (error(400, "BadDigest"), "dead: exhausted 400 BadDigest"),
        (error(409, "ConditionalRequestConflict"), "dead: exhausted 409 ConditionalRequestConflict"),
        (Answer::Status(408), "dead: exhausted 408 http_408"),
        (Answer::Status(507), "dead: exhausted 507 http_507"),
        (Answer::Status(502), "dead: exhausted 502 http_502"),
        (Answer::Status(504), "dead: exhausted 504 http_504"),
        (Answer::Reset, "dead: exhausted - connection_lost"),
        (error(404, "NoSuchBucket"), "dead: rejected 404 NoSuchBucket"),
        (error(405, "MethodNotAllowed"), "dead: rejected 405 MethodNotAllowed"),
        (error(301, "PermanentRedirect"), "dead: rejected 301 PermanentRedirect"),
        (error(400, "AuthorizationHeaderMalformed"), "dead: rejected 400 AuthorizationHeaderMalformed"),
    ];
    let refused = UNAUTHORIZED.iter().map(|code| (error(403, code), deleted));
    let throttled = THROTTLED.iter().map(|code| (error(503, code), deleted));
    documented.extend(refused.chain(throttled));
    documented
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_leads_where_it_is_documented() {
    let answers = documented();
    let first: HashMap<String, Answer> =
        answers.iter().enumerate().map(|(n, (answer, _))| (format!("<Key>key {n}</Key>"), answer.clone())).collect();
    let first = Mutex::new(first);
    let api = Api::start().await;
    api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
        let body = String::from_utf8_lossy(&call.body);
        let mut first = first.lock().unwrap();
        let asked = first.keys().find(|key| body.contains(key.as_str())).cloned();
        let answer = asked.and_then(|key| first.remove(&key)).unwrap_or_else(|| Answer::StatusBody(200, GONE.into()));
        about(call, &answer)
    })));
    let mut rig = Rig::new(&target(&api.url(), "key = 'key {name}'")).await;
    let mut keys = Vec::new();
    for n in 0..answers.len() {
        keys.push(rig.row("", &n.to_string(), None).await);
    }
    for ((n, (answer, wanted)), told) in answers.iter().enumerate().zip(rig.delete(&keys).await) {
        assert_eq!(told, *wanted, "row {n}: {answer:?}");
    }
    for call in api.log() {
        assert_eq!((call.method.as_str(), call.path_and_query.as_str()), ("POST", "/papers?delete="));
        let signed = call.header("authorization").unwrap();
        assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signed}");
        assert!(signed.contains("/eu-test-1/s3/aws4_request"), "{signed}");
        assert!(call.header("content-md5").is_some());
    }
}

/// A prefix is confirmed only if nothing is left, and nothing outside it is ever deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_to_a_prefix_leads_where_it_is_documented() {
    let page = |keys: &[&str]| {
        let keys: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
        Answer::StatusBody(200, format!("<ListBucketResult>{keys}</ListBucketResult>"))
    };
    let denied = "<DeleteResult><Deleted><Key>u/1/a</Key></Deleted>\
                  <Error><Key>u/1/b</Key><Code>AccessDenied</Code></Error></DeleteResult>";
    let gone = || Answer::StatusBody(200, GONE.into());
    let listed = |prefix: &str| {
        Answer::StatusBody(200, format!("<ListBucketResult><Prefix>{prefix}</Prefix></ListBucketResult>"))
    };
    for (answers, wanted, calls) in [
        (vec![page(&[])], "completed gone 200", 1),
        (vec![page(&["u/1/a"]), gone(), page(&[])], "completed deleted 200", 3),
        (vec![page(&["u/1/a"]), gone(), page(&["u/1/b"])], "dead: exhausted 200 objects_left", 3),
        (vec![page(&["u/1/a", "u/2/a"])], "dead: rejected - listing_outside_prefix", 1),
        (vec![listed("u/1/")], "completed gone 200", 1),
        (vec![listed("u/")], "dead: rejected - listing_outside_prefix", 1),
        (vec![page(&["u/1/a"]), Answer::StatusBody(200, of_two("u/1/a", "u/2/a"))], "dead: rejected - other_object", 2),
        (vec![page(&["u/1/a", "u/1/b"]), Answer::StatusBody(200, denied.into())], "dead: rejected 200 AccessDenied", 2),
        (vec![error(404, "NoSuchBucket")], "dead: rejected 404 NoSuchBucket", 1),
        (vec![page(&["u/1/a"]), error(500, "InternalError")], "dead: exhausted 500 InternalError", 2),
        (vec![Answer::StatusBody(200, "<html/>".into())], "dead: rejected 200 unreadable_answer", 1),
    ] {
        let api = Api::start().await;
        let script = Mutex::new(answers.into_iter());
        api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
            about(call, &script.lock().unwrap().next().unwrap_or(Answer::Status(418)))
        })));
        let mut rig = Rig::new(&target(&api.url(), "prefix = 'u/{name}/'")).await;
        let key = rig.row("", "1", None).await;
        assert_eq!(rig.delete(&[key]).await, [wanted]);
        assert_eq!(api.log().len(), calls, "{wanted}");
    }
}

fn page_of_one() -> Answer {
    Answer::StatusBody(200, "<ListBucketResult><Contents><Key>u/1/a</Key></Contents></ListBucketResult>".into())
}

/// `answers` to a prefix, with eight seconds for a whole attempt.
async fn in_eight_seconds(answers: Vec<Answer>, what: &str, wanted: &str, calls: usize) {
    let api = Api::start().await;
    let script = Mutex::new(answers.into_iter());
    let empty = || Answer::StatusBody(200, "<ListBucketResult></ListBucketResult>".into());
    api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
        about(call, &script.lock().unwrap().next().unwrap_or_else(empty))
    })));
    let mut rig = Rig::new(&target(&api.url(), what)).await;
    let text = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    rig.sexton.write("sexton.toml", &text.replace("timeout = \"20s\"", "timeout = \"8s\""));
    let key = rig.row("", "1", None).await;
    assert_eq!(rig.delete(&[key]).await, [wanted]);
    assert_eq!(api.log().len(), calls, "{wanted}");
}

/// The only attempt there is continues where it stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_way_in_steps_costs_no_attempt() {
    let gone = Answer::StatusBody(200, GONE.into());
    let answers = vec![page_of_one(), gone, Answer::Hang];
    in_eight_seconds(answers, "prefix = 'u/{name}/'", "completed gone 200", 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_listing_in_time_costs_an_attempt() {
    in_eight_seconds(vec![Answer::Hang], "prefix = 'u/{name}/'", "dead: exhausted - timeout", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answer_of_a_call_that_must_not_be_repeated_is_for_people_to_look_at() {
    for (answer, wanted) in [
        (Answer::Reset, "dead: unknown_outcome - connection_lost"),
        (Answer::Status(504), "dead: unknown_outcome 504 http_504"),
    ] {
        let api = Api::start().await;
        api.set_default(Behaviour::Always(answer));
        let mut rig = Rig::new(&target(&api.url(), "key = '{name}'\nrepeatable = false")).await;
        let key = rig.row("", "a", None).await;
        assert_eq!(rig.delete(&[key]).await, [wanted]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_without_credentials_waits_for_them() {
    let api = Api::start().await;
    api.set_default(Behaviour::Always(Answer::Status(404)));
    let plain = target(&api.url(), "key = '{name}'\nretry = { give_up_after = '1s' }");
    let secret = "access_key_id = 'AKIDEXAMPLE'\nsecret_access_key = 'secret'\n";
    assert!(plain.contains(secret));
    let mut rig = Rig::new(&plain.replace(secret, "")).await;
    // The metadata service of a virtual machine.
    rig.sexton = rig.sexton.env("AWS_METADATA_ENDPOINT", &api.url());
    let key = rig.row("", "a", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: expired - no_credentials"]);
    rig.reconfigure(&plain.replace("secret_access_key = 'secret'", "secret_access_key_file = '/nowhere/at all'"));
    let key = rig.row("", "a", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: expired - credential_unreadable"]);
    assert!(api.log().iter().all(|call| !call.path().starts_with("/papers")), "{:?}", api.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_of_the_environment_are_used_where_none_are_set() {
    let api = Api::start().await;
    api.set_default(Behaviour::Always(Answer::StatusBody(200, GONE.replace("@KEY@", "a"))));
    let plain = target(&api.url(), "key = '{name}'");
    let without = plain.replace("access_key_id = 'AKIDEXAMPLE'\nsecret_access_key = 'secret'\n", "");
    let mut rig = Rig::new(&without).await;
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIDFOUND"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "t0ken"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ] {
        rig.sexton = rig.sexton.env(name, value);
    }
    let key = rig.row("", "a", None).await;
    assert_eq!(rig.delete(&[key]).await, ["completed deleted 200"]);
    let call = api.log().remove(0);
    assert!(call.header("authorization").unwrap().contains("Credential=AKIDFOUND/"));
    assert_eq!(call.header("x-amz-security-token"), Some("t0ken"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn region_that_is_none_keeps_a_worker_from_starting() {
    let plain = target("http://127.0.0.1:1", "key = '{name}'").replace("region = 'eu-test-1'\n", "");
    let mut rig = Rig::new(&target("http://127.0.0.1:1", "key = '{name}'")).await;
    rig.reconfigure(&plain);
    rig.sexton = rig.sexton.env("AWS_REGION", "eu-test-1\n");
    let refused = rig.run(&["run", "--until-idle"]).await;
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("the region `eu-test-1\\n` is none"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_address_is_refused() {
    let api = Api::start().await;
    let mut rig = Rig::new(&target(&api.url(), "key = '{name}'")).await;
    let text = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    rig.sexton.write("sexton.toml", &text.replace("allow_private = true", ""));
    let key = rig.row("", "a", None).await;
    assert_eq!(rig.delete(&[key]).await, ["dead: rejected - private_address_refused"]);
    assert!(api.log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_that_is_there_again_is_seen_and_no_neighbour_is_taken_for_it() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let all = ["a b", "a b/c", "users/7/x", "users/70/x", "ab"];
    let server = bucket(&all.map(str::to_owned)).await;
    let put = async |key: &str| {
        let url = format!("{}/papers/{key}", server.url());
        assert_eq!(reqwest::Client::new().put(url).body("x").send().await.unwrap().status().as_u16(), 200);
    };
    let mut rig = Rig::new(&target(&server.url(), "key = '{name}'")).await;
    let keys = [rig.row("", "a b", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"]);
    assert_eq!(rig.look().await, "gone 1");
    put("a%20b").await;
    assert_eq!(rig.look().await, "returned 1");
    let mut rig = Rig::new(&target(&server.url(), "prefix = 'users/{name}/'")).await;
    let keys = [rig.row("", "7", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"]);
    assert_eq!(rig.look().await, "gone 1");
    put("users/7/y").await;
    assert_eq!(rig.look().await, "returned 1");
    // A bucket of another account.
    let refused = target(&server.url(), "prefix = 'users/{name}/'").replace("papers", "nosuch");
    rig.reconfigure(&refused);
    assert_eq!(rig.look().await, "unanswered 1, NoSuchBucket (404)");
}

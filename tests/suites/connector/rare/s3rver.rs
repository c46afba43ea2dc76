//! s3rver: in a request for many keys it trims them, and answers for the object that it deleted instead.

use sexton_tests::rare::s3rver;

use crate::connector::{person::Person, rig::Rig, s3};

fn target(endpoint: &str, what: &str) -> String {
    s3::target(endpoint, what).replace("'AKIDEXAMPLE'", "'S3RVER'").replace("'secret'", "'S3RVER'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_about_another_key_confirms_nothing() {
    let server = s3rver().await;
    let person = Person::at(&format!("{}/papers", server.url()));
    for key in ["plain", "a%20b", "folder/a", "trimmed%20", "trimmed"] {
        assert_eq!(person.ask("PUT", &format!("/{key}"), "x").await, 200, "{key}");
    }
    let mut rig = Rig::new(&target(&server.url(), "key = '{name}'")).await;
    let keys = [rig.row("", "plain", None).await, rig.row("", "a b", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"; 2]);
    let keys = [rig.row("", "trimmed ", None).await];
    let told = rig.delete(&keys).await;
    assert_eq!(told, ["dead: rejected - other_object"]);
    for (key, status) in [("plain", 404), ("trimmed%20", 200), ("trimmed", 404), ("folder/a", 200)] {
        assert_eq!(person.ask("GET", &format!("/{key}"), "").await, status, "{key}");
    }
    let mut rig = Rig::new(&target(&server.url(), "prefix = '{name}/'")).await;
    let keys = [rig.row("", "folder", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"]);
    assert_eq!(person.ask("GET", "/folder/a", "").await, 404);
}

//! s3rver: in a request for many keys it trims them, and answers for the object that it deleted instead.

use sexton_tests::rare::s3rver;

use crate::connector::{rig::Rig, s3};

fn target(endpoint: &str, what: &str) -> String {
    s3::target(endpoint, what).replace("'AKIDEXAMPLE'", "'S3RVER'").replace("'secret'", "'S3RVER'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_about_another_key_confirms_nothing() {
    let server = s3rver().await;
    let client = reqwest::Client::new();
    for key in ["plain", "a%20b", "folder/a", "folder/b", "trimmed%20", "trimmed"] {
        let put = client.put(format!("{}/papers/{key}", server.url())).body("x").send().await.unwrap();
        assert_eq!(put.status(), 200, "{key}");
    }
    let mut rig = Rig::new(&target(&server.url(), "key = '{name}'")).await;
    let keys = [rig.row("", "plain", None).await, rig.row("", "a b", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"; 2]);
    let keys = [rig.row("", "trimmed ", None).await];
    let told = rig.delete(&keys).await;
    assert_eq!(told, ["dead: rejected - other_object"]);
    let left = s3::listed_at(&server.url()).await;
    assert!(left.contains("trimmed ") && left.contains("folder/a") && !left.contains("plain"), "{left:?}");
    let mut rig = Rig::new(&target(&server.url(), "prefix = '{name}/'")).await;
    let keys = [rig.row("", "folder", None).await];
    assert_eq!(rig.delete(&keys).await, ["completed deleted 200"]);
    assert!(s3::listed_at(&server.url()).await.iter().all(|key| !key.starts_with("folder")));
}

//! The API's description: a sound OpenAPI 3.1 document, and one that real answers can fail.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    client::Client,
    setup::{TOKEN, blocks},
};
use crate::rig::Server;

async fn described() -> (sexton_tests::Daemon, Client) {
    let rig = blocks(Server::sqlite().await, 1).await;
    let daemon = rig.sexton.spawn(&["run"]).await;
    let client = Client::new(&daemon.address("api").await, TOKEN).await;
    (daemon, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn description_is_a_sound_openapi_document() {
    let (daemon, client) = described().await;
    let document = &client.description;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let scheme = &document["components"]["securitySchemes"]["token"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(operations.insert(id), "{id} is there twice");
            assert_eq!(operation["security"], json!([{ "token": [] }]), "{method} {path}");
            assert!(operation["summary"].is_string());
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let named: BTreeSet<_> =
                parameters.iter().map(|one| (one["in"].clone().to_string(), one["name"].clone().to_string())).collect();
            assert_eq!(named.len(), parameters.len(), "a parameter is there twice: {method} {path}");
            let in_path = parameters.iter().filter(|one| one["in"] == "path");
            let in_path: Vec<_> = in_path.map(|one| format!("{{{}}}", one["name"].as_str().unwrap())).collect();
            assert_eq!(in_path.len(), path.matches('{').count());
            assert!(in_path.iter().all(|name| path.contains(name)), "{path}: {in_path:?}");
            for parameter in &parameters {
                assert!(parameter["required"] == true || parameter["in"] != "path");
                assert!(jsonschema::meta::is_valid(&parameter["schema"]), "{parameter:#}");
            }
            let responses = operation["responses"].as_object().unwrap();
            for status in ["200", "401", "500", "503"] {
                assert!(responses.contains_key(status), "{method} {path} has no {status}");
            }
            for (status, response) in responses {
                assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{path} {status}");
                let problem = response["content"].get("application/problem+json").is_some();
                assert_eq!(problem, status.as_str() >= "400", "{method} {path} {status}: {response:#}");
            }
        }
    }
    let wanted = ["findDeletion", "requestDeletions", "restoreDeletion", "showDeletion"];
    assert_eq!(operations.into_iter().collect::<Vec<_>>(), wanted);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}: {schema:#}");
    }
    for reference in references(document) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    daemon.stop().await;
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// The check of every answer in this folder is worth nothing if it cannot fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_as_described_are_noticed() {
    let (daemon, client) = described().await;
    let made = client.post(json!({ "resource": "block", "key": 1, "after": "1h" })).await.expect(201);
    let record = client.get(made.header("location")).await.expect(200).body;
    let schema = json!({ "$ref": "#/components/schemas/Record" });
    assert_eq!(client.problems(&schema, &record), Vec::<String>::new());
    let changed = |field: &str, value: Option<Value>| {
        let mut record = record.clone();
        match value {
            Some(value) => drop(record.as_object_mut().unwrap().insert(field.to_owned(), value)),
            None => drop(record.as_object_mut().unwrap().remove(field)),
        }
        record
    };
    for wrong in [
        changed("state", None),
        changed("attempts", Some(json!("none"))),
        changed("id", Some(json!("7"))),
        changed("colour", Some(json!("red"))),
        changed("confirmations", Some(json!({ "calendar": { "at": "now", "answer": "perhaps" } }))),
        changed("actions", Some(json!([{ "at": "now", "who": "ann", "action": "restore", "reason": 1 }]))),
    ] {
        assert!(!client.problems(&schema, &wrong).is_empty(), "{wrong:#}");
    }
    daemon.stop().await;
}

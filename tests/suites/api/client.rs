//! A client that checks every answer against the API's description.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    /// Passes itself on if the status is this one.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// A text of the body.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

pub(super) struct Client {
    base: String,
    http: reqwest::Client,
    pub(super) token: Option<String>,
    pub(super) traceparent: Option<&'static str>,
    pub(super) description: Value,
}

impl Client {
    /// A client of the API at `address`.
    pub(super) async fn new(address: &str, token: &str) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let base = format!("http://{address}");
        let description = http.get(format!("{base}/v1/openapi.json")).send().await.unwrap();
        assert_eq!(description.headers()["content-type"], "application/json");
        let description = serde_json::from_str(&description.text().await.unwrap()).unwrap();
        Self { base, http, token: Some(token.to_owned()), traceparent: None, description }
    }

    pub(super) async fn post(&self, body: Value) -> Answer {
        let answer = self.send("POST", "/v1/deletions", Some(body.to_string())).await;
        if answer.status < 300 {
            let schema =
                &self.operation("/v1/deletions", "post")["requestBody"]["content"]["application/json"]["schema"];
            self.check("the request", schema, &body);
        }
        answer
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    /// Sends a request, and holds the answer against the description.
    pub(super) async fn send(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(traceparent) = self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} is not JSON, {error}: {text}"));
        let answer = Answer { status, headers, body };
        self.check_answer(method, path, &answer);
        answer
    }

    fn check_answer(&self, method: &str, path: &str, answer: &Answer) {
        let path = path.split('?').next().unwrap();
        let template = if path.matches('/').count() > 2 { "/v1/deletions/{id}" } else { "/v1/deletions" };
        let what = format!("{method} {template}: {}", answer.status);
        let documented = &self.operation(template, &method.to_lowercase())["responses"][answer.status.to_string()];
        assert!(documented.is_object(), "{what} is not documented: {:#}", answer.body);
        let content_type = answer.header("content-type");
        let schema = &documented["content"][content_type]["schema"];
        assert!(schema.is_object(), "{what}: {content_type} is not documented: {documented:#}");
        self.check(&what, schema, &answer.body);
        if content_type == "application/problem+json" {
            assert_eq!(answer.body["status"], answer.status, "RFC 9457 §3.1.2");
        }
        // What must be there according to the specifications, and nowhere else.
        for (status, header) in [(401, "www-authenticate"), (503, "retry-after")] {
            assert_eq!(answer.headers.contains_key(header), answer.status == status, "{what}: {header}");
        }
    }

    pub(super) fn operation(&self, template: &str, method: &str) -> &Value {
        &self.description["paths"][template][method]
    }

    /// Panics if `value` is not as `schema` says, or says more.
    pub(super) fn check(&self, what: &str, schema: &Value, value: &Value) {
        let problems = self.problems(schema, value);
        assert!(problems.is_empty(), "{what}: {problems:#?} in {value:#}");
    }

    pub(super) fn problems(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut components = self.description["components"].clone();
        for (_, component) in components["schemas"].as_object_mut().unwrap() {
            let component: &mut Map<String, Value> = component.as_object_mut().unwrap();
            // Schemas say what there is at least; ours are complete.
            if component.contains_key("properties") || component.contains_key("allOf") {
                component.insert("unevaluatedProperties".to_owned(), json!(false));
            }
        }
        let mut whole = schema.clone();
        whole["components"] = components;
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

//! What a person sees of a WebDAV server: puts objects into a collection and looks for them.

use reqwest::{Client, Method, RequestBuilder};

pub(super) struct Person {
    client: Client,
    url: String,
    password: Option<(String, String)>,
}

impl Person {
    /// Someone who uses the collection at this URL, which has no slash at its end.
    pub(super) fn at(url: &str) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        Self { client: Client::new(), url: url.to_owned(), password: None }
    }

    /// For a server that closes connections without a word.
    pub(super) fn with_a_connection_for_each_request(self) -> Self {
        Self { client: Client::builder().pool_max_idle_per_host(0).build().unwrap(), ..self }
    }

    pub(super) fn with_password(self, user: &str, password: &str) -> Self {
        Self { password: Some((user.to_owned(), password.to_owned())), ..self }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.password {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    /// The status of the answer.
    pub(super) async fn ask(&self, method: &str, path: &str, body: &str) -> u16 {
        let request = self.request(method, path);
        let request = if body.starts_with("<?xml") { request.header("content-type", "text/xml") } else { request };
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    }

    /// Puts an event there.
    pub(super) async fn put(&self, name: &str, title: &str) {
        self.put_at(&format!("/{}", encoded(name)), title).await;
    }

    /// The same at an encoded path.
    pub(super) async fn put_at(&self, path: &str, title: &str) {
        let name = path.trim_start_matches('/').replace('/', "-");
        let event = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nBEGIN:VEVENT\r\nUID:{name}\r\n\
             DTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nDURATION:PT1H\r\nSUMMARY:{title}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        let request = self.request("PUT", path).header("content-type", "text/calendar").body(event);
        let status = request.send().await.unwrap().status().as_u16();
        assert!(matches!(status, 200 | 201 | 204), "{name}: {status}");
    }

    pub(super) async fn sees(&self, name: &str) -> bool {
        self.sees_at(&format!("/{}", encoded(name))).await
    }

    /// The same at an encoded path.
    pub(super) async fn sees_at(&self, path: &str) -> bool {
        self.ask("GET", path, "").await == 200
    }

    /// Whether something is at this URL.
    pub(super) async fn finds(&self, url: &str) -> bool {
        let elsewhere = Self { client: self.client.clone(), url: url.to_owned(), password: self.password.clone() };
        elsewhere.ask("GET", "", "").await == 200
    }

    pub(super) async fn etag(&self, name: &str) -> String {
        let reply = self.request("GET", &format!("/{}", encoded(name))).send().await.unwrap();
        reply.headers()["etag"].to_str().unwrap().to_owned()
    }

    /// The `href` that the server gives the object.
    pub(super) async fn href(&self, name: &str) -> String {
        let request = self.request("PROPFIND", &format!("/{}", encoded(name))).header("depth", "0");
        let told = request.send().await.unwrap().text().await.unwrap();
        let (_, rest) = told.split_once("href>").unwrap_or_else(|| panic!("{told}"));
        rest.split_once('<').unwrap().0.replace("&amp;", "&")
    }
}

fn encoded(name: &str) -> String {
    name.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

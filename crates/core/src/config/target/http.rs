//! The settings of `kind = "http"`: one request, and what its answer means.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{
    Auth, BodyCondition, GoneAnswer, Method, Verify,
    calls::{CalledUrl, names_credential},
    kind::KindSettings,
    literal::{ensure_literal, ensure_literal_condition},
    validate::{ensure_gone_statuses, ensure_used},
};
use crate::{
    config::check::{InvalidSetting, ensure},
    template::{JsonTemplate, TextTemplate, UrlTemplate, deserialize_text_templates},
};

/// How the request is made, and what its answer means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The method of the call.
    #[serde(default)]
    pub method: Method,
    /// Where the twin is; `{column}` is replaced by the row's value, percent-encoded.
    pub url: UrlTemplate,
    /// Further parameters of the URL's query, encoded as forms are.
    #[serde(default, deserialize_with = "deserialize_text_templates")]
    pub query: BTreeMap<String, TextTemplate>,
    /// Headers of the call. They often carry credentials, so their literal text is secret.
    #[serde(default, deserialize_with = "deserialize_text_templates")]
    pub headers: BTreeMap<String, TextTemplate>,
    /// Columns whose value may be empty in `query`, `headers`, `body` and the URL's query.
    #[serde(default)]
    pub allow_empty: Vec<String>,
    /// What is sent, as JSON.
    pub body: Option<JsonTemplate>,
    /// The statuses that confirm; all 2xx if not said.
    pub success: Option<Vec<u16>>,
    /// What the body of such an answer must say to confirm.
    pub success_when: Option<BodyCondition>,
    /// Answers, besides those, that mean "already deleted".
    #[serde(default = "default_gone")]
    pub gone: Vec<GoneAnswer>,
    /// How calls are authenticated.
    pub auth: Option<Auth>,
    /// How to look whether the twin is gone.
    pub verify: Option<Verify>,
    /// A PEM file with certificates of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy that calls go through. It may have a password in it.
    pub proxy: Option<SecretString>,
    /// Whether HTTP/2 is spoken from the first byte, without negotiation.
    #[serde(default)]
    pub http2: bool,
}

/// 410 says "was here and is gone" (RFC 9110 §15.5.11). 404 also answers a wrong base path, so it must be asked for.
fn default_gone() -> Vec<GoneAnswer> {
    vec![GoneAnswer::Status(410)]
}

impl KindSettings for Http {
    fn text_templates() -> &'static [&'static str] {
        &["headers", "query", "body"]
    }

    fn columns_by_setting(&self) -> Vec<(&'static str, &str)> {
        let mut columns: Vec<_> = self.url.columns().map(|column| ("url", column)).collect();
        columns.extend(self.query.values().flat_map(TextTemplate::columns).map(|column| ("query", column)));
        columns.extend(self.headers.values().flat_map(TextTemplate::columns).map(|column| ("headers", column)));
        columns.extend(self.body.iter().flat_map(JsonTemplate::columns).map(|column| ("body", column)));
        columns.extend(self.verify.iter().flat_map(|verify| verify.url.columns()).map(|column| ("verify.url", column)));
        columns
    }

    fn look_columns(&self) -> Vec<&str> {
        let headers = self.headers.values().flat_map(TextTemplate::columns);
        match &self.verify {
            Some(verify) => verify.url.columns().chain(headers).collect(),
            None => self.url.columns().collect(),
        }
    }

    /// The columns that name the twin in the call, and those that name it in the look.
    fn twin_columns(&self) -> Vec<Vec<&str>> {
        let of_call =
            self.columns_by_setting().into_iter().filter(|(setting, _)| ["url", "query", "body"].contains(setting));
        let of_call = of_call.map(|(_, column)| column).collect();
        let of_look = self.verify.iter().map(|verify| verify.url.columns().collect());
        [of_call].into_iter().chain(of_look).collect()
    }

    fn is_verified(&self) -> bool {
        self.verify.is_some()
    }

    fn can_look(&self) -> bool {
        self.verify.is_some()
    }

    fn called_urls(&self) -> Vec<CalledUrl> {
        let names = self.headers.keys().chain(self.query.keys());
        let with_credentials = self.auth.is_some() || names.into_iter().any(|name| names_credential(name));
        let through_proxy = self.proxy.is_some();
        let of_rows = [&self.url].into_iter().chain(self.verify.iter().map(|verify| &verify.url));
        let of_rows = of_rows.map(|url| (url.base(), with_credentials));
        let of_tokens = self.auth.iter().filter_map(Auth::token_url).map(|url| (url, true));
        let called =
            |(url, with_credentials): (&Url, bool)| CalledUrl { url: url.clone(), with_credentials, through_proxy };
        of_rows.chain(of_tokens).map(called).collect()
    }

    fn secret_files(&self) -> Vec<&Path> {
        self.auth.iter().flat_map(Auth::secret_files).collect()
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate_literals()?;
        let columns: Vec<&str> = self.columns_beside_the_path().chain(self.look_columns_beside_the_path()).collect();
        ensure_used("allow_empty", &self.allow_empty, &columns)?;
        self.validate_answers()?;
        self.validate_verify()?;
        let authorization = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        let sends_it = self.auth.as_ref().is_some_and(|auth| !matches!(auth, Auth::Webhook(_)));
        ensure(!(authorization && sends_it), "auth", || "`headers` has an Authorization already".to_owned())?;
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let proxy = Url::parse(proxy.expose_secret()).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        ensure(proxy.is_some_and(|url| url.has_host()), "proxy", || "expected an http:// or https:// URL".to_owned())
    }
}

impl Http {
    /// The columns of the call that may be empty if the settings say so: all but those of the path.
    pub fn columns_beside_the_path(&self) -> impl Iterator<Item = &str> {
        let texts = self.query.values().chain(self.headers.values()).flat_map(TextTemplate::columns);
        self.url.query_columns().chain(texts).chain(self.body.iter().flat_map(JsonTemplate::columns))
    }

    /// The same of the look.
    pub fn look_columns_beside_the_path(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.values().flat_map(TextTemplate::columns);
        self.verify.iter().flat_map(|verify| verify.url.query_columns()).chain(headers)
    }

    fn validate_literals(&self) -> Result<(), InvalidSetting> {
        let names =
            self.query.keys().map(|name| ("query", name)).chain(self.headers.keys().map(|name| ("headers", name)));
        names.into_iter().try_for_each(|(path, name)| ensure_literal(path, name))?;
        self.body.iter().flat_map(JsonTemplate::members).try_for_each(|name| ensure_literal("body", name))?;
        self.success_when.iter().try_for_each(|when| ensure_literal_condition("success_when", when))?;
        let look = self.verify.iter().filter_map(|verify| verify.when.as_ref());
        look.into_iter().try_for_each(|when| ensure_literal_condition("verify.when", when))?;
        for gone in &self.gone {
            let GoneAnswer::WithReason(gone) = gone else { continue };
            ensure_literal("gone", &gone.reason)?;
            gone.pointer.iter().try_for_each(|pointer| ensure_literal("gone", pointer.as_str()))?;
        }
        Ok(())
    }

    fn validate_answers(&self) -> Result<(), InvalidSetting> {
        let status = |gone: &GoneAnswer| match gone {
            GoneAnswer::Status(status) => Some(*status),
            GoneAnswer::WithReason(_) => None,
        };
        ensure_gone_statuses("gone", &self.gone.iter().filter_map(status).collect::<Vec<_>>())?;
        if let Some(success) = &self.success {
            let statuses = !success.is_empty() && success.iter().all(|status| (200..300).contains(status));
            ensure(statuses, "success", || {
                "expected statuses from 200 to 299: others do not say that it is done".to_owned()
            })?;
        }
        for gone in &self.gone {
            let GoneAnswer::WithReason(gone) = gone else { continue };
            let status = matches!(gone.status, 200..=299 | 400..=499) && ![401, 408, 429].contains(&gone.status);
            ensure(status, "gone", || {
                "with a reason: expected statuses from 200 to 299 and from 400 to 499, but not 401, 408 and 429"
                    .to_owned()
            })?;
            ensure(!gone.reason.is_empty(), "gone", || "expected a reason that is not empty".to_owned())?;
        }
        Ok(())
    }

    fn validate_verify(&self) -> Result<(), InvalidSetting> {
        let Some(verify) = &self.verify else { return Ok(()) };
        ensure(!verify.status.is_empty() || verify.when.is_some(), "verify", || {
            "expected `status`, `when` or both: what says that it is gone?".to_owned()
        })?;
        let of_object = |status: &u16| (200..500).contains(status) && ![401, 403, 408, 429].contains(status);
        ensure(verify.status.iter().all(of_object), "verify.status", || {
            "expected statuses from 200 to 499 that speak of the object: not 401, 403, 408 and 429".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, parse};

    fn read(settings: &str) -> Result<Config, String> {
        let text = format!(
            "[database]\nurl = 'sqlite://x'\n[resources.r]\ntable = 'r'\nkey = 'id'\nmarker = {{ column = 'd' }}\n\
             [[resources.r.targets]]\nname = 't'\nkind = 'http'\nurl = 'https://h.example/{{id}}'\n{settings}\n"
        );
        let env = |name: &str| Some(if name == "BRACES" { "s3cret{x}".to_owned() } else { "s3cret".to_owned() });
        parse("sexton.toml", &text, env).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_named_by_their_key_path_and_tell_no_secret() {
        for (settings, part) in [
            ("headrs = { A = '${T}' }", "unknown field: found `headrs`"),
            ("headers = 'Bearer ${T}'", "targets[0].headers: expected a table"),
            ("headers = { A = ['${T}'] }", "targets[0].headers.A: expected a text"),
            ("headers = { A = '${T} {' }", "targets[0].headers.A: it has a `{`"),
            ("query = { a = 1 }", "targets[0].query.a: expected a text"),
            ("body = '${T}'", "targets[0].body: expected a table"),
            ("body = { a = ['{'] }", "targets[0].body: it has a `{`"),
            ("method = 'delete'", "targets[0].method: expected a method in capital letters"),
            ("allow_empty = ['id']", "targets[0].allow_empty: `id` is in no query, header or body"),
            ("success = []", "targets[0].success: expected statuses from 200 to 299"),
            ("success = [404]", "targets[0].success"),
            ("success_when = { pointer = 'deleted', equals = true }", "targets[0].success_when.pointer"),
            ("success_when = { pointer = '/d', equal = true }", "equal"),
            ("gone = [500]", "targets[0].gone: 500"),
            ("gone = ['404']", "targets[0].gone[0]: expected a status"),
            ("gone = [{ status = 401, reason = 'x' }]", "targets[0].gone: with a reason"),
            (
                "success_when = { pointer = '/id', equals = '{id}' }",
                "targets[0].success_when.equals: `{id}` names no column",
            ),
            (
                "success_when = { pointer = '/{id}', equals = 1 }",
                "targets[0].success_when.pointer: `{id}` names no column",
            ),
            ("query = { '{id}' = 'x' }", "targets[0].query: `{id}` names no column"),
            ("body = { a = [{ '{id}' = 1 }] }", "targets[0].body: `{id}` names no column"),
            ("gone = [{ status = 400, reason = '{id}' }]", "targets[0].gone: `{id}` names no column"),
            (
                "verify = { url = 'https://h.example/{id}', when = { pointer = '/id', equals = ['{id}'] } }",
                "targets[0].verify.when.equals: `{id}` names no column",
            ),
            ("gone = [{ status = 400, reson = 'x' }]", "reson"),
            ("verify = { url = 'https://h.example/{id}' }", "targets[0].verify: expected `status`, `when` or both"),
            ("verify = { url = 'https://h.example/{id}', status = [500] }", "targets[0].verify.status"),
            ("verify = { url = 'https://h.example/{id}', statuses = [404] }", "statuses"),
            ("auth = { bearer = { tokn = '${T}' } }", "targets[0].auth.bearer.token: it is missing"),
            ("auth = { bearer = { token = '${T}', x = '${T}' } }", "targets[0].auth.bearer.x: unknown key"),
            ("auth = '${T}'", "targets[0].auth: expected a table"),
            ("auth = { bearer = { token = 'x' } }\nheaders = { authorization = '${T}' }", "targets[0].auth: `headers`"),
            ("proxy = 'socks5://me:${T}@h'", "targets[0].proxy: expected an http:// or https:// URL"),
            ("http2 = 'yes'", "targets[0].http2"),
        ] {
            let why = read(settings).unwrap_err();
            assert!(why.contains(part) && !why.contains("s3cret"), "{settings}: {why}");
        }
    }

    #[test]
    fn nothing_that_may_be_a_credential_is_printed() {
        let config = read(
            "headers = { A = '${T}' }\nquery = { key = '${T}' }\nbody = { key = ['${T}'] }\n\
             proxy = 'http://me:${T}@h'\nauth = { webhook = { secret_file = '/run/secret' } }",
        );
        let shown = format!("{:?}", config.unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn braces_of_a_variable_are_no_columns() {
        let config =
            read("headers = { A = '${BRACES} {id}' }\nbody = { a = ['${BRACES}'] }\nquery = { q = '${BRACES}' }");
        let columns = config.unwrap().resources.values().next().unwrap().targets[0].columns();
        assert_eq!(columns, ["id"]);
    }
}

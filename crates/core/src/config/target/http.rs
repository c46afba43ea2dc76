//! The settings of `kind = "http"`: one request, and what its answer means.

use std::{collections::BTreeMap, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use url::Url;

use super::{Auth, Gone, Method, Verify, When};
use crate::template::{JsonTemplate, TextTemplate, UrlTemplate};

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
    #[serde(default, deserialize_with = "texts")]
    pub query: BTreeMap<String, TextTemplate>,
    /// Headers of the call. They often carry credentials, so what they say literally is secret.
    #[serde(default, deserialize_with = "texts")]
    pub headers: BTreeMap<String, TextTemplate>,
    /// What is sent, as JSON.
    pub body: Option<JsonTemplate>,
    /// The statuses that confirm; all 2xx if not said.
    pub success: Option<Vec<u16>>,
    /// What the body of such an answer must say to confirm.
    pub success_when: Option<When>,
    /// Answers, besides those, that mean "already deleted".
    #[serde(default = "default_gone")]
    pub gone: Vec<Gone>,
    /// How calls are authenticated.
    pub auth: Option<Auth>,
    /// How to look whether the twin is gone.
    pub verify: Option<Verify>,
    /// A PEM file with certificates of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy that calls go through. It may have a password in it.
    pub proxy: Option<SecretString>,
    /// Whether HTTP/2 is spoken without asking first.
    #[serde(default)]
    pub http2: bool,
}

/// 410 says "was here and is gone" (RFC 9110 §15.5.11). 404 also answers a wrong base path, so it must be asked for.
fn default_gone() -> Vec<Gone> {
    vec![Gone::Status(410)]
}

/// What is wrong in here is said without repeating it: it may be a credential.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, TextTemplate>, D::Error> {
    let Value::Object(values) = Value::deserialize(deserializer)? else {
        return Err(Error::custom("expected a table of names and texts"));
    };
    let text = |(name, value)| match value {
        Value::String(text) => match TextTemplate::try_from(text) {
            Ok(text) => Ok((name, text)),
            Err(why) => Err(Error::custom(format!(".{name}: {why}"))),
        },
        _ => Err(Error::custom(format!(".{name}: expected a text"))),
    };
    values.into_iter().map(text).collect()
}

type Mistake = (&'static str, String);

impl Http {
    /// The columns that the request is made of, each with the setting that names it.
    pub(super) fn uses(&self) -> Vec<(&'static str, &str)> {
        let mut uses: Vec<_> = self.url.columns().map(|column| ("url", column)).collect();
        uses.extend(self.query.values().flat_map(TextTemplate::columns).map(|column| ("query", column)));
        uses.extend(self.headers.values().flat_map(TextTemplate::columns).map(|column| ("headers", column)));
        uses.extend(self.body.iter().flat_map(JsonTemplate::columns).map(|column| ("body", column)));
        uses.extend(self.verify.iter().flat_map(|verify| verify.url.columns()).map(|column| ("verify.url", column)));
        uses
    }

    /// The columns that a look at the twin is made of.
    pub(super) fn place_columns(&self) -> Vec<&str> {
        let headers = self.headers.values().flat_map(TextTemplate::columns);
        match &self.verify {
            Some(verify) => verify.url.columns().chain(headers).collect(),
            None => self.url.columns().collect(),
        }
    }

    /// The columns that name the twin in the call, and those that name it in the look.
    pub(super) fn twin_columns(&self) -> Vec<Vec<&str>> {
        let of_call = self.uses().into_iter().filter(|(setting, _)| ["url", "query", "body"].contains(setting));
        let of_call = of_call.map(|(_, column)| column).collect();
        let of_look = self.verify.iter().map(|verify| verify.url.columns().collect());
        [of_call].into_iter().chain(of_look).collect()
    }

    /// The first mistake: the key below the target, and what is wrong.
    pub(in crate::config) fn validate(&self) -> Result<(), Mistake> {
        let good = |good: bool, key: &'static str, why: &str| if good { Ok(()) } else { Err((key, why.to_owned())) };
        if let Some(success) = &self.success {
            let statuses = !success.is_empty() && success.iter().all(|status| (200..300).contains(status));
            good(statuses, "success", "expected statuses from 200 to 299: others do not say that it is done")?;
        }
        for gone in &self.gone {
            if let Gone::Reason(gone) = gone {
                let status = matches!(gone.status, 200..=299 | 400..=499) && ![401, 408, 429].contains(&gone.status);
                good(
                    status,
                    "gone",
                    "with a reason: expected statuses from 200 to 299 and from 400 to 499, but not 401, 408 and 429",
                )?;
                good(!gone.reason.is_empty(), "gone", "expected a reason that is not empty")?;
            }
        }
        if let Some(verify) = &self.verify {
            good(
                !verify.status.is_empty() || verify.when.is_some(),
                "verify",
                "expected `status`, `when` or both: what says that it is gone?",
            )?;
            let statuses = verify
                .status
                .iter()
                .all(|status| (200..500).contains(status) && ![401, 403, 408, 429].contains(status));
            good(
                statuses,
                "verify.status",
                "expected statuses from 200 to 499 that speak of the object: not 401, 403, 408 and 429",
            )?;
        }
        let authorization = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        let sends_it = self.auth.as_ref().is_some_and(|auth| !matches!(auth, Auth::Webhook(_)));
        good(!(authorization && sends_it), "auth", "`headers` has an Authorization already")?;
        if let Some(proxy) = &self.proxy {
            let proxy = Url::parse(proxy.expose_secret()).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
            good(proxy.is_some_and(|url| url.has_host()), "proxy", "expected an http:// or https:// URL")?;
        }
        Ok(())
    }

    /// The statuses of which any answer means "already deleted".
    pub(in crate::config) fn gone_statuses(&self) -> Vec<u16> {
        let status = |gone: &Gone| match gone {
            Gone::Status(status) => Some(*status),
            Gone::Reason(_) => None,
        };
        self.gone.iter().filter_map(status).collect()
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
            ("success = []", "targets[0].success: expected statuses from 200 to 299"),
            ("success = [404]", "targets[0].success"),
            ("success_when = { pointer = 'deleted', equals = true }", "targets[0].success_when.pointer"),
            ("success_when = { pointer = '/d', equal = true }", "equal"),
            ("gone = [500]", "targets[0].gone: 500"),
            ("gone = ['404']", "targets[0].gone[0]: expected a status"),
            ("gone = [{ status = 401, reason = 'x' }]", "targets[0].gone: with a reason"),
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

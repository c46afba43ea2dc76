//! Requests made from a row: nothing is sent unless every part of it is what the templates' author meant.

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;
use sexton_core::{
    config::{Method as Token, Verify},
    outcome::{Failure, Outcome},
    template::{BadTemplate, Values},
};

use super::{Http, Request};
use crate::connector::exchange::rejected;

impl Http {
    /// The call that deletes.
    pub(super) fn request(&self, row: &Values) -> Result<Request, Outcome> {
        let settings = &self.settings;
        let mut url = settings.url.render(row).map_err(bad)?;
        for (name, value) in &settings.query {
            let value = value.render(row).map_err(bad)?;
            url.query_pairs_mut().append_pair(name, value.expose_secret());
        }
        let mut headers = self.headers(row)?;
        let body = settings.body.as_ref().map(|body| body.render(row)).transpose().map_err(bad)?;
        if body.is_some() {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        Ok(Request { method: method(&settings.method)?, url, headers, body })
    }

    /// The call that looks.
    pub(super) fn look_for(&self, verify: &Verify, row: &Values) -> Result<Request, Outcome> {
        let url = verify.url.render(row).map_err(bad)?;
        Ok(Request { method: method(&verify.method)?, url, headers: self.headers(row)?, body: None })
    }

    fn headers(&self, row: &Values) -> Result<HeaderMap, Outcome> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.settings.headers {
            let value = value.render_header(row).map_err(bad)?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| rejected(None, "bad_request"))?;
            let value = HeaderValue::from_bytes(value.expose_secret().as_bytes());
            let mut value = value.map_err(|_| rejected(None, "bad_request"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

fn method(method: &Token) -> Result<Method, Outcome> {
    Method::from_bytes(method.as_str().as_bytes()).map_err(|_| rejected(None, "bad_request"))
}

fn bad(why: BadTemplate) -> Outcome {
    Outcome::BadTemplate(Failure { status: None, reason: why.to_string() })
}

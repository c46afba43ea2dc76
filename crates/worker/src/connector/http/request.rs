//! Requests made from a row: nothing is sent unless every part of it is what the templates' author meant.

use reqwest::{
    Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::ExposeSecret;
use sexton_core::{
    config::{Method as Token, Verify},
    outcome::Outcome,
    template::{Values, refuse_empty},
};

use super::{HttpConnector, OutgoingRequest};
use crate::connector::{
    exchange::rejected,
    headers::{bad_template, render_headers},
};

impl HttpConnector {
    /// The call that deletes.
    pub(super) fn request(&self, row: &Values) -> Result<OutgoingRequest, Outcome> {
        let settings = &self.settings;
        refuse_empty(settings.columns_beside_the_path(), row, &settings.allow_empty).map_err(bad_template)?;
        let mut url = settings.url.render(row).map_err(bad_template)?;
        for (name, value) in &settings.query {
            let value = value.render(row).map_err(bad_template)?;
            url.query_pairs_mut().append_pair(name, value.expose_secret());
        }
        let mut headers = render_headers(&settings.headers, row)?;
        let body = settings.body.as_ref().map(|body| body.render(row)).transpose().map_err(bad_template)?;
        if body.is_some() {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        let method = method(&settings.method)?;
        if body.is_none() {
            say_empty(&method, &mut headers);
        }
        Ok(OutgoingRequest { method, url, headers, body, is_harmless: false })
    }

    /// The call that looks.
    pub(super) fn look_for(&self, verify: &Verify, row: &Values) -> Result<OutgoingRequest, Outcome> {
        let settings = &self.settings;
        refuse_empty(settings.look_columns_beside_the_path(), row, &settings.allow_empty).map_err(bad_template)?;
        let url = verify.url.render(row).map_err(bad_template)?;
        Ok(OutgoingRequest {
            method: method(&verify.method)?,
            url,
            headers: render_headers(&self.settings.headers, row)?,
            body: None,
            is_harmless: true,
        })
    }
}

/// A request whose method expects content says that it has none (RFC 9110 §8.6); servers may refuse it otherwise with
/// 411.
fn say_empty(method: &Method, headers: &mut HeaderMap) {
    if [Method::POST, Method::PUT, Method::PATCH].contains(method) {
        headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
    }
}

fn method(method: &Token) -> Result<Method, Outcome> {
    Method::from_bytes(method.as_str().as_bytes()).map_err(|_| rejected(None, "bad_request"))
}

//! Headers made from a row, for connectors that take them from the settings.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use sexton_core::{
    outcome::{Failure, Outcome},
    template::{BadTemplate, TextTemplate, Values},
};

use super::exchange::rejected;

/// Fills a row's values into headers. They often carry credentials, so none of them is ever printed.
///
/// # Errors
/// [`Outcome::BadTemplate`] for a value that no header may carry, [`Outcome::Rejected`] for what is no header.
pub(super) fn render_headers(templates: &BTreeMap<String, TextTemplate>, row: &Values) -> Result<HeaderMap, Outcome> {
    let mut headers = HeaderMap::new();
    for (name, value) in templates {
        let value = value.render_header(row).map_err(bad_template)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| rejected(None, "bad_request"))?;
        let value = HeaderValue::from_bytes(value.expose_secret().as_bytes());
        let mut value = value.map_err(|_| rejected(None, "bad_request"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The outcome of a row that gives no request.
pub(super) fn bad_template(why: BadTemplate) -> Outcome {
    Outcome::BadTemplate(Failure { status: None, reason: why.to_string() })
}

//! JSON bodies whose strings may hold `{column}`.
//!
//! A value is put into a string of the document, never into its text. So it cannot become a member, a number or the end
//! of its string.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::{BadTemplate, InvalidTemplate, TextTemplate, Values};

/// A JSON document with placeholders in its strings. Names of members are literal.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub struct JsonTemplate(JsonNode);

#[derive(Debug, Clone)]
enum JsonNode {
    Text(TextTemplate),
    /// A number or a truth value: no row chooses it, and no credential is one.
    Literal(Value),
    Array(Vec<JsonNode>),
    Object(BTreeMap<String, JsonNode>),
}

impl TryFrom<Value> for JsonTemplate {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Object(_) | Value::Array(_) => JsonNode::try_from(value).map(Self).map_err(|why| why.to_string()),
            _ => Err("expected a table, or an array: it is sent as JSON".to_owned()),
        }
    }
}

impl TryFrom<Value> for JsonNode {
    type Error = InvalidTemplate;

    fn try_from(value: Value) -> Result<Self, InvalidTemplate> {
        Ok(match value {
            Value::String(text) => Self::Text(text.try_into()?),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::try_from).collect::<Result<_, _>>()?),
            Value::Object(members) => Self::Object(
                members.into_iter().map(|(name, value)| Ok((name, value.try_into()?))).collect::<Result<_, _>>()?,
            ),
            other => Self::Literal(other),
        })
    }
}

impl JsonTemplate {
    /// The columns the document uses, as often as it uses them.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        self.0.columns()
    }

    /// The names of all members, which are literal.
    #[must_use]
    pub fn members(&self) -> Vec<&str> {
        self.0.members()
    }

    /// The document for a row, as it is sent.
    ///
    /// # Errors
    /// [`BadTemplate::NullInRequest`] for a null: a request without the value is not the one that was meant.
    pub fn render(&self, values: &Values) -> Result<Vec<u8>, BadTemplate> {
        Ok(self.0.render(values)?.to_string().into_bytes())
    }
}

impl JsonNode {
    fn columns(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.columns().collect(),
            Self::Literal(_) => Vec::new(),
            Self::Array(items) => items.iter().flat_map(Self::columns).collect(),
            Self::Object(members) => members.values().flat_map(Self::columns).collect(),
        }
    }

    fn members(&self) -> Vec<&str> {
        match self {
            Self::Text(_) | Self::Literal(_) => Vec::new(),
            Self::Array(items) => items.iter().flat_map(Self::members).collect(),
            Self::Object(members) => {
                let below = members.values().flat_map(Self::members);
                members.keys().map(String::as_str).chain(below).collect()
            }
        }
    }

    fn render(&self, values: &Values) -> Result<Value, BadTemplate> {
        Ok(match self {
            Self::Text(text) => Value::String(text.render(values)?.expose_secret().to_owned()),
            Self::Literal(value) => value.clone(),
            Self::Array(items) => items.iter().map(|item| item.render(values)).collect::<Result<_, _>>()?,
            Self::Object(members) => {
                let member = |(name, node): (&String, &Self)| Ok((name.clone(), node.render(values)?));
                Value::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::growth::assert_linear;

    fn template(value: Value) -> JsonTemplate {
        JsonTemplate::try_from(value).unwrap()
    }

    fn row(value: Option<&str>) -> Values {
        Values::from([("id".to_owned(), value.map(str::to_owned))])
    }

    #[test]
    fn strings_hold_values_and_the_rest_stays() {
        let body = template(json!({"objectId": "{id}", "n": [1, true, "a-{id}"], "{id}": 1.5}));
        assert_eq!(body.columns(), ["id", "id"]);
        let sent: Value = serde_json::from_slice(&body.render(&row(Some("7"))).unwrap()).unwrap();
        assert_eq!(sent, json!({"objectId": "7", "n": [1, true, "a-7"], "{id}": 1.5}));
        assert_eq!(body.render(&row(None)), Err(BadTemplate::NullInRequest("id".into())));
    }

    #[test]
    fn only_documents_are_bodies() {
        for bad in [json!("{id}"), json!(1), json!(null)] {
            assert!(JsonTemplate::try_from(bad.clone()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_value_stays_in_its_string(value in "\\PC*|[\"\\\\{}\\x00-\\x1f]{0,8}") {
            let body = template(json!({"a": "<{id}>", "b": 1})).render(&row(Some(&value))).unwrap();
            let sent: Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(sent, json!({"a": format!("<{value}>"), "b": 1}));
        }
    }

    #[test]
    fn cost_of_a_body_grows_with_its_values_and_its_document_alone() {
        let body = template(json!({"a": "{id}"}));
        assert_linear(
            "JSON of a value",
            |n| row(Some(&"\"\u{1}".repeat(n / 2))),
            |row| assert!(body.render(row).is_ok()),
        );
        let many = |n: usize| template(Value::from(vec!["{id}"; n / 8]));
        assert_linear("JSON of a document", many, |body| assert!(body.render(&row(Some("x"))).is_ok()));
    }
}

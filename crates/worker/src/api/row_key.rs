//! Keys as clients write them.

use serde::Deserialize;
use serde_json::{Number, Value};
use sexton_core::{catalog::Table, key::Key};
use utoipa::ToSchema;

use super::problem::Problem;

/// A row's key: its value, or for a composite key an array with a value for each column, in configured order. A whole
/// number that does not fit into 64 bits is written as a string.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(example = json!(42))]
pub(super) enum RowKey {
    /// A value, or a composite key as the answers have it.
    One(KeyValue),
    /// The values of a composite key.
    Many(Vec<KeyValue>),
}

/// A string or a whole number.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum KeyValue {
    /// A text, a UUID, or a number in decimal.
    Text(String),
    /// A number.
    #[schema(value_type = i64)]
    Number(Number),
}

impl KeyValue {
    fn json(&self) -> Result<Value, String> {
        match self {
            Self::Text(text) => Ok(Value::String(text.clone())),
            Self::Number(number) if number.is_i64() || number.is_u64() => Ok(Value::String(number.to_string())),
            Self::Number(number) => Err(format!("{number} is not a whole number of 64 bits; write it as a string")),
        }
    }
}

/// The key for a table; `field` names where in the request it is.
pub(super) fn read_key(table: &Table, field: &str, key: &RowKey) -> Result<Key, Problem> {
    let text = match key {
        RowKey::One(value) => value.json().map(|value| value.as_str().unwrap_or_default().to_owned()),
        RowKey::Many(_) if table.key.len() == 1 => {
            Err(format!("the key of {} is one column: expected a string or a whole number", table.name))
        }
        RowKey::Many(values) => values
            .iter()
            .map(KeyValue::json)
            .collect::<Result<Vec<_>, _>>()
            .map(|values| Value::from(values).to_string()),
    };
    let key = text.and_then(|text| table.parse_key(&text).map_err(|error| error.to_string()));
    key.map_err(|why| Problem::field(field, why))
}

//! The key of a row, as text that is the same wherever it came from.
//!
//! A key is kept as the database prints it; a composite key is a JSON array of such texts in configured order. Reading
//! one takes time proportional to its length.

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::column::{Column, KeyType};

/// A key that fits its table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    parts: Vec<String>,
}

/// A text that cannot be a key of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a key: {why}")]
pub struct InvalidKey {
    text: String,
    why: String,
}

impl Key {
    /// Reads a key: the value itself, or for a composite key a JSON array with one string or number per column.
    ///
    /// # Errors
    /// [`InvalidKey`] with the reason.
    pub fn parse(text: &str, columns: &[(Column, KeyType)]) -> Result<Self, InvalidKey> {
        let invalid = |why: String| InvalidKey { text: text.to_owned(), why };
        let parts = match columns {
            [_] => vec![text.to_owned()],
            _ => {
                let names: Vec<_> = columns.iter().map(|(column, _)| column.name.as_str()).collect();
                let shape = || invalid(format!("expected a JSON array with a value for each of {}", names.join(", ")));
                let values: Vec<Value> = serde_json::from_str(text).map_err(|_| shape())?;
                let parts: Option<Vec<String>> = values
                    .into_iter()
                    .map(|value| match value {
                        Value::String(text) => Some(text),
                        Value::Number(number) => Some(number.to_string()),
                        _ => None,
                    })
                    .collect();
                parts.filter(|parts| parts.len() == columns.len()).ok_or_else(shape)?
            }
        };
        let typed = parts.iter().zip(columns).map(|(part, (column, kind))| canonical(part, column, *kind));
        Ok(Self { parts: typed.collect::<Result<_, _>>().map_err(invalid)? })
    }

    /// The parts, in the order of the key columns.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The array of records that a statement takes for these keys.
    #[must_use]
    pub fn records<'k>(keys: impl IntoIterator<Item = &'k Self>) -> Value {
        keys.into_iter()
            .map(|key| {
                let mut record = Map::new();
                key.write(&mut record);
                Value::Object(record)
            })
            .collect()
    }

    /// The parts as values to bind: `@key0`, `@key1`, …
    #[must_use]
    pub fn values(&self) -> Vec<(String, sea_orm::Value)> {
        let parts = self.parts.iter().enumerate();
        parts.map(|(n, part)| (format!("key{n}"), part.as_str().into())).collect()
    }

    /// Adds the parts to a JSON record as `k0`, `k1`, ….
    pub fn write(&self, record: &mut Map<String, Value>) {
        for (n, part) in self.parts.iter().enumerate() {
            record.insert(format!("k{n}"), Value::String(part.clone()));
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parts[..] {
            [one] => f.write_str(one),
            many => f.write_str(&Value::from(many.to_vec()).to_string()),
        }
    }
}

/// The text as the database would print the value it stands for.
fn canonical(text: &str, column: &Column, kind: KeyType) -> Result<String, String> {
    let name = &column.name;
    match kind {
        KeyType::Text if text.contains('\0') && !column.dialect().can_store_nul() => {
            Err(format!("column {name} cannot hold a NUL character"))
        }
        KeyType::Text if column.is_padded() => Ok(text.trim_end_matches(' ').to_owned()),
        KeyType::Text => Ok(text.to_owned()),
        KeyType::Uuid => Uuid::parse_str(text)
            .map(|uuid| uuid.hyphenated().to_string())
            .map_err(|_| format!("column {name} is a UUID")),
        KeyType::Integer => {
            let number: i64 = text.parse().map_err(|_| format!("column {name} is a whole number"))?;
            let fits = match column.base_type.as_str() {
                "smallint" => i16::try_from(number).is_ok(),
                "integer" => !column.dialect().has_strict_types() || i32::try_from(number).is_ok(),
                _ => true,
            };
            if fits { Ok(number.to_string()) } else { Err(format!("{number} is out of range for column {name}")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::Dialect, growth::assert_linear};

    fn column(kind: KeyType) -> (Column, KeyType) {
        let column = Column {
            name: "id".to_owned(),
            type_name: "text".to_owned(),
            base_type: "text".to_owned(),
            not_null: true,
            generated: false,
            computed_as: None,
            loose_collation: None,
            text_function: None,
            zone: None,
            dialect: Dialect::Postgres,
        };
        (column, kind)
    }

    #[test]
    fn cost_of_a_key_grows_with_its_length_alone() {
        for kind in [KeyType::Text, KeyType::Uuid, KeyType::Integer] {
            let one = [column(kind)];
            assert_linear(&format!("key: {kind:?}"), |n| "1".repeat(n), |text| Key::parse(text, &one).is_ok());
            let two = [column(kind), column(kind)];
            let array = |n: usize| format!("[\"{}\",1]", "\\n".repeat(n / 2));
            assert_linear(&format!("composite key: {kind:?}"), array, |text| Key::parse(text, &two).is_ok());
            let many = |n: usize| format!("[{}1]", "1,".repeat(n / 2));
            assert_linear(&format!("key of many parts: {kind:?}"), many, |text| Key::parse(text, &two).is_ok());
        }
    }
}

//! Settings that are the same for every row. Braces in them would be sent as they are, and name no column.

use serde_json::Value;

use super::BodyCondition;
use crate::config::check::{InvalidSetting, ensure};

/// Refuses a text with something like `{column}` in it.
pub(super) fn ensure_literal(path: &str, text: &str) -> Result<(), InvalidSetting> {
    let found = column_in(text);
    ensure(found.is_none(), path, || {
        format!("`{{{}}}` names no column here: this setting is the same for every row", found.unwrap_or_default())
    })
}

/// The same for a condition on a body, at any depth.
pub(super) fn ensure_literal_condition(path: &str, condition: &BodyCondition) -> Result<(), InvalidSetting> {
    ensure_literal(&format!("{path}.pointer"), condition.pointer.as_str())?;
    ensure_literal_value(&format!("{path}.equals"), &condition.equals)
}

fn ensure_literal_value(path: &str, value: &Value) -> Result<(), InvalidSetting> {
    match value {
        Value::String(text) => ensure_literal(path, text),
        Value::Array(items) => items.iter().try_for_each(|item| ensure_literal_value(path, item)),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            ensure_literal(path, name)?;
            ensure_literal_value(path, value)
        }),
        _ => Ok(()),
    }
}

fn column_in(text: &str) -> Option<&str> {
    let is_name = |text: &&str| {
        text.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && text.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).find(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_is_a_name_in_braces() {
        for (text, found) in [("{id}", Some("id")), ("a {{b_1} c", Some("b_1")), ("{ü}", Some("ü"))] {
            assert_eq!(column_in(text), found, "{text}");
        }
        for text in ["", "{}", "{", "a}b{c", "{\"a\":1}", "{1}", "{a b}"] {
            assert_eq!(column_in(text), None, "{text}");
        }
    }
}

//! Reading a row's key out of its model or active model.

use sea_orm::{EntityTrait, IdenStatic, Iterable, Value, sea_query::OptionEnum};
use sexton_core::{
    catalog::{KeyType, Table},
    db::Dialect,
    key::Key,
};
use uuid::Uuid;

use crate::Error;

/// The values of the configured key columns, in configured order. `value_of` gives a column's value, or says why it has
/// none.
pub(crate) fn key_of<E: EntityTrait>(
    table: &Table,
    value_of: impl Fn(E::Column) -> Result<Value, &'static str>,
) -> Result<Key, Error> {
    let resource = || table.name.to_string();
    let mut parts = Vec::with_capacity(table.key.len());
    for (column, kind) in &table.key {
        let named = |c: &E::Column| same(table.dialect, c.as_str(), &column.name);
        let found = E::Column::iter().find(named).ok_or_else(|| Error::MissingKeyColumn {
            resource: resource(),
            table: E::default().table_name().to_owned(),
            column: column.name.clone(),
        })?;
        let part = value_of(found).and_then(|value| text(value, *kind));
        let refused = |value| Error::KeyValue { resource: resource(), column: column.name.clone(), value };
        parts.push(part.map_err(refused)?);
    }
    let text = match &mut parts[..] {
        [one] => std::mem::take(one),
        _ => serde_json::Value::from(parts).to_string(),
    };
    table.parse_key(&text).map_err(|source| Error::InvalidKey { resource: resource(), source })
}

fn same(dialect: Dialect, one: &str, other: &str) -> bool {
    match dialect {
        Dialect::Postgres => one == other,
        Dialect::Sqlite => one.eq_ignore_ascii_case(other),
    }
}

/// The value as the database prints it, or what kind of value it is if it cannot be part of a key.
fn text(value: Value, kind: KeyType) -> Result<String, &'static str> {
    let text = match value {
        Value::TinyInt(n) => n.map(|n| n.to_string()),
        Value::SmallInt(n) => n.map(|n| n.to_string()),
        Value::Int(n) => n.map(|n| n.to_string()),
        Value::BigInt(n) => n.map(|n| n.to_string()),
        Value::TinyUnsigned(n) => n.map(|n| n.to_string()),
        Value::SmallUnsigned(n) => n.map(|n| n.to_string()),
        Value::Unsigned(n) => n.map(|n| n.to_string()),
        Value::BigUnsigned(n) => n.map(|n| n.to_string()),
        Value::String(text) => text,
        Value::Char(c) => c.map(String::from),
        Value::Enum(OptionEnum::Some(value)) => Some(value.value.into_owned()),
        Value::Enum(OptionEnum::None(_)) => None,
        Value::Uuid(uuid) => uuid.map(|uuid| uuid.to_string()),
        // How some applications keep UUIDs.
        Value::Bytes(Some(bytes)) if kind == KeyType::Uuid => {
            Some(Uuid::from_slice(&bytes).map_err(|_| "not 16 bytes long")?.to_string())
        }
        Value::Bytes(None) => None,
        Value::Bytes(_) => return Err("binary"),
        Value::Bool(_) => return Err("a truth value"),
        Value::Float(_) | Value::Double(_) => return Err("a floating-point number"),
        Value::Json(_) => return Err("JSON"),
        _ => return Err("of another type"),
    };
    text.ok_or("null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_the_text_that_the_database_prints() {
        let uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let printed = "01234567-89ab-cdef-0123-456789abcdef".to_owned();
        let cases = [
            (Value::from(-7_i16), KeyType::Integer, Ok("-7".to_owned())),
            (Value::from(i64::MAX), KeyType::Integer, Ok(i64::MAX.to_string())),
            (Value::from(u64::MAX), KeyType::Integer, Ok(u64::MAX.to_string())),
            (Value::from("a'\"%/..\u{e9}"), KeyType::Text, Ok("a'\"%/..\u{e9}".to_owned())),
            (Value::from('x'), KeyType::Text, Ok("x".to_owned())),
            (Value::from(uuid), KeyType::Uuid, Ok(printed.clone())),
            (Value::from(uuid.as_bytes().to_vec()), KeyType::Uuid, Ok(printed)),
            (Value::from(vec![1_u8]), KeyType::Uuid, Err("not 16 bytes long")),
            (Value::from(None::<i64>), KeyType::Integer, Err("null")),
            (Value::from(true), KeyType::Integer, Err("a truth value")),
            (Value::from(1.5), KeyType::Integer, Err("a floating-point number")),
        ];
        for (value, kind, expected) in cases {
            assert_eq!(text(value.clone(), kind), expected, "{value:?}");
        }
    }
}

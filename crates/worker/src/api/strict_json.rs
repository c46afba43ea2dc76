//! JSON in which no object has two members of the same name. Of such an object one reader takes the first and another
//! the last (RFC 8259 §4): a proxy that checks a request before it comes here might have seen another one.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// A value whose objects have no duplicate members.
#[derive(Debug)]
pub(super) struct StrictJson(pub(super) Value);

impl<'de> Deserialize<'de> for StrictJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(StrictJson(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, StrictJson(value))) = members.next_entry::<String, StrictJson>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("an object has two members of the same name"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    fn read(text: &str) -> Result<Value, serde_json::Error> {
        serde_json::from_str(text).map(|StrictJson(value)| value)
    }

    #[test]
    fn everything_but_duplicate_members_is_read_as_ever() {
        let text = r#"{"a":[1,-2,1.5,18446744073709551615,true,null,"ä\n"],"b":{"a":{}},"":[]}"#;
        assert_eq!(read(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        for twice in [r#"{"a":1,"a":1}"#, r#"[{"a":{"b":1,"b":2}}]"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(read(twice).unwrap_err().to_string().contains("two members"), "{twice}");
        }
        let members = |n: usize| {
            let members: Vec<String> = (0..n / 10).map(|n| format!("\"m{n:06}\":1")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_linear("JSON of a request", members, |text| assert!(read(text).is_ok()));
    }
}

//! Tables of named text templates, such as `headers = { X-Id = "{id}" }`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::TextTemplate;

/// Reads such a table. No message repeats a text: it may be a credential.
pub(crate) fn deserialize_text_templates<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, TextTemplate>, D::Error> {
    let Value::Object(values) = Value::deserialize(deserializer)? else {
        return Err(Error::custom("expected a table of names and texts"));
    };
    let template = |(name, value)| match value {
        Value::String(text) => match TextTemplate::try_from(text) {
            Ok(template) => Ok((name, template)),
            Err(why) => Err(Error::custom(format!(".{name}: {why}"))),
        },
        _ => Err(Error::custom(format!(".{name}: expected a text"))),
    };
    values.into_iter().map(template).collect()
}

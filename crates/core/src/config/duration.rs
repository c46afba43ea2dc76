//! Durations as people write them: "30s", "25ms", "3d"; and as milliseconds.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// A duration in a configuration file, for example `"1h 30m"` (the grammar of the `humantime` crate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text(pub(super) Duration);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in quotes, such as \"30s\" or \"3d\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        humantime::parse_duration(text)
            .map(Text)
            .map_err(|why| E::custom(format!("`{text}` is not a duration such as \"30s\" or \"3d\": {why}")))
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    humantime::format_duration(*duration).to_string().serialize(serializer)
}

/// The same for a setting that may be left out.
pub(super) mod option {
    use super::{Deserialize, Deserializer, Duration, Text};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        Option::<Text>::deserialize(d).map(|text| text.map(|text| text.0))
    }
}

/// Milliseconds, at most a hundred years: a `Retry-After` of an external system may say anything, and a time that a
/// database cannot hold would fail a whole batch.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    const MOST: i64 = 100 * 365 * 24 * 60 * 60 * 1000;
    i64::try_from(duration.as_millis()).map_or(MOST, |ms| ms.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_duration_is_longer_than_a_database_can_add() {
        assert_eq!(millis(Duration::from_millis(1500)), 1500);
        assert_eq!(millis(Duration::from_secs(u64::MAX)), millis(Duration::MAX));
    }
}

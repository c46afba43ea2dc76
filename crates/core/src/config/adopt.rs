//! `adopt`: what becomes of rows that carry their marker although no deletion of them was requested.

use serde::Deserialize;

use super::{
    Resource,
    check::{InvalidSetting, ensure},
};

/// What the sweep `adopt` does with such rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptMode {
    /// They are not looked for.
    Off,
    /// They are counted. A team with years of soft-deleted rows loses none by starting Sexton.
    #[default]
    Report,
    /// Their deletion is requested.
    On,
}

pub(super) fn validate(path: &str, resource: &Resource) -> Result<(), InvalidSetting> {
    let at = |key: &str| format!("{path}.{key}");
    let on = resource.adopt == AdoptMode::On;
    let limited = resource.adopt_since.is_some() || resource.adopt_all;
    ensure(!on || limited, &at("adopt"), || {
        "\"on\" deletes every row that was ever marked: say from when on with adopt_since = \"2026-01-01T00:00:00Z\", \
         or adopt_all = true"
            .to_owned()
    })?;
    ensure(!(resource.adopt_since.is_some() && resource.adopt_all), &at("adopt_since"), || {
        "it is of no use with adopt_all = true".to_owned()
    })?;
    let Some(since) = &resource.adopt_since else { return Ok(()) };
    ensure(humantime::parse_rfc3339(since).is_ok(), &at("adopt_since"), || {
        format!("`{since}` is not a time such as \"2026-01-01T00:00:00Z\" (RFC 3339, UTC)")
    })?;
    let times = resource.markers().any(|marker| marker.value.is_none());
    ensure(times, &at("adopt_since"), || {
        "no marker of this resource says when it was set: only adopt_all = true can adopt its rows".to_owned()
    })
}

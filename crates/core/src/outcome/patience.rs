//! How long a target asks to be spared, in the forms in which targets say so.

use std::time::{Duration, SystemTime};

/// A number of seconds above this is a time of the Unix epoch, in seconds.
const EPOCH_SECONDS: f64 = 1e9;
/// A number above this is a time of the Unix epoch, in milliseconds.
const EPOCH_MILLISECONDS: f64 = 1e11;
/// Stands for a time that the answer does not name.
pub(super) const UNSAID: &str = "later";

/// What the headers of an answer ask for, as text for [`retry_after`]; none if they ask for nothing.
///
/// - `Retry-After` (RFC 9110 §10.2.3), or `Retry-After-Ms` and `x-ms-retry-after-ms` (Azure) in milliseconds;
/// - with 429, or if nothing remains of the quota: `RateLimit-Reset` and `RateLimit`
///   (draft-ietf-httpapi-ratelimit-headers), `X-RateLimit-Reset` and `X-Rate-Limit-Reset` (GitHub, Okta and others).
///   With any other answer they are mere information.
#[must_use]
pub fn asked_patience<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>) -> Option<String> {
    let first = |names: &[&str]| names.iter().find_map(|name| header(name).map(str::trim));
    let milliseconds = first(&["retry-after-ms", "x-ms-retry-after-ms"]).and_then(|ms| ms.parse::<f64>().ok());
    if let Some(ms) = milliseconds.filter(|ms| *ms >= 0.0) {
        return Some((ms / 1000.0).to_string());
    }
    if let Some(said) = first(&["retry-after"]) {
        return Some(said.to_owned());
    }
    let in_list = |names: &[&str]| header("ratelimit").and_then(|list| parameter(list, names));
    let remaining = first(&["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"]);
    let is_used_up = remaining.or_else(|| in_list(&["r", "remaining"])).is_some_and(|left| left == "0");
    if status != 429 && !is_used_up {
        return None;
    }
    let reset = first(&["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"]);
    let reset = reset.or_else(|| in_list(&["t", "reset"])).map(str::to_owned);
    reset.or_else(|| is_used_up.then(|| UNSAID.to_owned()))
}

/// A parameter of `"default";r=0;t=30` or `limit=100, remaining=0, reset=30`.
fn parameter<'l>(list: &'l str, names: &[&str]) -> Option<&'l str> {
    let pairs = list.split([';', ',']).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value)
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or an HTTP date that is compared with `now`. Fractions are read as
/// well, and so is a time of the Unix epoch, which some send instead of seconds. A date in the past is no delay;
/// anything else is ignored.
#[must_use]
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let is_number =
        value.starts_with(|c: char| c.is_ascii_digit()) && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_number {
        let number: f64 = value.parse().ok()?;
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let seconds = match number {
            n if n >= EPOCH_MILLISECONDS => n / 1000.0 - since_epoch,
            n if n >= EPOCH_SECONDS => n - since_epoch,
            n => n,
        };
        return Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let secs = Duration::from_secs;
        assert_eq!(retry_after("120", now), Some(secs(120)));
        assert_eq!(retry_after("1.5", now), Some(Duration::from_millis(1500)));
        assert_eq!(retry_after("Wed, 21 Oct 2026 07:28:30 GMT", now), Some(secs(30)));
        assert_eq!(retry_after("Wed, 21 Oct 2026 07:27:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after(&(epoch + 42).to_string(), now), Some(secs(42)));
        assert_eq!(retry_after(&(epoch * 1000 + 42_000).to_string(), now), Some(secs(42)));
        assert_eq!(retry_after(&(epoch - 42).to_string(), now), Some(Duration::ZERO));
        assert!(retry_after("99999999999999999999999999", now) > Some(secs(1 << 50)));
        for bad in ["", "-1", "soon", ".", "1.2.3"] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn quotas_say_when_they_are_renewed() {
        let asked = |status, headers: &[(&str, &'static str)]| {
            asked_patience(status, |name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
        };
        assert_eq!(asked(503, &[("retry-after", " 7 ")]).as_deref(), Some("7"));
        assert_eq!(asked(429, &[("retry-after-ms", "250"), ("retry-after", "1")]).as_deref(), Some("0.25"));
        for reset in ["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"] {
            assert_eq!(asked(429, &[(reset, "30")]).as_deref(), Some("30"), "{reset}");
        }
        assert_eq!(asked(429, &[("ratelimit", "\"default\";r=0;t=30")]).as_deref(), Some("30"));
        assert_eq!(asked(429, &[("ratelimit", "limit=100, remaining=0, reset=50")]).as_deref(), Some("50"));
        assert_eq!(asked(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")]).as_deref(), Some("9"));
        assert_eq!(asked(403, &[("x-ratelimit-remaining", "0")]).as_deref(), Some(UNSAID));
        assert_eq!(asked(403, &[("x-ratelimit-remaining", "4999"), ("x-ratelimit-reset", "9")]), None);
        assert_eq!(asked(429, &[]), None);
    }

    #[test]
    fn cost_of_headers_grows_with_their_length_alone() {
        let now = SystemTime::now();
        for value in ["1", "1.", "Wed, ", " "] {
            let what = format!("Retry-After of `{value}`");
            assert_linear(&what, |n| value.repeat(n / value.len()), |text| retry_after(text, now));
        }
        for part in ["a=1;", "r=1, ", ";"] {
            let what = format!("RateLimit of `{part}`");
            assert_linear(
                &what,
                |n| part.repeat(n / part.len()),
                |list| asked_patience(429, |name| (name == "ratelimit").then_some(list.as_str())),
            );
        }
    }
}

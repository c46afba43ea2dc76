//! The caller's trace (W3C Trace Context), to be recorded with a deletion.

use axum::http::HeaderMap;

/// Version, trace id, parent id and flags with their hyphens: what every version begins with.
const LENGTH: usize = 55;

/// The `traceparent` of the request. A malformed one is ignored, as its specification wants (§3.2.2, §4.3).
pub(super) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("traceparent").iter();
    let value = values.next()?.to_str().ok()?.trim();
    let known = value.get(..LENGTH)?;
    // A later version may add to it, after a hyphen; version 00 has nothing more.
    let rest = &value[LENGTH..];
    let ends = rest.is_empty() || (rest.starts_with('-') && !known.starts_with("00"));
    let parts: Vec<_> = known.split('-').collect();
    let hex = |part: &&str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let [version, trace, parent, flags] = parts[..] else { return None };
    let lengths = [version, trace, parent, flags].map(str::len) == [2, 32, 16, 2];
    let good = lengths && parts.iter().all(hex) && version != "ff" && !zero(trace) && !zero(parent);
    (ends && good && values.next().is_none()).then(|| known.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(value: &str) -> Option<String> {
        let headers = [(axum::http::HeaderName::from_static("traceparent"), HeaderValue::from_str(value).unwrap())];
        traceparent(&headers.into_iter().collect())
    }

    #[test]
    fn a_well_formed_traceparent_is_kept() {
        assert_eq!(read(GOOD).as_deref(), Some(GOOD));
        let later = GOOD.replacen("00", "cc", 1);
        assert_eq!(read(&format!("{later}-what-the-future-will-be-like")), Some(later));
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        let zeros = ["0".repeat(32), "0".repeat(16)];
        let bad = [
            String::new(),
            "00".to_owned(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros[0]),
            GOOD.replace("00f067aa0ba902b7", &zeros[1]),
            GOOD.replace('-', "_"),
            format!("{GOOD}-01"),
            format!("{GOOD}0"),
        ];
        for bad in bad {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }
}

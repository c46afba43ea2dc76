//! `ETag`s as a condition (RFC 9110 §8.8.3 and §13.1.1).

/// The condition under which an object is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Precondition {
    /// Only if it has this strong `ETag`, quotes included.
    Has(String),
    /// Whatever it is now.
    None,
}

/// The condition that an `ETag` makes. `If-Match` compares strongly, so a weak one never matches and is no condition.
/// Applications often keep `ETag`s without their quotes. None if it is not an `ETag`.
pub(super) fn condition(etag: &str) -> Option<Precondition> {
    let etag = etag.trim();
    let (weak, rest) = etag.strip_prefix("W/").map_or((false, etag), |rest| (true, rest));
    let quoted = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let opaque = match (quoted, weak) {
        (Some(opaque), _) => opaque,
        (None, false) => rest,
        (None, true) => return None,
    };
    let valid = !opaque.is_empty() && opaque.bytes().all(|b| b > 0x20 && b != b'"' && b != 0x7f);
    match (valid, weak) {
        (false, _) => None,
        (true, true) => Some(Precondition::None),
        (true, false) => Some(Precondition::Has(format!("\"{opaque}\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strong_etag_is_a_condition() {
        let has = |etag: &str| Some(Precondition::Has(etag.to_owned()));
        assert_eq!(condition(r#""abc""#), has(r#""abc""#));
        assert_eq!(condition("abc"), has(r#""abc""#));
        assert_eq!(condition(r#"W/"abc""#), Some(Precondition::None));
        for bad in ["", "\"", "\"\"", "a\"b", "a b", "a\nb", "W/abc"] {
            assert_eq!(condition(bad), None, "{bad:?}");
        }
    }
}

//! What a value may say in the path of a URL.

use percent_encoding::percent_decode_str;

/// The most bytes of a value in a path, unless a target says otherwise. Many servers refuse longer URLs (RFC 9110 §4.1
/// asks them for 8,000 bytes in all), and what is looked for in a value costs time.
pub(crate) const LONGEST: usize = 2048;

/// How often a text is decoded.
const DECODINGS: usize = 3;

/// Whether there is a `.` or `..` between slashes, also percent-encoded once or more: servers and proxies differ in how
/// often they decode, and in whether they do so before they resolve dots. None if the text is encoded so often that
/// this cannot be meant.
pub(super) fn has_dot_segment(text: &str) -> Option<bool> {
    let mut text = text.to_owned();
    for _ in 0..=DECODINGS {
        if text.split(['/', '\\']).any(|segment| segment == "." || segment == "..") {
            return Some(true);
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return Some(false);
        }
        text = decoded;
    }
    None
}

/// Whether a value has something that a server would decode, such as `%40`: it may be encoded already.
pub(super) fn has_triplet(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.windows(3).any(|at| at[0] == b'%' && at[1].is_ascii_hexdigit() && at[2].is_ascii_hexdigit())
}

/// Whether a text is a path as it is sent (RFC 3986 §3.3): only characters that stand for themselves, and triplets.
pub(super) fn is_encoded_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b);
    let bytes = text.as_bytes();
    let fits = |(n, b): (usize, &u8)| match b {
        b'%' => bytes.get(n + 1..n + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        b => plain(*b),
    };
    bytes.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    #[test]
    fn dots_are_found_however_often_they_are_encoded_within_reason() {
        let encoded =
            |times: usize| (0..times).fold("..".to_owned(), |text, _| text.replace('%', "%25").replace('.', "%2e"));
        for times in 0..=DECODINGS {
            assert_eq!(has_dot_segment(&encoded(times)), Some(true), "{times}");
        }
        assert_eq!(has_dot_segment(&encoded(DECODINGS + 1)), None);
        assert_eq!(has_dot_segment("100%"), Some(false));
        assert_eq!(has_dot_segment("a%252fb"), Some(false));
    }

    /// However a value is made, it is looked at a fixed number of times.
    #[test]
    fn cost_does_not_grow_with_how_often_a_text_is_encoded() {
        let encoded = |length: usize| format!("%{}2e", "25".repeat(length / 2));
        assert_linear("dot segments", encoded, |text| assert_eq!(has_dot_segment(text), None));
    }

    #[test]
    fn triplets_are_what_a_server_would_decode() {
        for encoded in ["a%40b", "%2F", "100%25", "%aB"] {
            assert!(has_triplet(encoded), "{encoded}");
        }
        for plain in ["", "100%", "100% sure", "%4", "%zz", "a/b"] {
            assert!(!has_triplet(plain), "{plain}");
        }
    }

    #[test]
    fn encoded_path_has_no_character_that_would_have_to_be_encoded() {
        for path in ["/", "/a%40b/c%2Fd;x=1,2/e'f(g)!$&*+:@~_-."] {
            assert!(is_encoded_path(path), "{path}");
        }
        for other in ["/a b", "/ü", "/100%", "/%4", "/%zz", "/a?b", "/a#b", "/a\\b", "/a\nb", "/[a]", "/a\"b"] {
            assert!(!is_encoded_path(other), "{other}");
        }
    }
}

//! What a value may say in the path of a URL.

use percent_encoding::percent_decode_str;

/// Whether there is a `.` or `..` between slashes, also percent-encoded once or more: servers and proxies differ in how often
/// they decode, and in whether they do so before they resolve dots.
pub(super) fn has_dot_segment(text: &str) -> bool {
    let mut text = text.to_owned();
    loop {
        if text.split(['/', '\\']).any(|segment| segment == "." || segment == "..") {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
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

//! Which resource an `href` in an answer is about (RFC 4918 §8.3).
//!
//! Servers resolve names in ways of their own, and some find another object than the one that was asked for. An answer
//! about another object neither confirms nor permits anything.

use percent_encoding::percent_decode_str;
use url::Url;

/// Whether an `href` names the resource that was asked for. Hosts are not compared, because proxies change them.
/// Neither is the `/` at the end of a collection, which servers add (RFC 4918 §5.2).
pub(super) fn names(href: &str, asked: &Url) -> bool {
    path_of(href, asked).is_some_and(|path| path == decoded(asked.path()))
}

/// Whether an `href` may name a resource that was asked for and is not there. Xandikos 0.4.10 encodes such a path once
/// more.
pub(super) fn names_missing(href: &str, asked: &Url) -> bool {
    let sent = asked.path().trim_end_matches('/').as_bytes();
    path_of(href, asked).is_some_and(|path| path == decoded(asked.path()) || path == sent)
}

/// Whether an `href` names the resource that was asked for, or one inside it.
pub(super) fn names_member(href: &str, asked: &Url) -> bool {
    let inside =
        |path: Vec<u8>| path.strip_prefix(&decoded(asked.path())[..]).is_some_and(|rest| rest.first() == Some(&b'/'));
    names(href, asked) || path_of(href, asked).is_some_and(inside)
}

fn path_of(href: &str, asked: &Url) -> Option<Vec<u8>> {
    Some(decoded(asked.join(href).ok()?.path()))
}

/// Decoded once, as a whole: a server that takes `%2F` for a `/` may write it so.
fn decoded(path: &str) -> Vec<u8> {
    percent_decode_str(path.trim_end_matches('/')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    fn asked_url(path: &str) -> Url {
        Url::parse("https://dav.example").unwrap().join(path).unwrap()
    }

    #[test]
    fn same_resource_is_known_in_all_its_spellings() {
        for (href, path) in [
            ("/c/a%40b.ics", "/c/a@b.ics"),
            ("/c/%c3%bc.ics", "/c/%C3%BC.ics"),
            ("/c/ü.ics", "/c/%C3%BC.ics"),
            ("http://behind.a.proxy:8080/c/a.ics", "/c/a.ics"),
            ("/c/", "/c"),
            ("/c", "/c/"),
            ("/c/a/b.ics", "/c/a%2Fb.ics"),
            ("/c/it's%20x.ics", "/c/it%27s%20x.ics"),
        ] {
            assert!(names(href, &asked_url(path)), "{href} {path}");
        }
    }

    #[test]
    fn another_resource_is_another() {
        for (href, path) in [
            ("/c/b.ics", "/c/a.ics"),
            ("/c/its.ics", "/c/it%27s.ics"),
            ("/c/a@b.ics", "/c/a%2540b.ics"),
            ("/c/a%2540b.ics", "/c/a%40b.ics"),
            ("/c/A.ics", "/c/a.ics"),
            ("/c/", "/c/a.ics"),
            ("/c/a", "/c/a%20"),
        ] {
            assert!(!names(href, &asked_url(path)), "{href} {path}");
        }
    }

    #[test]
    fn path_of_what_is_missing_may_be_encoded_once_more() {
        assert!(names_missing("http://h/c/x%2520y.ics", &asked_url("/c/x%20y.ics")));
        assert!(names_missing("/c/x%20y.ics", &asked_url("/c/x%20y.ics")));
        assert!(!names_missing("/c/x@y.ics", &asked_url("/c/x%2540y.ics")));
    }

    #[test]
    fn members_are_what_is_inside() {
        assert!(names_member("/c/a.ics", &asked_url("/c/")) && names_member("/c", &asked_url("/c/")));
        assert!(!names_member("/cd/a.ics", &asked_url("/c/")) && !names_member("/d/a.ics", &asked_url("/c")));
    }

    #[test]
    fn cost_of_an_href_grows_with_its_length_alone() {
        let url = asked_url("/c/a.ics");
        for part in ["/..", "/a%20", "//", "?"] {
            let href = |n: usize| part.repeat(n / part.len());
            assert_linear(&format!("href of `{part}`"), href, |href| names_member(href, &url));
        }
    }
}

//! What S3 says in XML: listings, answers per key, errors.

use std::{borrow::Cow, time::Instant};

use percent_encoding::percent_decode_str;

use super::super::markup::{Element, document};

/// An `Error` document is short; a page need not be read twice to see that it is none.
const LONGEST_ERROR: usize = 64 * 1024;

/// A page of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListingPage {
    pub(super) keys: Vec<String>,
    /// The prefix that was listed, if the answer says it.
    pub(super) prefix: Option<String>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

/// What became of the keys of one `DeleteObjects`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DeletedKeys {
    /// Those that are gone.
    pub(super) gone: Vec<String>,
    /// Those that are not, each with its code.
    pub(super) errors: Vec<(String, String)>,
}

/// Reads a `ListBucketResult` (ListObjectsV2 with `encoding-type=url`). None if it is not one.
pub(super) fn page(body: &[u8], deadline: Instant) -> Option<ListingPage> {
    let root = &named(document(body, deadline)?, "ListBucketResult")?;
    let encoding = KeyEncoding::of_listing(root);
    let keys: Option<Vec<String>> = root
        .children
        .iter()
        .filter(|child| child.name == "Contents")
        .map(|child| encoding.decode(text(child, "Key")?))
        .collect();
    let truncated = text(root, "IsTruncated") == Some("true");
    let prefix = match text(root, "Prefix") {
        Some(prefix) => Some(encoding.decode(prefix)?),
        None => None,
    };
    let next = text(root, "NextContinuationToken").filter(|_| truncated).map(str::to_owned);
    // A page that is not the last and does not say where the next begins is not understood.
    (next.is_some() == truncated).then_some(ListingPage { keys: keys?, prefix, next })
}

/// How a listing writes keys.
#[derive(Clone, Copy)]
enum KeyEncoding {
    Plain,
    /// As forms are encoded: `+` is a space (as boto reads it too).
    Form,
}

impl KeyEncoding {
    fn of_listing(root: &Element) -> Self {
        if text(root, "EncodingType") == Some("url") { Self::Form } else { Self::Plain }
    }

    /// The key as it is. None if what it is encoded from is not UTF-8.
    fn decode(self, key: &str) -> Option<String> {
        match self {
            Self::Plain => Some(key.to_owned()),
            Self::Form => percent_decode_str(&key.replace('+', " ")).decode_utf8().ok().map(Cow::into_owned),
        }
    }
}

/// Reads a `DeleteResult`. None if it is not one, or speaks of an object without its key.
pub(super) fn deleted(body: &[u8], deadline: Instant) -> Option<DeletedKeys> {
    let root = named(document(body, deadline)?, "DeleteResult")?;
    let mut result = DeletedKeys::default();
    for child in &root.children {
        match child.name.as_str() {
            "Deleted" => result.gone.push(text(child, "Key")?.to_owned()),
            "Error" => match (text(child, "Key")?.to_owned(), text(child, "Code")) {
                (key, Some("NoSuchKey")) => result.gone.push(key),
                (key, code) => result.errors.push((key, code.unwrap_or("unknown").to_owned())),
            },
            _ => {}
        }
    }
    Some(result)
}

/// The code of an `Error` document, which may also come with a 200 (it is sent when the work has begun already).
pub(super) fn error_code(body: &[u8], deadline: Instant) -> Option<String> {
    if body.len() > LONGEST_ERROR {
        return None;
    }
    let code = text(&named(document(body, deadline)?, "Error")?, "Code")?.to_owned();
    let short = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
    short.then_some(code)
}

/// The body of a `DeleteObjects`; None if a key has a character that XML 1.0 cannot carry in any form (§2.2).
pub(super) fn delete(keys: &[String]) -> Option<String> {
    let mut xml = String::from(r#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    for key in keys {
        xml.push_str("<Object><Key>");
        for character in key.chars() {
            match character {
                '&' => xml.push_str("&amp;"),
                '<' => xml.push_str("&lt;"),
                '>' => xml.push_str("&gt;"),
                // As they are, a parser may make spaces and line feeds of them.
                '\t' | '\n' | '\r' => xml.push_str(&format!("&#{};", u32::from(character))),
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => return None,
                other => xml.push(other),
            }
        }
        xml.push_str("</Key></Object>");
    }
    xml.push_str("</Delete>");
    Some(xml)
}

/// Namespaces are not compared: compatible services leave them out.
fn named(element: Element, name: &str) -> Option<Element> {
    (element.name == name).then_some(element)
}

fn text<'e>(element: &'e Element, name: &str) -> Option<&'e str> {
    element.children.iter().find(|child| child.name == name).map(|child| child.text.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::growth::assert_linear;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_listing_is_read_with_its_encoding() {
        let body =
            br#"<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
            <NextContinuationToken>t/1=</NextContinuationToken><EncodingType>url</EncodingType><Prefix>u/+</Prefix>
            <Contents><Key>u/a+b%2B%25%C3%A4</Key></Contents></ListBucketResult>"#;
        assert_eq!(
            page(body, later()),
            Some(ListingPage { keys: vec!["u/a b+%ä".into()], prefix: Some("u/ ".into()), next: Some("t/1=".into()) })
        );
        let plain = b"<ListBucketResult><Contents><Key>a+%20</Key></Contents></ListBucketResult>";
        assert_eq!(page(plain, later()), Some(ListingPage { keys: vec!["a+%20".into()], prefix: None, next: None }));
    }

    #[test]
    fn what_is_not_understood_is_no_listing() {
        for body in [
            &b"<html/>"[..],
            b"",
            b"<ListBucketResult><Contents/></ListBucketResult>",
            b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        ] {
            assert_eq!(page(body, later()), None);
        }
    }

    #[test]
    fn answers_are_read_key_by_key() {
        let body = b"<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error>
            <Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>";
        let errors = vec![("b".to_owned(), "AccessDenied".to_owned())];
        assert_eq!(deleted(body, later()), Some(DeletedKeys { gone: vec!["a".into(), "c".into()], errors }));
        assert_eq!(deleted(b"<DeleteResult><Deleted/></DeleteResult>", later()), None);
        assert_eq!(deleted(b"<Error><Code>InternalError</Code></Error>", later()), None);
        assert_eq!(error_code(b"<Error><Code>InternalError</Code></Error>", later()).as_deref(), Some("InternalError"));
        assert_eq!(error_code(b"<Error><Code>Ann Example</Code></Error>", later()), None);
    }

    #[test]
    fn keys_are_carried_as_they_are_or_not_at_all() {
        let xml = delete(&["a&b<c>\r\n\t'\"ä".to_owned()]).unwrap();
        let read = document(xml.as_bytes(), later()).unwrap();
        assert_eq!(text(&read.children[0], "Key"), Some("a&b<c>\r\n\t'\"ä"));
        assert_eq!(delete(&["a\0".to_owned()]), None);
    }

    #[test]
    fn cost_of_an_answer_grows_with_its_length_alone() {
        let listed = "<Contents><Key>a%20b+c</Key></Contents>";
        let listing = |n: usize| format!("<ListBucketResult>{}</ListBucketResult>", listed.repeat(n / listed.len()));
        assert_linear("S3 listing", listing, |body| assert!(page(body.as_bytes(), later()).is_some()));
        let gone = "<Deleted><Key>a</Key></Deleted>";
        let result = |n: usize| format!("<DeleteResult>{}</DeleteResult>", gone.repeat(n / gone.len()));
        assert_linear("S3 deletions", result, |body| assert!(deleted(body.as_bytes(), later()).is_some()));
        let keys = |n: usize| vec!["a&b".to_owned(); n / 3];
        assert_linear("S3 request", keys, |keys| assert!(delete(keys).is_some()));
    }
}

//! What WebDAV says in XML: `207 Multi-Status` (RFC 4918 §13).

use std::time::Instant;

use super::super::markup::{Element, document};

/// What a multistatus says of one resource, or of several at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// The resources, as URLs or paths; at least one.
    pub(super) hrefs: Vec<String>,
    /// Their status, if the response has one of its own.
    pub(super) status: Option<u16>,
    /// The properties that were found; none if no `propstat` is a success.
    pub(super) properties: Option<Properties>,
}

/// What a `PROPFIND` tells of one resource.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// Its `ETag`, quotes included.
    pub(super) etag: Option<String>,
    /// Whether it holds other resources; none if the answer does not say.
    pub(super) is_collection: Option<bool>,
}

/// Reads a multistatus. None if it is not one, has no response, or has one that names no resource.
pub(super) fn responses(body: &[u8], deadline: Instant) -> Option<Vec<Response>> {
    let root = document(body, deadline)?;
    let responses: Option<Vec<Response>> = children(&root, "response").map(response).collect();
    responses.filter(|responses| root.is_dav && root.name == "multistatus" && !responses.is_empty())
}

fn response(element: &Element) -> Option<Response> {
    let href = |element: &Element| Some(element.text.trim().to_owned()).filter(|href| !href.is_empty());
    let hrefs: Vec<String> = children(element, "href").map(href).collect::<Option<_>>()?;
    let found = children(element, "propstat").filter(|propstat| matches!(status_in(propstat), Some(200..=299)));
    let properties = found.fold(None, |all: Option<Properties>, propstat| {
        let mut all = all.unwrap_or_default();
        for prop in children(propstat, "prop") {
            let etag = children(prop, "getetag").next().map(|etag| etag.text.trim());
            all.etag = etag.filter(|etag| !etag.is_empty()).map(str::to_owned).or(all.etag);
            let mut kinds = children(prop, "resourcetype").map(|kind| children(kind, "collection").next().is_some());
            all.is_collection = kinds.next().or(all.is_collection);
        }
        Some(all)
    });
    (!hrefs.is_empty()).then(|| Response { hrefs, status: status_in(element), properties })
}

fn children<'e>(element: &'e Element, name: &'static str) -> impl Iterator<Item = &'e Element> {
    element.children.iter().filter(move |child| child.is_dav && child.name == name)
}

/// `HTTP/1.1 423 Locked` (RFC 4918 §14.28).
fn status_in(element: &Element) -> Option<u16> {
    children(element, "status").next()?.text.split_whitespace().nth(1)?.parse().ok()
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
    fn etag_and_kind_are_read_whatever_the_prefix() {
        let one = |body: &str| {
            let mut responses = responses(body.as_bytes(), later()).unwrap();
            assert_eq!(responses.len(), 1);
            responses.remove(0)
        };
        let found = one(r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:"><d:response><d:href> /x.ics
            </d:href><d:propstat><d:prop><d:getetag>"abc"</d:getetag><d:resourcetype/></d:prop>
            <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#);
        let properties = Properties { etag: Some("\"abc\"".into()), is_collection: Some(false) };
        let hrefs = vec!["/x.ics".to_owned()];
        assert_eq!(found, Response { hrefs, status: None, properties: Some(properties) });
        let collection = one(r#"<multistatus xmlns="DAV:"><response><href>/c/</href>
            <propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat>
            <propstat><prop><getetag/></prop><status>HTTP/1.1 404 Not Found</status></propstat>
            </response></multistatus>"#);
        assert_eq!(collection.properties, Some(Properties { etag: None, is_collection: Some(true) }));
        let neither = one(r#"<multistatus xmlns="DAV:"><response><href>/x</href>
            <propstat><prop><getetag/><resourcetype/></prop><status>HTTP/1.1 404 Not Found</status></propstat>
            </response></multistatus>"#);
        assert_eq!((neither.properties, neither.status), (None, None));
    }

    #[test]
    fn statuses_of_members_are_read_with_all_that_they_are_of() {
        let body = br#"<multistatus xmlns="DAV:">
            <response><href>/c/a</href><href>/c/d</href><status>HTTP/1.1 423 Locked</status></response>
            <response><href>/c/b</href><status>HTTP/1.1 404 Not Found</status></response></multistatus>"#;
        let read: Vec<_> =
            responses(body, later()).unwrap().into_iter().map(|one| (one.hrefs.join(" "), one.status)).collect();
        assert_eq!(read, [("/c/a /c/d".to_owned(), Some(423)), ("/c/b".to_owned(), Some(404))]);
    }

    #[test]
    fn what_is_no_multistatus_says_nothing() {
        for body in [
            &b"<html/>"[..],
            b"",
            b"\xff",
            b"<multistatus/>",
            br#"<multistatus xmlns="DAV:"/>"#,
            br#"<multistatus xmlns="DAV:"><response><status>HTTP/1.1 200 OK</status></response></multistatus>"#,
            br#"<multistatus xmlns="DAV:"><response><href/><status>HTTP/1.1 200 OK</status></response></multistatus>"#,
        ] {
            assert_eq!(responses(body, later()), None);
        }
    }

    #[test]
    fn cost_of_a_multistatus_grows_with_its_length_alone() {
        let one = "<response><href>/a</href><status>HTTP/1.1 200 OK</status></response>";
        let many = |n: usize| format!("<multistatus xmlns=\"DAV:\">{}</multistatus>", one.repeat(n / one.len()));
        assert_linear("multistatus", many, |body| assert!(responses(body.as_bytes(), later()).is_some()));
        let text = |n: usize| {
            let href = "/a".repeat(n / 2);
            format!("<multistatus xmlns=\"DAV:\"><response><href>{href}</href></response></multistatus>")
        };
        assert_linear("multistatus with a long href", text, |body| {
            assert!(responses(body.as_bytes(), later()).is_some());
        });
    }
}

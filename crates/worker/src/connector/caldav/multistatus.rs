//! What WebDAV says in XML: `207 Multi-Status` (RFC 4918 §13).

use roxmltree::{Document, Node};

use super::super::markup::document;

const DAV: &str = "DAV:";

/// What a `PROPFIND` tells of one resource.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// Its `ETag`, quotes included.
    pub(super) etag: Option<String>,
    /// Whether it holds other resources.
    pub(super) is_collection: bool,
}

/// Reads the answer to a `PROPFIND` with `Depth: 0`: one response, with a `propstat` for each status. None if it is not
/// one, or says that the resource itself has another status than success.
pub(super) fn properties(body: &[u8]) -> Option<Properties> {
    let document = document(body)?;
    let response = responses(&document).next()?;
    let mut found = None;
    for propstat in children(response, "propstat") {
        if !matches!(status_in(propstat), Some(200..=299)) {
            continue;
        }
        let properties = found.get_or_insert_with(Properties::default);
        for prop in children(propstat, "prop") {
            let etag = children(prop, "getetag").next().and_then(|etag| etag.text()).map(str::trim);
            if let Some(etag) = etag.filter(|etag| !etag.is_empty()) {
                properties.etag = Some(etag.to_owned());
            }
            properties.is_collection |=
                children(prop, "resourcetype").any(|kind| children(kind, "collection").next().is_some());
        }
    }
    found
}

/// The statuses in the answer to a `DELETE`: of those members that were not deleted (RFC 4918 §9.6.1), as far as the
/// server keeps to it. None if it is not a multistatus or has a response without a status.
pub(super) fn statuses(body: &[u8]) -> Option<Vec<u16>> {
    let document = document(body)?;
    let statuses: Option<Vec<u16>> = responses(&document).map(status_in).collect();
    statuses.filter(|statuses| !statuses.is_empty())
}

fn responses<'d>(document: &'d Document<'d>) -> impl Iterator<Item = Node<'d, 'd>> {
    let root = document.root_element();
    let multistatus = root.has_tag_name((DAV, "multistatus"));
    root.children().filter(move |child| multistatus && child.has_tag_name((DAV, "response")))
}

fn children<'d>(node: Node<'d, 'd>, name: &'static str) -> impl Iterator<Item = Node<'d, 'd>> {
    node.children().filter(move |child| child.has_tag_name((DAV, name)))
}

/// `HTTP/1.1 423 Locked` (RFC 4918 §14.28).
fn status_in(node: Node<'_, '_>) -> Option<u16> {
    node.children().find(|child| child.has_tag_name((DAV, "status")))?.text()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etag_and_kind_are_read_whatever_the_prefix() {
        let body = br#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:"><d:response><d:href>/x.ics</d:href>
            <d:propstat><d:prop><d:getetag>"abc"</d:getetag><d:resourcetype/></d:prop>
            <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#;
        let found = properties(body).unwrap();
        assert_eq!(found, Properties { etag: Some("\"abc\"".into()), is_collection: false });
        let collection = br#"<multistatus xmlns="DAV:"><response><href>/c/</href>
            <propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat>
            <propstat><prop><getetag/></prop><status>HTTP/1.1 404 Not Found</status></propstat>
            </response></multistatus>"#;
        assert_eq!(properties(collection).unwrap(), Properties { etag: None, is_collection: true });
    }

    #[test]
    fn what_is_no_multistatus_says_nothing() {
        let missing = br#"<multistatus xmlns="DAV:"><response><href>/x</href><status>HTTP/1.1 404 Not Found</status>
            </response></multistatus>"#;
        assert_eq!(properties(missing), None);
        for body in [&b"<html/>"[..], b"", b"\xff", br#"<multistatus/>"#, br#"<multistatus xmlns="DAV:"/>"#] {
            assert_eq!((properties(body), statuses(body)), (None, None));
        }
    }

    #[test]
    fn statuses_of_members_are_read() {
        let body = br#"<multistatus xmlns="DAV:">
            <response><href>/c/a</href><status>HTTP/1.1 423 Locked</status></response>
            <response><href>/c/b</href><status>HTTP/1.1 404 Not Found</status></response></multistatus>"#;
        assert_eq!(statuses(body), Some(vec![423, 404]));
        let odd = br#"<multistatus xmlns="DAV:"><response><href>/c/a</href></response></multistatus>"#;
        assert_eq!(statuses(odd), None);
    }
}

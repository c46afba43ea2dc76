//! Answers in XML, as a small tree.
//!
//! The server chooses what is to be read, so the cost is bounded. The text is read once from its beginning to its end.
//! The number of elements, their depth and the attributes of each are limited. There is no DTD, and no entity but the
//! five that XML has itself.

use std::time::Instant;

use quick_xml::{
    NsReader,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};

/// More than a page of 1,000 members has.
const ELEMENTS: usize = 50_000;
/// WebDAV and S3 need less than ten.
const DEPTH: usize = 24;
/// Attributes of one element. A name is looked up among the namespaces of all that is around it, which are attributes
/// too.
const ATTRIBUTES: usize = 16;

/// The clock is looked at after this many elements.
const LOOKS: usize = 256;

const DAV: &[u8] = b"DAV:";

/// An element of an answer.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Its name without a prefix.
    pub(super) name: String,
    /// Whether its name is one of WebDAV's.
    pub(super) is_dav: bool,
    /// The text directly in it.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

/// Reads an answer; its outermost element. None if it is not well-formed XML in UTF-8, has a DTD, is beyond the limits,
/// or is not read when the call's deadline is over. The time is proportional to its length.
pub(super) fn document(body: &[u8], deadline: Instant) -> Option<Element> {
    // Nothing may stand before `<?xml` (XML 1.0 §2.8), but some servers put blank lines there.
    let mut reader = NsReader::from_str(std::str::from_utf8(body).ok()?.trim_start());
    reader.config_mut().expand_empty_elements = true;
    // The first stands for the document.
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        match reader.read_resolved_event().ok()? {
            (namespace, Event::Start(start)) => {
                elements += 1;
                if elements % LOOKS == 0 && Instant::now() >= deadline {
                    return None;
                }
                if elements > ELEMENTS || open.len() > DEPTH || has_too_many_attributes(&start)? {
                    return None;
                }
                let name = std::str::from_utf8(start.local_name().into_inner()).ok()?.to_owned();
                let is_dav = match namespace {
                    ResolveResult::Bound(Namespace(namespace)) => namespace == DAV,
                    ResolveResult::Unbound => false,
                    ResolveResult::Unknown(_) => return None,
                };
                open.push(Element { name, is_dav, ..Element::default() });
            }
            (_, Event::End(_)) => {
                let element = open.pop()?;
                open.last_mut()?.children.push(element);
            }
            (_, Event::Text(text)) => open.last_mut()?.text.push_str(&text.xml10_content().ok()?),
            (_, Event::CData(text)) => open.last_mut()?.text.push_str(&text.xml10_content().ok()?),
            (_, Event::GeneralRef(reference)) => push_reference(&mut open.last_mut()?.text, &reference)?,
            (_, Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
            // An empty element comes as its beginning and its end.
            (_, Event::DocType(_) | Event::Empty(_)) => return None,
            (_, Event::Eof) => break,
        }
    }
    let mut document = open.pop().filter(|document| open.is_empty() && document.text.trim().is_empty())?;
    if document.children.len() == 1 { document.children.pop() } else { None }
}

/// Whether there are; none if one of them is not well-formed.
fn has_too_many_attributes(start: &BytesStart<'_>) -> Option<bool> {
    let mut attributes = start.attributes();
    for attribute in attributes.with_checks(false).take(ATTRIBUTES + 1).enumerate() {
        if attribute.0 == ATTRIBUTES {
            return Some(true);
        }
        attribute.1.ok()?;
    }
    Some(false)
}

fn push_reference(text: &mut String, reference: &BytesRef<'_>) -> Option<()> {
    match reference.resolve_char_ref().ok()? {
        Some(character) => text.push(character),
        None => text.push_str(resolve_predefined_entity(&reference.decode().ok()?)?),
    }
    Some(())
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
    fn elements_are_read_with_their_text() {
        let body = "\n <?xml version=\"1.0\"?><!-- x --><d:a xmlns:d='DAV:' x='1'> &lt;&#38;<![CDATA[<b>]]>&#x41;\r\n\
                    <b/><d:c>y</d:c></d:a>\n";
        let root = document(body.as_bytes(), later()).unwrap();
        assert_eq!((root.name.as_str(), root.is_dav, root.text.as_str()), ("a", true, " <&<b>A\n"));
        let children: Vec<_> =
            root.children.iter().map(|one| (one.name.as_str(), one.is_dav, one.text.as_str())).collect();
        assert_eq!(children, [("b", false, ""), ("c", true, "y")]);
    }

    #[test]
    fn what_is_not_well_formed_or_beyond_the_limits_is_not_read() {
        let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        let many = |n: usize| format!("<r>{}</r>", "<a/>".repeat(n));
        let attributes = |n: usize| {
            let attributes: String = (0..n).map(|n| format!(" a{n}='x'")).collect();
            format!("<r{attributes}/>")
        };
        assert!(
            document(nested(DEPTH).as_bytes(), later()).is_some()
                && document(nested(DEPTH + 1).as_bytes(), later()).is_none()
        );
        assert!(
            document(many(ELEMENTS - 1).as_bytes(), later()).is_some()
                && document(many(ELEMENTS).as_bytes(), later()).is_none()
        );
        assert!(document(attributes(ATTRIBUTES).as_bytes(), later()).is_some());
        assert!(document(attributes(ATTRIBUTES + 1).as_bytes(), later()).is_none());
        for body in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "x<a/>",
            "<a/>x",
            "</a>",
            "<a>&b;</a>",
            "<p:a/>",
            "<a b/>",
            "<a>&#0;</a>",
            "<!DOCTYPE a><a/>",
        ] {
            assert!(document(body.as_bytes(), later()).is_none(), "{body}");
        }
        assert!(document(b"<a>\xff</a>", later()).is_none());
        assert!(document(many(LOOKS).as_bytes(), later()).is_some());
        assert!(document(many(LOOKS).as_bytes(), Instant::now()).is_none(), "its time is over");
    }

    #[test]
    fn cost_is_that_of_reading_the_answer_once() {
        type BodyOfLength = fn(usize) -> String;
        let kinds: [(&str, BodyOfLength); 5] = [
            ("elements", |n| format!("<r>{}</r>", "<a/>".repeat(n / 4))),
            ("references", |n| format!("<r>{}</r>", "&amp;".repeat(n / 5))),
            ("attributes", |n| format!("<r>{}</r>", "<a b='c' d='e' f='g'/>".repeat(n / 24))),
            ("one attribute", |n| format!("<r a='{}'/>", "x ".repeat(n / 2))),
            ("namespaces", |n| {
                let namespaces: String = (0..ATTRIBUTES).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
                let around = format!("<a{namespaces}>").repeat(DEPTH - 1);
                format!("{around}{}{}", "<n0:b/>".repeat(n / 7), "</a>".repeat(DEPTH - 1))
            }),
        ];
        for (kind, body) in kinds {
            assert_linear(&format!("XML: {kind}"), body, |body| assert!(document(body.as_bytes(), later()).is_some()));
        }
    }
}

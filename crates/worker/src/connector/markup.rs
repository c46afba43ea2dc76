//! Answers in XML.

use roxmltree::{Document, ParsingOptions};

/// More than a page of 1,000 members has; what a server sends is bounded in bytes, and a tree is many times as large.
const NODES: u32 = 200_000;

/// Reads an answer. None if it is not XML in UTF-8, has a DTD, or more than [`NODES`] nodes.
pub(super) fn document(body: &[u8]) -> Option<Document<'_>> {
    let options = ParsingOptions { nodes_limit: NODES, ..ParsingOptions::default() };
    // Nothing may stand before `<?xml` (XML 1.0 §2.8), but some servers put blank lines there.
    Document::parse_with_options(std::str::from_utf8(body).ok()?.trim_start(), options).ok()
}

//! URL templates: `https://calendar.example/v3/calendars/{calendar_id}/events/{gcal_id}`.
//!
//! A wrong URL deletes the wrong thing: `DELETE …/events/` would hit the parent. So a template gives exactly the URL
//! that its author meant, or none:
//! - Placeholders stand only in the path and the query.
//! - Every value is percent-encoded down to the unreserved characters (RFC 3986 §2.3).
//! - A path value that is null, empty, very long or has a dot segment (§3.3, in any encoding) is refused.
//! - The result has as many path segments as the template.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

use super::{
    BadTemplate, InvalidTemplate, Values,
    path::{LONGEST, has_dot_segment, has_triplet},
};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UrlTemplate {
    /// Scheme, authority and nothing else.
    base: Url,
    path: Vec<Segment>,
    query: Option<Segment>,
    /// The most bytes of a value in the path.
    longest: usize,
}

/// A stretch of a template: literal text, already encoded, and columns.
type Segment = Vec<UrlPart>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum UrlPart {
    Literal(String),
    Column(String),
}

impl UrlPart {
    fn column(&self) -> Option<&str> {
        match self {
            Self::Column(column) => Some(column),
            Self::Literal(_) => None,
        }
    }
}

impl TryFrom<String> for UrlTemplate {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        let (authority_end, path_start) = match text.find("://") {
            Some(at) => (at + 3, text[at + 3..].find(['/', '?', '#']).map_or(text.len(), |end| at + 3 + end)),
            None => return Err(InvalidTemplate::NotUrl("it has no scheme".to_owned())),
        };
        if text[..path_start].contains(['{', '}']) {
            return Err(InvalidTemplate::PlaceholderInAuthority);
        }
        let base = Url::parse(&text[..path_start]).map_err(|e| InvalidTemplate::NotUrl(e.to_string()))?;
        if !["http", "https"].contains(&base.scheme()) || authority_end == path_start {
            return Err(InvalidTemplate::NotUrl("the scheme must be http or https".to_owned()));
        }
        let rest = &text[path_start..];
        if rest.contains('#') {
            return Err(InvalidTemplate::Fragment);
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.split('/').map(parts).collect::<Result<_, _>>()?;
        let query = query.map(parts).transpose()?;
        Ok(Self { base, path, query, longest: LONGEST })
    }
}

fn parts(text: &str) -> Result<Segment, InvalidTemplate> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(open) = rest.find(['{', '}']) else {
            parts.push(UrlPart::Literal(rest.to_owned()));
            break;
        };
        if open > 0 {
            parts.push(UrlPart::Literal(rest[..open].to_owned()));
        }
        let column = rest[open..].strip_prefix('{').and_then(|r| r.split_once('}')).ok_or(InvalidTemplate::Brace)?;
        if column.0.is_empty() || column.0.contains('{') {
            return Err(InvalidTemplate::Brace);
        }
        parts.push(UrlPart::Column(column.0.to_owned()));
        rest = column.1;
    }
    Ok(parts)
}

impl UrlTemplate {
    /// The same for values of at most this many bytes in the path.
    #[must_use]
    pub fn with_longest(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// The columns the template uses, as often as it uses them.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.path.iter().chain(&self.query).flatten().filter_map(UrlPart::column)
    }

    /// Whether a row's value may be encoded already, as `a%40b` is. Encoded once more it names another object, and that
    /// one is "already gone".
    #[must_use]
    pub fn may_be_encoded(&self, values: &Values) -> bool {
        self.columns().filter_map(|column| values.get(column)?.as_deref()).any(has_triplet)
    }

    /// Whether a row's value in the path has a `/`: servers differ in whether that is a part of a name.
    #[must_use]
    pub fn has_slash(&self, values: &Values) -> bool {
        let columns = self.path.iter().flatten().filter_map(UrlPart::column);
        columns.filter_map(|column| values.get(column)?.as_deref()).any(|value| value.contains('/'))
    }

    /// The columns in its query.
    pub fn query_columns(&self) -> impl Iterator<Item = &str> {
        self.query.iter().flatten().filter_map(UrlPart::column)
    }

    /// Whether it has a query.
    #[must_use]
    pub const fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// Scheme, host and port, which no row chooses.
    #[must_use]
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// The URL for a row.
    ///
    /// # Errors
    /// [`BadTemplate`] when a value would make another URL than the one meant.
    pub fn render(&self, values: &Values) -> Result<Url, BadTemplate> {
        let mut path = String::new();
        for segment in &self.path {
            path.push('/');
            path.push_str(&render_path_segment(segment, values, self.longest)?);
        }
        let mut url = self.base.clone();
        url.set_path(&path);
        if let Some(query) = &self.query {
            let mut encoded = String::new();
            for part in query {
                match part {
                    UrlPart::Literal(text) => encoded.push_str(text),
                    UrlPart::Column(column) => encoded.push_str(&encode(value(column, values)?)),
                }
            }
            url.set_query(Some(&encoded));
        }
        // The URL parser normalises what it takes for dot segments; if it changed anything, we were wrong about a
        // value.
        let segments = url.path_segments().map_or(0, Iterator::count);
        if segments != self.path.len() { Err(BadTemplate::Shape) } else { Ok(url) }
    }
}

fn render_path_segment(segment: &Segment, values: &Values, longest: usize) -> Result<String, BadTemplate> {
    let mut text = String::new();
    let mut last_column = None;
    for part in segment {
        match part {
            UrlPart::Literal(literal) => text.push_str(literal),
            UrlPart::Column(column) => {
                let value = value(column, values)?;
                if value.is_empty() {
                    return Err(BadTemplate::Empty(column.clone()));
                }
                if value.len() > longest {
                    return Err(BadTemplate::Long(column.clone(), longest));
                }
                refuse_dots(value, column)?;
                text.push_str(&encode(value));
                last_column = Some(column);
            }
        }
    }
    last_column.map_or(Ok(()), |column| refuse_dots(&text, column))?;
    Ok(text)
}

fn refuse_dots(text: &str, column: &str) -> Result<(), BadTemplate> {
    match has_dot_segment(text) {
        Some(false) => Ok(()),
        Some(true) => Err(BadTemplate::DotSegment(column.to_owned())),
        None => Err(BadTemplate::EncodedTooOften(column.to_owned())),
    }
}

fn value<'v>(column: &str, values: &'v Values) -> Result<&'v str, BadTemplate> {
    values.get(column).and_then(|v| v.as_deref()).ok_or_else(|| BadTemplate::Null(column.to_owned()))
}

fn encode(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;
    use crate::growth::assert_linear;

    fn template(text: &str) -> UrlTemplate {
        UrlTemplate::try_from(text.to_owned()).unwrap()
    }

    fn row(value: &str) -> Values {
        Values::from([("id".to_owned(), Some(value.to_owned()))])
    }

    #[test]
    fn values_are_encoded_down_to_unreserved_characters() {
        let template = template("https://h.example/a/{id}/c?q={id}&fixed=%20");
        let url = template.render(&row("ä/b?c#d %2F'\"\0\t\n;:@&=+$,")).unwrap();
        let encoded = "%C3%A4%2Fb%3Fc%23d%20%252F%27%22%00%09%0A%3B%3A%40%26%3D%2B%24%2C";
        assert_eq!(url.as_str(), format!("https://h.example/a/{encoded}/c?q={encoded}&fixed=%20"));
    }

    #[test]
    fn null_empty_and_dot_segments_are_refused_in_any_encoding() {
        let template = template("https://h.example/events/{id}");
        assert_eq!(template.render(&Values::from([("id".to_owned(), None)])), Err(BadTemplate::Null("id".into())));
        assert_eq!(template.render(&row("")), Err(BadTemplate::Empty("id".into())));
        let inside = ["../x", "x/..", "x/./y", "x%2f..", "..%2Fother%2Fvictim.ics", "a\\..\\b"];
        for dots in [".", "..", "%2e", "%2E.", ".%2e", "%2e%2E", "%252e%252e"].into_iter().chain(inside) {
            assert_eq!(template.render(&row(dots)), Err(BadTemplate::DotSegment("id".into())), "{dots}");
        }
        assert_eq!(template.render(&row("...")).unwrap().as_str(), "https://h.example/events/...");
        assert_eq!(template.render(&row("%2525252e")), Err(BadTemplate::EncodedTooOften("id".into())));
        assert_eq!(template.render(&row(&"x".repeat(LONGEST + 1))), Err(BadTemplate::Long("id".into(), LONGEST)));
        assert!(template.render(&row(&"x".repeat(LONGEST))).is_ok());
        let short = template.with_longest(3);
        assert_eq!(short.render(&row("xxxx")), Err(BadTemplate::Long("id".into(), 3)));
        assert!(short.render(&row("xxx")).is_ok());
    }

    #[test]
    fn a_dot_segment_made_of_two_parts_is_refused() {
        let mut values = row(".");
        values.insert("id".into(), Some("%2e".into()));
        let two = template("https://h.example/x/.{id}");
        assert!(two.render(&values).is_err());
    }

    #[test]
    fn a_placeholder_may_not_choose_the_host() {
        for bad in ["https://{id}/x", "https://h{id}.example/", "{id}://h/", "https://{u}@h/x", "https://h:{p}/"] {
            assert!(UrlTemplate::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn malformed_templates_are_refused() {
        for bad in
            ["/x/{id}", "ftp://h/x", "https://h/{", "https://h/}", "https://h/{}", "https://h/{a{b}}", "https://h/x#f"]
        {
            assert!(UrlTemplate::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn cost_of_a_url_grows_with_its_values_and_its_template_alone() {
        let url = template("https://h.example/a/{id}/c?q={id}").with_longest(usize::MAX);
        assert_linear("URL of a value", |n| row(&"ä/%2".repeat(n / 5)), |row| assert!(url.render(row).is_ok()));
        let many = |n: usize| format!("https://h.example/{}", "{id}/".repeat(n / 5));
        assert_linear("URL template", many, |text| assert!(UrlTemplate::try_from(text.clone()).is_ok()));
        let filled = |n: usize| template(&many(n));
        assert_linear("URL of a template", filled, |template| assert!(template.render(&row("x")).is_ok()));
        let value = |n: usize| row(&"%".repeat(n));
        assert_linear("encoded already?", value, |row| assert!(!url.may_be_encoded(row)));
    }

    proptest! {
        #[test]
        fn any_value_gives_its_own_segment_or_no_url(value in "\\PC*|[./%2eE]{0,6}|.{0,8}") {
            let template = template("https://h.example/base/{id}/tail");
            if let Ok(url) = template.render(&row(&value)) {
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 3);
                prop_assert_eq!(segments[0], "base");
                prop_assert_eq!(segments[2], "tail");
                let decoded = percent_decode_str(segments[1]).decode_utf8().unwrap().into_owned();
                prop_assert_eq!(decoded, value);
                prop_assert_eq!(url.host_str(), Some("h.example"));
            }
        }
    }
}

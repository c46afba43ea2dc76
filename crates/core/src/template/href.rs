//! Templates of what a server itself calls an object: an `href` of WebDAV (RFC 4918 §8.3), a path or a URL.
//!
//! It is encoded already, so it is used as it is. A wrong URL deletes the wrong thing, so it has to be one that can
//! only mean what it says. It is on the server of the settings' URL and below that URL's path, and has no dot segments
//! and no empty ones.

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

use super::{
    BadTemplate, InvalidTemplate, NameTemplate, Values,
    path::{LONGEST, has_dot_segment, is_encoded_path},
};

/// A parsed template.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct HrefTemplate {
    name: NameTemplate,
    /// The most bytes of an `href`.
    longest: usize,
}

impl TryFrom<String> for HrefTemplate {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        Ok(Self { name: NameTemplate::try_from(text)?, longest: LONGEST })
    }
}

impl HrefTemplate {
    /// The same for an `href` of at most this many bytes.
    #[must_use]
    pub fn with_longest(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// The columns the template uses, as often as it uses them.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.name.columns()
    }

    /// The URL that a row's `href` stands for; `above` is the URL that it has to be below.
    ///
    /// # Errors
    /// [`BadTemplate`] when a value is null or empty, or the `href` could mean something else.
    pub fn render(&self, values: &Values, above: &Url) -> Result<Url, BadTemplate> {
        let href = self.name.render(values)?;
        if href.len() > self.longest {
            return Err(BadTemplate::LongHref(self.longest));
        }
        url_of(&href, above).map_err(BadTemplate::Href)
    }
}

fn url_of(href: &str, above: &Url) -> Result<Url, &'static str> {
    let path = path_of(href, above)?;
    if !is_encoded_path(path) {
        return Err("has a character that no encoded path has (RFC 3986 §3.3)");
    }
    match has_dot_segment(path) {
        Some(false) => {}
        Some(true) => return Err("has a `.` or `..` path segment"),
        None => return Err("is percent-encoded again and again"),
    }
    let segments: Vec<&str> = path[1..].split('/').collect();
    if segments.iter().rev().skip(1).any(|segment| segment.is_empty()) {
        return Err("has an empty path segment");
    }
    let decoded = |segment: &&str| percent_decode_str(segment).collect::<Vec<u8>>();
    let above_it: Vec<&str> = above.path()[1..].trim_end_matches('/').split('/').filter(|s| !s.is_empty()).collect();
    let inside = segments.len() > above_it.len()
        && !segments[above_it.len()].is_empty()
        && above_it.iter().map(decoded).eq(segments[..above_it.len()].iter().map(decoded));
    if !inside {
        return Err("is not below the target's `url`");
    }
    let mut url = above.clone();
    url.set_query(None);
    url.set_path(path);
    if url.path() == path { Ok(url) } else { Err("is changed by being put into a URL") }
}

/// The path of an `href`, which may be all of it.
fn path_of<'h>(href: &'h str, above: &Url) -> Result<&'h str, &'static str> {
    if href.starts_with('/') && !href.starts_with("//") {
        return Ok(href);
    }
    let no_url = "is neither a path that begins with one `/` nor a URL";
    let (_, rest) = href.split_once("://").ok_or(no_url)?;
    let path = rest.find('/').map(|at| &rest[at..]).ok_or(no_url)?;
    // What stands before the path is compared as the URL parser reads it.
    let server = &href[..href.len() - path.len()];
    let server = Url::parse(server).map_err(|_| no_url)?;
    match server.origin() == above.origin() && server.username().is_empty() && server.password().is_none() {
        true => Ok(path),
        false => Err("is on another server than the target's `url`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    fn render(href: &str, above: &str) -> Result<String, BadTemplate> {
        let values = Values::from([("href".to_owned(), Some(href.to_owned()))]);
        let template = HrefTemplate::try_from("{href}".to_owned()).unwrap();
        template.render(&values, &Url::parse(above).unwrap()).map(String::from)
    }

    #[test]
    fn href_is_used_as_it_is() {
        for path in
            ["/cal/ann%40example.org/a%2Fb.ics", "/cal/it's;x=1.ics", "/cal/%c3%bc/", "/cal/a%2540b.ics", "/cal/..."]
        {
            for above in [
                "https://dav.example/",
                "https://dav.example/cal",
                "https://dav.example/cal/",
                "https://dav.example/c%61l",
            ] {
                let wanted = format!("https://dav.example{path}");
                assert_eq!(render(path, above).as_ref(), Ok(&wanted), "{above}");
                assert_eq!(render(&wanted, above).as_ref(), Ok(&wanted), "{above}");
            }
        }
        let port = render("https://DAV.example:443/a", "https://dav.example");
        assert_eq!(port.as_deref(), Ok("https://dav.example/a"), "the same server in another spelling");
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for href in [
            "a.ics",
            "//elsewhere.example/cal/a.ics",
            "/\\elsewhere.example/cal/a.ics",
            "https://elsewhere.example/cal/a.ics",
            "http://dav.example/cal/a.ics",
            "https://dav.example:444/cal/a.ics",
            "https://ann@dav.example/cal/a.ics",
            "https://dav.example@elsewhere.example/cal/a.ics",
            "https://dav.example",
            "/cal/../other/a.ics",
            "/cal/%2e%2E/other/a.ics",
            "/cal/a%2F..%2Fb.ics",
            "/cal/a b.ics",
            "/cal/ü.ics",
            "/cal/100%.ics",
            "/cal/a.ics?x",
            "/cal/a.ics#x",
            "/cal//a.ics",
            "/cal",
            "/cal/",
            "/calendar/a.ics",
            "/other/a.ics",
            "/",
        ] {
            assert!(matches!(render(href, "https://dav.example/cal/"), Err(BadTemplate::Href(_))), "{href}");
        }
        let long = format!("/cal/{}", "x".repeat(LONGEST));
        assert_eq!(render(&long, "https://dav.example/"), Err(BadTemplate::LongHref(LONGEST)));
        assert_eq!(render("", "https://dav.example/"), Err(BadTemplate::Empty("href".to_owned())));
    }

    #[test]
    fn cost_of_an_href_grows_with_its_length_alone() {
        let above = Url::parse("https://dav.example/").unwrap();
        let deep = |n: usize| "/a%20".repeat(n / 5);
        assert_linear("href", deep, |href| assert!(url_of(href, &above).is_ok()));
    }
}

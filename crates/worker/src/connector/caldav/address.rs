//! Where an object is, and whether a server that knows nothing there can be believed.

use sexton_core::{
    config::target::caldav::CalDav as Settings,
    template::{BadTemplate, Values, refuse_empty},
};
use url::Url;

/// Where a row's object is.
pub(super) struct ObjectAddress {
    pub(super) url: Url,
    /// Whether the URL means what the row says. A value that is encoded already, or has a `/`, may be what the server
    /// itself calls the object; put into a template it names another one, which is not there.
    pub(super) is_certain: bool,
}

impl ObjectAddress {
    /// The address of a row's object.
    ///
    /// # Errors
    /// [`BadTemplate`] for a row that gives no URL.
    pub(super) fn of(settings: &Settings, row: &Values) -> Result<Self, BadTemplate> {
        refuse_empty(settings.columns_beside_the_path(), row, &settings.allow_empty)?;
        let url = settings.url.render(row)?;
        Ok(match &settings.href {
            Some(href) => Self { url: href.render(row, &url)?, is_certain: true },
            None => Self { is_certain: !settings.url.may_be_encoded(row) && !settings.url.has_slash(row), url },
        })
    }

    /// The collection that has the object: the URL up to its last `/`, also to one that is encoded, because a server
    /// that decodes it looks there.
    pub(super) fn collection(&self) -> Option<Url> {
        let path = self.url.path().strip_suffix('/').unwrap_or(self.url.path());
        let (above, name) = path.rsplit_once('/')?;
        let plain = name.replace("%2F", "/").replace("%2f", "/");
        let parents = plain.rfind('/').map_or("", |at| &plain[..=at]);
        let mut url = self.url.clone();
        url.set_path(&format!("{above}/{parents}"));
        url.set_query(None);
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collection_is_that_of_the_decoded_path() {
        for (path, collection) in [
            ("/c/a.ics", "/c/"),
            ("/c/d/", "/c/"),
            ("/c/a%2Fb%2fc.ics", "/c/a/b/"),
            ("/c%2Fd/a%40b.ics", "/c%2Fd/"),
            ("/a.ics", "/"),
        ] {
            let url = Url::parse(&format!("https://dav.example{path}?x")).unwrap();
            let found = ObjectAddress { url, is_certain: true }.collection().unwrap();
            assert_eq!(found.as_str(), format!("https://dav.example{collection}"));
        }
    }
}

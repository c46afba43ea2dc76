//! Names with `{column}` in them, such as an object's key or a calendar's id: `users/{id}/`, `{gcal_id}`.
//!
//! Nothing is encoded. A value that is null or empty gives no name, because the rest would name another thing. All
//! other rules for a name are the connector's.

use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{BadTemplate, InvalidTemplate, TextTemplate, Values};

/// A parsed template of a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct NameTemplate(TextTemplate);

impl TryFrom<String> for NameTemplate {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        TextTemplate::try_from(text).map(Self)
    }
}

impl NameTemplate {
    /// The columns the template uses, as often as it uses them.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.columns()
    }

    /// The text that follows the last placeholder; the whole text if there is none.
    #[must_use]
    pub fn tail(&self) -> &str {
        self.0.tail()
    }

    /// The name for a row; never empty.
    ///
    /// # Errors
    /// [`BadTemplate`] when a value is null or empty, or the template is.
    pub fn render(&self, values: &Values) -> Result<String, BadTemplate> {
        for column in self.0.columns() {
            match values.get(column).and_then(Option::as_deref) {
                None => return Err(BadTemplate::NullInRequest(column.to_owned())),
                Some("") => return Err(BadTemplate::Empty(column.to_owned())),
                Some(_) => {}
            }
        }
        let text = self.0.render(values)?.expose_secret().to_owned();
        if text.is_empty() { Err(BadTemplate::Shape) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> NameTemplate {
        NameTemplate::try_from(text.to_owned()).unwrap()
    }

    fn row(value: Option<&str>) -> Values {
        Values::from([("id".to_owned(), value.map(str::to_owned))])
    }

    #[test]
    fn values_stand_as_they_are() {
        let rendered = template("a/{id}/{id}.b").render(&row(Some("ä %2F/.."))).unwrap();
        assert_eq!(rendered, "a/ä %2F/../ä %2F/...b");
    }

    #[test]
    fn null_and_empty_values_give_no_name() {
        let template = template("users/{id}/");
        assert_eq!(template.render(&row(None)), Err(BadTemplate::NullInRequest("id".into())));
        assert_eq!(template.render(&Values::new()), Err(BadTemplate::NullInRequest("id".into())));
        assert_eq!(template.render(&row(Some(""))), Err(BadTemplate::Empty("id".into())));
        assert_eq!(self::template("").render(&row(None)), Err(BadTemplate::Shape));
    }

    #[test]
    fn tail_is_what_follows_the_last_column() {
        for (text, tail) in [("{a}-{b}/", "/"), ("{a}", ""), ("plain", "plain"), ("{a}{{", "{")] {
            assert_eq!(template(text).tail(), tail, "{text}");
        }
    }
}

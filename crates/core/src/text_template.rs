//! Text templates: `users/{id}/`, `{gcal_id}`. For what is a name and not a URL: an object's key, a calendar's id.
//!
//! Nothing is encoded; a value that is null or empty gives no text, because what is left would name something else. What
//! a text may look like beyond that is for the connector that uses it.

use serde::Deserialize;

use crate::template::{BadTemplate, InvalidTemplate, Values};

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TextTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Column(String),
}

impl TryFrom<String> for TextTemplate {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            if at > 0 {
                parts.push(Part::Literal(rest[..at].to_owned()));
            }
            let inner = rest[at..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (column, after) = inner.ok_or(InvalidTemplate::Brace)?;
            if column.is_empty() || column.contains('{') {
                return Err(InvalidTemplate::Brace);
            }
            parts.push(Part::Column(column.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl TextTemplate {
    /// The columns the template uses, as often as it uses them.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Column(column) => Some(column.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text that follows the last placeholder; the whole text if there is none.
    #[must_use]
    pub fn tail(&self) -> &str {
        match self.0.last() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// The text for a row; never empty.
    ///
    /// # Errors
    /// [`BadTemplate`] when a value is null or empty, or the template is.
    pub fn render(&self, values: &Values) -> Result<String, BadTemplate> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Column(column) => {
                    let value = values.get(column).and_then(|value| value.as_deref());
                    match value.ok_or_else(|| BadTemplate::Null(column.clone()))? {
                        "" => return Err(BadTemplate::Empty(column.clone())),
                        value => text.push_str(value),
                    }
                }
            }
        }
        if text.is_empty() { Err(BadTemplate::Shape) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<TextTemplate, InvalidTemplate> {
        TextTemplate::try_from(text.to_owned())
    }

    fn row(value: Option<&str>) -> Values {
        Values::from([("id".to_owned(), value.map(str::to_owned))])
    }

    #[test]
    fn values_stand_as_they_are() {
        let rendered = template("a/{id}/{id}.b").unwrap().render(&row(Some("ä %2F/.."))).unwrap();
        assert_eq!(rendered, "a/ä %2F/../ä %2F/...b");
    }

    #[test]
    fn null_and_empty_values_give_no_text() {
        let template = template("users/{id}/").unwrap();
        assert_eq!(template.render(&row(None)), Err(BadTemplate::Null("id".into())));
        assert_eq!(template.render(&Values::new()), Err(BadTemplate::Null("id".into())));
        assert_eq!(template.render(&row(Some(""))), Err(BadTemplate::Empty("id".into())));
    }

    #[test]
    fn braces_enclose_the_name_of_a_column() {
        for bad in ["{", "}", "{}", "a{b", "a}b", "{a{b}}", "{a}}"] {
            assert_eq!(template(bad), Err(InvalidTemplate::Brace), "{bad}");
        }
        let two = template("{a}-{b}/").unwrap();
        assert_eq!((two.columns().collect::<Vec<_>>(), two.tail()), (vec!["a", "b"], "/"));
        assert_eq!(template("{a}").unwrap().tail(), "");
    }
}

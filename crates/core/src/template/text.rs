//! Texts with `{column}` in them: header values, query values, strings in a JSON body.
//!
//! Literal parts are often credentials, so all of them are secrets and never printed. `{{` and `}}` stand for the
//! braces themselves. The value of a `${VAR}` arrives with its braces doubled, so that a credential with braces names
//! no column.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{BadTemplate, InvalidTemplate, Values};

/// A parsed text template.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct TextTemplate(Vec<TextPart>);

#[derive(Clone)]
enum TextPart {
    Literal(SecretString),
    Column(String),
}

impl TryFrom<String> for TextTemplate {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let (brace, doubled) = if rest[at..].starts_with('{') { ("{", "{{") } else { ("}", "}}") };
            if let Some(after) = rest[at..].strip_prefix(doubled) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let column = rest[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (column, after) = column.ok_or(InvalidTemplate::Brace)?;
            if column.is_empty() || column.contains('{') {
                return Err(InvalidTemplate::Brace);
            }
            if !literal.is_empty() {
                parts.push(TextPart::Literal(std::mem::take(&mut literal).into()));
            }
            parts.push(TextPart::Column(column.to_owned()));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(TextPart::Literal(literal.into()));
        }
        Ok(Self(parts))
    }
}

impl TextTemplate {
    /// The columns the template uses, as often as it uses them.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TextPart::Column(column) => Some(column.as_str()),
            TextPart::Literal(_) => None,
        })
    }

    /// The literal text that follows the last placeholder; the whole text if there is none.
    pub(super) fn tail(&self) -> &str {
        match self.0.last() {
            Some(TextPart::Literal(text)) => text.expose_secret(),
            _ => "",
        }
    }

    /// The text for a row, a secret because its literal parts may be.
    ///
    /// # Errors
    /// [`BadTemplate::NullInRequest`] for a null.
    pub fn render(&self, values: &Values) -> Result<SecretString, BadTemplate> {
        self.text(values, |_, _| Ok(())).map(Into::into)
    }

    /// The same for a header.
    ///
    /// # Errors
    /// [`BadTemplate::NullInRequest`] for a null, [`BadTemplate::LineBreak`] for a value that no header may carry.
    pub fn render_header(&self, values: &Values) -> Result<SecretString, BadTemplate> {
        let check = |column: &str, value: &str| match value.contains(['\r', '\n', '\0']) {
            true => Err(BadTemplate::LineBreak(column.to_owned())),
            false => Ok(()),
        };
        self.text(values, check).map(Into::into)
    }

    fn text(
        &self,
        values: &Values,
        check: impl Fn(&str, &str) -> Result<(), BadTemplate>,
    ) -> Result<String, BadTemplate> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                TextPart::Literal(literal) => text.push_str(literal.expose_secret()),
                TextPart::Column(column) => {
                    let value = values.get(column).and_then(Option::as_deref);
                    let value = value.ok_or_else(|| BadTemplate::NullInRequest(column.clone()))?;
                    check(column, value)?;
                    text.push_str(value);
                }
            }
        }
        Ok(text)
    }
}

/// The columns without the text around them.
impl fmt::Debug for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextTemplate").field(&self.columns().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    fn template(text: &str) -> TextTemplate {
        TextTemplate::try_from(text.to_owned()).unwrap()
    }

    fn row(value: Option<&str>) -> Values {
        Values::from([("id".to_owned(), value.map(str::to_owned))])
    }

    #[test]
    fn values_stand_where_their_column_is_named() {
        let text = template("a {id}-{id} {{id}} b");
        assert_eq!(text.render(&row(Some("7{id}"))).unwrap().expose_secret(), "a 7{id}-7{id} {id} b");
        assert_eq!(text.columns().collect::<Vec<_>>(), ["id", "id"]);
        assert_eq!(template("").render(&row(None)).unwrap().expose_secret(), "");
    }

    #[test]
    fn header_takes_no_value_that_would_begin_another_header() {
        let header = template("id={id}");
        for bad in ["7\r\nX-Admin: 1", "7\n", "\r", "\0"] {
            assert_eq!(
                header.render_header(&row(Some(bad))).unwrap_err(),
                BadTemplate::LineBreak("id".into()),
                "{bad:?}"
            );
            assert!(header.render(&row(Some(bad))).is_ok(), "elsewhere it is encoded");
        }
        assert_eq!(header.render_header(&row(None)).unwrap_err(), BadTemplate::NullInRequest("id".into()));
    }

    #[test]
    fn literal_parts_are_not_printed() {
        let shown = format!("{:?}", template("Bearer s3cret {id}"));
        assert!(shown.contains("id") && !shown.contains("s3cret") && !shown.contains("Bearer"), "{shown}");
    }

    #[test]
    fn braces_that_enclose_no_column_are_refused() {
        for bad in ["{", "}", "{}", "a{b", "a}b", "{a{b}}", "{{{"] {
            assert!(TextTemplate::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn cost_of_a_text_grows_with_its_template_and_its_values_alone() {
        let header = template("id={id}");
        assert_linear(
            "header of a value",
            |n| row(Some(&"x".repeat(n))),
            |row| assert!(header.render_header(row).is_ok()),
        );
        let many = |n: usize| "{id}{{".repeat(n / 6);
        assert_linear("text template", many, |text| assert!(TextTemplate::try_from(text.clone()).is_ok()));
        let filled = |n: usize| template(&many(n));
        assert_linear("text of a template", filled, |template| assert!(template.render(&row(Some("x"))).is_ok()));
    }
}

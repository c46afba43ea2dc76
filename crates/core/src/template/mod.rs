//! Templates: texts into which a row's values are filled. `{column}` stands for a value of the row.
//!
//! A wrong request deletes the wrong thing, so a template gives exactly what its author meant, or nothing. A value is
//! encoded for its position (URL, query, header, JSON); one that does not fit there is refused.
//!
//! The application chooses how long a row's values are: parsing and rendering take time proportional to the length of
//! the template and the values, and tests hold that.

mod href;
mod json;
mod name;
mod path;
mod table;
mod text;
mod url;

use std::collections::BTreeMap;

pub use self::{href::HrefTemplate, json::JsonTemplate, name::NameTemplate, text::TextTemplate, url::UrlTemplate};
pub(crate) use self::{path::LONGEST, table::deserialize_text_templates};

/// The values of a row's captured columns, as text.
pub type Values = BTreeMap<String, Option<String>>;

/// Refuses a row in which one of these columns is empty, unless it is among those that may be.
///
/// # Errors
/// [`BadTemplate::EmptyInRequest`] with the column.
pub fn refuse_empty<'c>(
    columns: impl IntoIterator<Item = &'c str>,
    values: &Values,
    allowed: &[String],
) -> Result<(), BadTemplate> {
    let is_empty = |column: &&str| {
        values.get(*column).is_some_and(|value| value.as_deref() == Some(""))
            && !allowed.iter().any(|name| name == column)
    };
    match columns.into_iter().find(is_empty) {
        Some(column) => Err(BadTemplate::EmptyInRequest(column.to_owned())),
        None => Ok(()),
    }
}

/// Why a text is not a template. The text stays out of the message: it may have a credential filled in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidTemplate {
    /// A brace without its partner, or nothing between two.
    #[error("it has a `{{` or `}}` that does not enclose a column name")]
    Brace,
    /// Not an absolute http(s) URL.
    #[error("it is not an absolute http:// or https:// URL: {0}")]
    NotUrl(String),
    /// A placeholder in the scheme, user, host or port.
    #[error("it has a placeholder before the path: a row must not choose the host")]
    PlaceholderInAuthority,
    /// A fragment is never sent to a server (RFC 9110 §4.1).
    #[error("it has a fragment (`#…`), which is never sent")]
    Fragment,
}

/// Why a row gives no request. Values stay out of the message, which is stored and shown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadTemplate {
    /// The value is null.
    #[error("column `{0}` is null, and the URL needs it")]
    Null(String),
    /// The value is null in a header, the query or the body.
    #[error("column `{0}` is null, and the request needs it")]
    NullInRequest(String),
    /// The value is empty, so the call would go to the parent.
    #[error("column `{0}` is empty, and the call would go to the parent object")]
    Empty(String),
    /// The value is empty in a header, the query or the body: `DELETE /items?id=` may mean all items.
    #[error("column `{0}` is empty, and the request needs it; if an empty value is meant, name it in allow_empty")]
    EmptyInRequest(String),
    /// The path segment with this column's value would be `.` or `..`.
    #[error("column `{0}` would make a `.` or `..` path segment")]
    DotSegment(String),
    /// The value is longer than a path may be.
    #[error("column `{0}` has more than {1} bytes, too many for a path (max_path_value)")]
    Long(String, usize),
    /// The value is percent-encoded so often that what servers make of it cannot be told.
    #[error("column `{0}` is percent-encoded again and again")]
    EncodedTooOften(String),
    /// The value would end the header and begin another (RFC 9110 §5.5).
    #[error("column `{0}` has a line break or NUL, which no header may carry")]
    LineBreak(String),
    /// The server's own name for the object is longer than a path may be.
    #[error("the href has more than {0} bytes, too many for a path (max_path_value)")]
    LongHref(usize),
    /// The server's own name for the object could mean something else.
    #[error("the href {0}")]
    Href(&'static str),
    /// The key is longer than S3 allows.
    #[error("the key or prefix has more than 1,024 bytes, which is S3's limit")]
    LongKey,
    /// The prefix would be that of other rows' objects too.
    #[error("the prefix has only slashes, and would be that of every object")]
    OnlySlashes,
    /// The built URL is not the one that was meant.
    #[error("the URL built from the row does not have the template's shape")]
    Shape,
}

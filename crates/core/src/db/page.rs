//! Reading in pages: each begins after the last row of the one before, so that no page costs more than another.

use sea_orm::Value;

use super::{Query, Sql, Words};

/// A value with its name in the text.
pub type Named = (&'static str, Value);

/// Which page is to be read.
#[derive(Debug)]
pub struct NextPage<'a, C> {
    /// Where the page before it ended; none for the first.
    pub after: Option<&'a C>,
    /// Its most rows.
    pub limit: usize,
}

impl<C> Clone for NextPage<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for NextPage<'_, C> {}

/// A statement that reads a page at a time, in the order of the columns by which a row comes after another.
#[derive(Debug, Clone)]
pub struct Pages {
    first: Sql,
    next: Sql,
}

impl Pages {
    /// Renders `text`, which limits its rows to `@limit`. In the place of `{after}` the first page has nothing, and
    /// each later one `and` with `after`: whether a row comes after the last of the page before, whose values have
    /// names.
    ///
    /// # Panics
    /// As [`Words::render`].
    #[must_use]
    pub fn render(words: &Words, text: &str, after: &str) -> Self {
        let after = format!("and {}", words.expand(after));
        let page = |after: String| words.clone().with([("after", after)]).render(text);
        Self { first: page(String::new()), next: page(after) }
    }

    /// The page after the row with the values of `last` (the first page if there is none), at most `limit` rows.
    ///
    /// # Panics
    /// As [`Sql::bind`].
    #[must_use]
    pub fn after(&self, last: Option<Vec<Named>>, limit: usize, mut values: Vec<Named>) -> Query {
        values.push(("limit", i64::try_from(limit).unwrap_or(i64::MAX).into()));
        match last {
            None => self.first.bind_all(values),
            Some(last) => {
                values.extend(last);
                self.next.bind_all(values)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Dialect;

    #[test]
    fn later_pages_begin_after_the_last_row() {
        let words = Words::new(Dialect::Postgres);
        let text = "-- read things\nselect id from thing where kind = @kind {after} order by id limit @limit";
        let pages = Pages::render(&words, text, "id > {uuid:@last}");
        assert_eq!(pages.first.text(), "select id from thing where kind = $1  order by id limit $2");
        assert_eq!(pages.next.text(), "select id from thing where kind = $1 and id > $2::uuid order by id limit $3");
        let kind = || vec![("kind", 1.into())];
        drop(pages.after(None, 10, kind()));
        drop(pages.after(Some(vec![("last", "x".into())]), 10, kind()));
    }
}

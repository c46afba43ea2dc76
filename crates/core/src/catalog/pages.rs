//! Reading a table in key order, a page at a time, each page a query that only reads.

use sea_orm::Value;
use serde::{Deserialize, Serialize};

use super::{key::Key, rows::Rows, table::Table};
use crate::db::{self, Db, Dialect, NextPage, Row, Words};

/// Where a page ended: the values of the columns by which pages follow each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cursor(Vec<String>);

/// A page of rows.
pub(crate) struct NextRows {
    /// Each with its key; none if it holds what cannot be a key.
    pub(crate) rows: Vec<(Option<Key>, Row)>,
    /// Where the next page begins; none at the end of the table.
    pub(crate) next: Option<Cursor>,
}

/// Rows, and the key columns that order their pages, as positions in the key. These columns are unique together.
pub(crate) struct Paging<'r> {
    pub(crate) rows: &'r Rows,
    pub(crate) by: &'r [usize],
}

impl Table {
    /// How pages of this table follow each other.
    pub(crate) fn paging(&self) -> Paging<'_> {
        Paging { rows: &self.rows, by: &self.paging }
    }

    /// The keys of the next rows of `source` (a relation with the table's columns) that meet `condition` on its alias
    /// `t`, in key order; and where the next page begins.
    pub(crate) async fn page(
        &self,
        db: &Db,
        source: &str,
        condition: &str,
        page: NextPage<'_, Cursor>,
    ) -> Result<(Vec<Key>, Option<Cursor>), db::Error> {
        let paging = self.paging();
        let words = paging.words(page.after).with_verbatim([("source", source)]);
        let read = words.with([("condition", condition.to_owned())]).render(
            "-- read the next rows that meet a condition
             select {key} as key{cursor_columns} from {source} t
             where {condition} and {beyond} order by {order} limit @limit",
        );
        let rows = read.bind_all(paging.values(page)).read_only(db).await?;
        let keys = rows.iter().map(|row| self.read_key(row)).collect::<Result<_, _>>()?;
        Ok((keys, paging.cursor(rows.last())?))
    }
}

impl Paging<'_> {
    /// The next rows in key order, each with these columns of its alias `t` (an SQL expression and a name).
    pub(crate) async fn next_rows(
        &self,
        db: &Db,
        columns: &[(String, &str)],
        page: NextPage<'_, Cursor>,
    ) -> Result<NextRows, db::Error> {
        let columns: String = columns.iter().map(|(sql, name)| format!(", {sql} as {name}")).collect();
        let read = self.words(page.after).with([("columns", columns)]).render(
            "-- read the next rows of a table
             select {key} as key{cursor_columns}{columns}
             from (select * from {table} t where {beyond} order by {order} limit @limit) t
             order by {order}",
        );
        let found = read.bind_all(self.values(page)).read_giving_way(db).await?;
        let next = if found.len() < page.limit { None } else { self.cursor(found.last())? };
        Ok(NextRows { rows: found.into_iter().map(|row| (self.rows.read_key(&row).ok(), row)).collect(), next })
    }

    /// The words of the rows, and:
    /// * `{cursor_columns}`: what a cursor is made of, as further columns;
    /// * `{order}`: the columns by which pages follow each other;
    /// * `{beyond}`: whether the row comes after the cursor, which is a part of the text on SQLite.
    fn words(&self, after: Option<&Cursor>) -> Words {
        let cursor_columns = self.by.iter().map(|&n| format!(", {} as c{n}", self.cursor_column(n))).collect();
        let columns = self.by.iter().filter_map(|&n| self.rows.key.get(n));
        let order: Vec<String> = columns.map(|(column, _)| column.of("t")).collect();
        let order = order.join(", ");
        // A key that is null names no row, though SQLite lets it be.
        let named: Vec<_> = self.rows.key.iter().map(|(column, _)| format!("{} is not null", column.of("t"))).collect();
        let mut beyond = named.join(" and ");
        if let Some(cursor) = after {
            beyond.push_str(&format!(" and ({order}) > ({})", self.cursor_values(cursor)));
        }
        self.rows.words().with([("cursor_columns", cursor_columns), ("order", order), ("beyond", beyond)])
    }

    /// A key column as text from which the next page can begin. On SQLite a value has its own type, and drivers differ
    /// in how they write a UUID: there it is the literal of the very value.
    fn cursor_column(&self, n: usize) -> String {
        let column = &self.rows.key[n].0;
        match self.rows.dialect {
            Dialect::Postgres => column.text("t"),
            Dialect::Sqlite => format!("quote({})", column.of("t")),
        }
    }

    fn cursor_values(&self, cursor: &Cursor) -> String {
        let columns = self.by.iter().filter_map(|&n| self.rows.key.get(n));
        let values =
            cursor.0.iter().zip(columns).enumerate().map(|(n, (value, (column, _)))| match self.rows.dialect {
                Dialect::Postgres => format!("@after{n}::text::{}", column.base_type),
                Dialect::Sqlite => value.clone(),
            });
        values.collect::<Vec<_>>().join(", ")
    }

    fn values(&self, page: NextPage<'_, Cursor>) -> Vec<(String, Value)> {
        let parts = page.after.into_iter().flat_map(|cursor| &cursor.0).enumerate();
        let mut values: Vec<(String, Value)> =
            parts.map(|(n, part)| (format!("after{n}"), part.as_str().into())).collect();
        values.push(("limit".to_owned(), i64::try_from(page.limit).unwrap_or(i64::MAX).into()));
        values
    }

    fn cursor(&self, last: Option<&Row>) -> Result<Option<Cursor>, db::Error> {
        let cursor =
            |row: &Row| self.by.iter().map(|n| row.get(&format!("c{n}"))).collect::<Result<_, _>>().map(Cursor);
        last.map(cursor).transpose()
    }
}

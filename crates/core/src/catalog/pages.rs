//! Going through a table in key order, a page at a time, each page a query that only reads.

use sea_orm::{QueryResult, Value};
use serde::{Deserialize, Serialize};

use super::{key::Key, rows::Rows, table::Table};
use crate::db::{self, Db, Dialect};

/// Where a page ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cursor(Vec<String>);

/// Rows that follow each other in key order.
pub(crate) struct NextRows {
    /// Each with its key, if that can be one.
    pub(crate) rows: Vec<(Option<Key>, QueryResult)>,
    /// Where to go on; none at the end.
    pub(crate) next: Option<Cursor>,
}

/// Rows, and the places in their key of the columns by which pages of them follow each other.
pub(crate) struct Paging<'r> {
    pub(crate) rows: &'r Rows,
    pub(crate) by: &'r [usize],
}

impl Table {
    /// How this table is gone through.
    pub(crate) fn paging(&self) -> Paging<'_> {
        Paging { rows: &self.rows, by: &self.paging }
    }

    /// The keys of the next rows of `source` (a relation with the table's columns) that meet `condition` on its alias
    /// `t`, at most `limit`, in key order; and where to go on.
    pub(crate) async fn page(
        &self,
        db: &Db,
        source: &str,
        condition: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<Key>, Option<Cursor>), db::Error> {
        let paging = self.paging();
        let (beyond, values) = paging.beyond(after);
        let sql = format!(
            "select {} as key{} from {source} t where {condition} and {beyond} order by {} limit {limit}",
            self.key_text("t"),
            paging.places(),
            paging.order(),
        );
        let rows = db.read_only(sql, values).await?;
        let keys = rows.iter().map(|row| paging.key_of(row)).collect::<Result<_, _>>()?;
        Ok((keys, paging.cursor(rows.last())?))
    }
}

impl std::ops::Deref for Paging<'_> {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        self.rows
    }
}

impl Paging<'_> {
    /// The next `limit` rows, whatever they hold, with `columns` (expressions on the alias `t`, and their names). The limit
    /// stands inside, so that no more rows are read than that.
    pub(crate) async fn next_rows(
        &self,
        db: &Db,
        columns: &[(String, &str)],
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<NextRows, db::Error> {
        let (beyond, values) = self.beyond(after);
        let order = self.order();
        let columns: Vec<_> = columns.iter().map(|(sql, name)| format!(", {sql} as {name}")).collect();
        let sql = format!(
            "select {} as key{}{} from (select * from {} t where {beyond} order by {order} limit {limit}) t order by {order}",
            self.key_text("t"),
            self.places(),
            columns.concat(),
            self.sql,
        );
        let found = db.read_giving_way(sql, values).await?;
        let next = if found.len() < limit { None } else { self.cursor(found.last())? };
        Ok(NextRows { rows: found.into_iter().map(|row| (self.key_of(&row).ok(), row)).collect(), next })
    }

    /// The columns by which pages follow each other: of the key only those that are unique by themselves, in the order of
    /// their index.
    fn order(&self) -> String {
        let columns = self.by.iter().filter_map(|&n| self.key.get(n));
        columns.map(|(column, _)| column.of("t")).collect::<Vec<_>>().join(", ")
    }

    fn key_of(&self, row: &QueryResult) -> Result<Key, db::Error> {
        let text: String = row.try_get("", "key")?;
        self.parse_key(&text).map_err(|error| db::Error::unreadable(error.to_string()))
    }

    fn places(&self) -> String {
        self.by.iter().map(|&n| format!(", {} as c{n}", self.place(n))).collect()
    }

    fn cursor(&self, last: Option<&QueryResult>) -> Result<Option<Cursor>, db::Error> {
        let places = |row: &QueryResult| {
            self.by.iter().map(|n| row.try_get("", &format!("c{n}"))).collect::<Result<_, _>>().map(Cursor)
        };
        Ok(last.map(places).transpose()?)
    }

    /// A key column as text from which the next page can begin: on SQLite, where a value has its own type and drivers
    /// differ in how they write a UUID, as the literal of the very value.
    fn place(&self, n: usize) -> String {
        let column = &self.key[n].0;
        match self.dialect {
            Dialect::Postgres => column.text("t"),
            Dialect::Sqlite => format!("quote({})", column.of("t")),
        }
    }

    fn beyond(&self, after: Option<&Cursor>) -> (String, Vec<Value>) {
        // A key that is null names no row, though SQLite lets it be.
        let named: Vec<_> = self.key.iter().map(|(column, _)| format!("{} is not null", column.of("t"))).collect();
        let named = named.join(" and ");
        let Some(Cursor(places)) = after else { return (named, Vec::new()) };
        let mut values = Vec::new();
        let columns = self.by.iter().filter_map(|&n| self.key.get(n));
        let places = places.iter().zip(columns).map(|(place, (column, _))| match self.dialect {
            Dialect::Postgres => {
                values.push(place.as_str().into());
                format!("${}::text::{}", values.len(), column.base_type)
            }
            Dialect::Sqlite => place.clone(),
        });
        let places = places.collect::<Vec<_>>().join(", ");
        (format!("{named} and ({}) > ({places})", self.order()), values)
    }
}

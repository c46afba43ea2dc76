//! Going through a table in key order, a page at a time, each page a query that only reads.

use sea_orm::{DbErr, Value};

use super::{key::Key, table::Table};
use crate::db::{Db, Dialect};

/// Where a page ended.
#[derive(Debug, Clone)]
pub struct Cursor(Vec<String>);

impl Table {
    /// The keys of the next rows of `source` (a relation with the table's columns) that meet `condition` on its alias
    /// `t`, at most `limit`, in key order; and where to go on.
    pub(crate) async fn page(
        &self,
        db: &Db,
        source: &str,
        condition: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<Key>, Option<Cursor>), DbErr> {
        let (beyond, values) = self.beyond(after);
        let places: Vec<_> = (0..self.key.len()).map(|n| format!(", {} as c{n}", self.place(n))).collect();
        let sql = format!(
            "select {} as key{} from {source} t where {condition} and {beyond} order by {} limit {limit}",
            self.key_text("t"),
            places.concat(),
            self.key_columns("t"),
        );
        let rows = db.read_only(sql, values).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let text: String = row.try_get("", "key")?;
            keys.push(self.parse_key(&text).map_err(|error| DbErr::Type(error.to_string()))?);
        }
        let cursor = rows.last().map(|row| {
            (0..self.key.len()).map(|n| row.try_get("", &format!("c{n}"))).collect::<Result<_, _>>().map(Cursor)
        });
        Ok((keys, cursor.transpose()?))
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
        let places = places.iter().zip(&self.key).map(|(place, (column, _))| match self.dialect {
            Dialect::Postgres => {
                values.push(place.as_str().into());
                format!("${}::text::{}", values.len(), column.base_type)
            }
            Dialect::Sqlite => place.clone(),
        });
        let places = places.collect::<Vec<_>>().join(", ");
        (format!("{named} and ({}) > ({places})", self.key_columns("t")), values)
    }
}

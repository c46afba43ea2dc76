//! Whether any row has the key or the values of a row that is gone. The queries take five seconds at most.

use sea_orm::Value;

use crate::{
    catalog::{KeyType, Table},
    db::{self, Db, Dialect},
    key::Key,
};

impl Table {
    /// Whether there is a row with this key, live or marked.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses, also when the table has been locked for 100 ms.
    pub async fn has_row(&self, db: &Db, key: &Key) -> Result<bool, db::Error> {
        let find = self.rendered.get("verify.has_row", || {
            self.words().render("-- look for a row\nselect 1 as found from {table} t where {key_is_bound}")
        });
        Ok(!find.bind_all(key.values()).read_briefly(db).await?.is_empty())
    }

    /// Whether a row, live or marked, has these texts in these captured columns. A column that is not captured is
    /// passed over.
    ///
    /// An index on the columns is used if there is one. If there is none, the table may be large: the statement is
    /// given up after five seconds (PostgreSQL).
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses, also when it took too long, or when the values of a
    /// column cannot be compared.
    pub async fn has_values(&self, db: &Db, texts: &[(&str, &str)]) -> Result<bool, db::Error> {
        let (conditions, values) = self.values_are(texts);
        self.has_row_with(db, &conditions, values).await
    }

    /// The same for texts with other capitals, or with blanks around them: external systems may take names for the same
    /// that the database tells apart.
    ///
    /// # Errors
    /// As [`Self::has_values`].
    pub async fn has_values_alike(&self, db: &Db, texts: &[(&str, &str)]) -> Result<bool, db::Error> {
        let columns = texts.iter().filter_map(|(name, text)| {
            let column = self.payload.iter().find(|column| column.name == *name)?;
            Some((column.key_type() == Some(KeyType::Text) && has_spellings(text)).then(|| column.of("t")))
        });
        let columns: Vec<Option<String>> = columns.collect();
        if columns.iter().all(Option::is_none) {
            return Ok(false);
        }
        let (conditions, values) = self.values_are(texts);
        let alike = conditions.into_iter().zip(columns).enumerate().map(|(n, (same, column))| match column {
            Some(column) => format!("lower(trim({column})) = lower(trim(@value{n}))"),
            None => same,
        });
        let alike: Vec<String> = alike.collect();
        self.has_row_with(db, &alike, values).await
    }

    /// A condition for each of the columns that are captured, and the values `@value0`, … in them.
    fn values_are(&self, texts: &[(&str, &str)]) -> (Vec<String>, Vec<(String, Value)>) {
        let captured = texts
            .iter()
            .filter_map(|(name, text)| Some((self.payload.iter().find(|column| column.name == *name)?, *text)));
        let condition = captured.enumerate().map(|(n, (column, text))| {
            let value = format!("@value{n}");
            let condition = match (column.key_type(), self.dialect) {
                (Some(kind), _) => column.equals_text(kind, "t", &value),
                (None, Dialect::Postgres) => {
                    format!("{} = {}", column.of("t"), column.from_text(&format!("{value}::text")))
                }
                (None, Dialect::Sqlite) => format!("{} = {value}", column.text("t")),
            };
            (condition, (format!("value{n}"), text.into()))
        });
        condition.unzip()
    }

    /// Whether there is a row for which all of these are true.
    async fn has_row_with(
        &self,
        db: &Db,
        conditions: &[String],
        values: Vec<(String, Value)>,
    ) -> Result<bool, db::Error> {
        let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
        // The conditions name columns and bound values, so that there is one text for each set of columns.
        let find = self.rendered.get(format!("verify.has_row_with {conditions}"), || {
            self.words().with([("conditions", conditions.clone())]).render(
                "-- look for a row with certain values\nselect 1 as found from {table} t where {conditions} limit 1",
            )
        });
        Ok(!find.bind_all(values).read_briefly(db).await?.is_empty())
    }
}

/// Digits have one spelling.
fn has_spellings(text: &str) -> bool {
    text.chars().any(|c| c.is_alphabetic() || c.is_whitespace())
}

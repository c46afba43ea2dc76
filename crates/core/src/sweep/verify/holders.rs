//! Whether any row has certain values, for one who waits for nobody.

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
    /// Whatever the database says, also that somebody has the table locked.
    pub async fn has_row(&self, db: &Db, key: &Key) -> Result<bool, db::Error> {
        let mut values = Vec::new();
        let matches = self.key_matches("t", key, &mut values);
        let sql = format!("select 1 as there from {} t where {matches}", self.sql);
        Ok(!db.read_briefly(sql, values).await?.is_empty())
    }

    /// Whether a row, live or marked, has these texts in these captured columns. One that is not captured is not looked at.
    ///
    /// An index on them is used if there is one. If there is none, the table may be large: the statement is given up after
    /// five seconds (PostgreSQL).
    ///
    /// # Errors
    /// Whatever the database says, also that it took too long, or that the values of a column cannot be compared.
    pub async fn has_values(&self, db: &Db, texts: &[(&str, &str)]) -> Result<bool, db::Error> {
        let (conditions, values) = self.values_are(texts);
        Ok(!db.read_briefly(self.any(&conditions), values).await?.is_empty())
    }

    /// The same for texts with other capitals, or with blanks around them: external systems may take names for the same that
    /// the database tells apart.
    ///
    /// # Errors
    /// Those of [`Self::has_values`].
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
        let alike = conditions.into_iter().zip(columns).zip(1..).map(|((same, column), n)| match column {
            Some(column) => format!("lower(trim({column})) = lower(trim(${n}))"),
            None => same,
        });
        let alike: Vec<String> = alike.collect();
        Ok(!db.read_briefly(self.any(&alike), values).await?.is_empty())
    }

    /// A condition for each of those that are captured.
    fn values_are(&self, texts: &[(&str, &str)]) -> (Vec<String>, Vec<Value>) {
        let (mut conditions, mut values) = (Vec::new(), Vec::<Value>::new());
        for (name, text) in texts {
            let Some(column) = self.payload.iter().find(|column| column.name == *name) else { continue };
            values.push((*text).into());
            let n = values.len();
            conditions.push(match (column.key_type(), self.dialect) {
                (Some(kind), _) => column.equals_param(kind, "t", n),
                (None, Dialect::Postgres) => {
                    format!("{} = {}", column.of("t"), column.from_text(&format!("${n}::text")))
                }
                (None, Dialect::Sqlite) => format!("{} = ${n}", column.text("t")),
            });
        }
        (conditions, values)
    }

    /// Any row for which all of these are true.
    fn any(&self, conditions: &[String]) -> String {
        let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
        format!("select 1 as held from {} t where {conditions} limit 1", self.sql)
    }
}

/// Digits have one spelling.
fn has_spellings(text: &str) -> bool {
    text.chars().any(|c| c.is_alphabetic() || c.is_whitespace())
}

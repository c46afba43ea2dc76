//! Whether any row has certain values, for one who waits for nobody.

use sea_orm::{DbErr, Value};

use super::{column::KeyType, key::Key, table::Table};
use crate::db::{Db, Dialect};

impl Table {
    /// Whether there is a row with this key, live or marked.
    ///
    /// # Errors
    /// Whatever the database says, also that somebody has the table locked.
    pub async fn has_row(&self, db: &Db, key: &Key) -> Result<bool, DbErr> {
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
    pub async fn is_held(&self, db: &Db, texts: &[(&str, &str)]) -> Result<bool, DbErr> {
        let mut values: Vec<Value> = Vec::new();
        let mut conditions = vec!["true".to_owned()];
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
        let held = |conditions: &[String]| {
            format!("select 1 as held from {} t where {} limit 1", self.sql, conditions.join(" and "))
        };
        if !db.read_briefly(held(&conditions), values.clone()).await?.is_empty() {
            return Ok(true);
        }
        // External systems may take names for the same that the database tells apart.
        let columns = texts.iter().filter_map(|(name, text)| {
            let column = self.payload.iter().find(|column| column.name == *name)?;
            Some((column.key_type() == Some(KeyType::Text) && has_spellings(text)).then(|| column.of("t")))
        });
        let columns: Vec<Option<String>> = columns.collect();
        if columns.iter().all(Option::is_none) {
            return Ok(false);
        }
        let alike = conditions.into_iter().skip(1).zip(columns).zip(1..).map(|((same, column), n)| match column {
            Some(column) => format!("lower(trim({column})) = lower(trim(${n}))"),
            None => same,
        });
        let alike: Vec<String> = alike.collect();
        Ok(!db.read_briefly(held(&alike), values).await?.is_empty())
    }
}

/// Digits have one spelling.
fn has_spellings(text: &str) -> bool {
    text.chars().any(|c| c.is_alphabetic() || c.is_whitespace())
}

//! The rows of a table and how one of them is named.

use super::{
    column::{Column, KeyType},
    key::{InvalidKey, Key},
};
use crate::db::{self, Dialect, RenderedByName, Row, Words};

/// Where rows are, and the columns by which each is told from the others.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The table's qualified, quoted name.
    pub sql: String,
    /// The dialect of the database.
    pub dialect: Dialect,
    /// The key columns, in configured order.
    pub key: Vec<(Column, KeyType)>,
    /// Statements on the rows of modules that the catalog does not know.
    pub rendered: RenderedByName,
}

impl Rows {
    pub(super) fn new(sql: String, dialect: Dialect, key: Vec<(Column, KeyType)>) -> Self {
        Self { sql, dialect, key, rendered: RenderedByName::default() }
    }

    /// What texts of statements on these rows may say: [`Self::fragments`] and the dialect's words.
    #[must_use]
    pub fn words(&self) -> Words {
        Words::new(self.dialect).with(self.fragments())
    }

    /// Words for the table with the alias `t`:
    /// * `{table}`;
    /// * `{key}`: the key as text, as the ledger has it;
    /// * `{key_columns}`: the key columns, for `order by`;
    /// * `{keys}`: the rows of the JSON array `@keys` ([`Key::records`]), with the alias `x` (PostgreSQL);
    /// * `{key_equals}`: whether the key is that of `x`;
    /// * `{key_is_bound}`: whether the key is the one whose parts are bound ([`Key::values`]).
    #[must_use]
    pub fn fragments(&self) -> [(&'static str, String); 6] {
        [
            ("table", self.sql.clone()),
            ("key", self.key_text("t")),
            ("key_columns", self.key_columns("t")),
            ("keys", format!("jsonb_to_recordset(@keys::jsonb) as x({})", self.key_record())),
            ("key_equals", self.key_equals("t", "x")),
            ("key_is_bound", self.key_is_bound("t")),
        ]
    }

    /// The key in the column `key`, which is what [`Self::key_text`] gave.
    ///
    /// # Errors
    /// [`db::Error`] when it cannot be a key of these rows: on SQLite a column may hold what is no value of its type.
    pub fn read_key(&self, row: &Row) -> Result<Key, db::Error> {
        let text: String = row.get("key")?;
        self.parse_key(&text).map_err(|error| row.unreadable("key", &error))
    }

    /// Reads a key as people write it: the value itself, or a JSON array for a composite key.
    ///
    /// # Errors
    /// [`InvalidKey`] when it cannot be a key of this table.
    pub fn parse_key(&self, text: &str) -> Result<Key, InvalidKey> {
        Key::parse(text, &self.key)
    }

    /// The row's key as text, as the ledger keeps it.
    #[must_use]
    pub fn key_text(&self, alias: &str) -> String {
        let part = |(column, _): &(Column, KeyType)| column.text(alias);
        match (&self.key[..], self.dialect) {
            ([one], _) => part(one),
            (many, Dialect::Postgres) => {
                let parts: Vec<_> = many.iter().map(|c| format!("to_json({})::text", part(c))).collect();
                format!("'[' || {} || ']'", parts.join(" || ',' || "))
            }
            (many, Dialect::Sqlite) => {
                format!("json_array({})", many.iter().map(part).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The key's part of a `jsonb_to_recordset` column list: `k0 bigint, k1 text`. The columns have the key's own
    /// types, so that its index is used.
    #[must_use]
    pub fn key_record(&self) -> String {
        let columns = self.key.iter().enumerate();
        columns.map(|(n, (column, _))| format!("k{n} {}", column.base_type)).collect::<Vec<_>>().join(", ")
    }

    /// `t."id" = w.k0 and …`
    #[must_use]
    pub fn key_equals(&self, row: &str, wanted: &str) -> String {
        let columns = self.key.iter().enumerate();
        columns.map(|(n, (column, _))| format!("{} = {wanted}.k{n}", column.of(row))).collect::<Vec<_>>().join(" and ")
    }

    /// `t."id" as k0, …`: the key columns under the names that [`Self::key_equals`] expects.
    #[must_use]
    pub fn key_parts(&self, alias: &str) -> String {
        let columns = self.key.iter().enumerate();
        columns.map(|(n, (column, _))| format!("{} as k{n}", column.of(alias))).collect::<Vec<_>>().join(", ")
    }

    /// Whether the row is the one whose key is `text` (an SQL expression), so that the key's index is used
    /// (PostgreSQL).
    #[must_use]
    pub fn key_is(&self, row: &str, text: &str) -> String {
        match &self.key[..] {
            [(column, _)] => format!("{} = ({text})::{}", column.of(row), column.base_type),
            many => {
                let parts = many.iter().enumerate().map(|(n, (column, _))| {
                    format!("{} = (({text})::jsonb ->> {n})::{}", column.of(row), column.base_type)
                });
                parts.collect::<Vec<_>>().join(" and ")
            }
        }
    }

    /// The key columns, for `order by`: locks are always taken in this order.
    #[must_use]
    pub fn key_columns(&self, alias: &str) -> String {
        self.key.iter().map(|(column, _)| column.of(alias)).collect::<Vec<_>>().join(", ")
    }

    /// `t."id" = @key0 and …`: whether the row has the key whose [`Key::values`] are bound, typed so that the key's
    /// index is used.
    #[must_use]
    pub fn key_is_bound(&self, alias: &str) -> String {
        let columns = self.key.iter().enumerate();
        let conditions = columns.map(|(n, (column, kind))| column.equals_text(*kind, alias, &format!("@key{n}")));
        conditions.collect::<Vec<_>>().join(" and ")
    }

    /// Whether the row is one of those with these keys, and the values to bind.
    #[must_use]
    pub fn key_is_any_of(&self, alias: &str, keys: &[Key]) -> (String, Vec<(String, sea_orm::Value)>) {
        let mut values = Vec::new();
        let key_is = |(row, key): (usize, &Key)| {
            let columns = self.key.iter().zip(key.parts()).enumerate();
            let equals = columns.map(|(n, ((column, kind), part))| {
                let name = format!("key{row}_{n}");
                let equals = column.equals_text(*kind, alias, &format!("@{name}"));
                values.push((name, part.as_str().into()));
                equals
            });
            format!("({})", equals.collect::<Vec<_>>().join(" and "))
        };
        let any = keys.iter().enumerate().map(key_is).collect::<Vec<_>>().join(" or ");
        (any, values)
    }
}

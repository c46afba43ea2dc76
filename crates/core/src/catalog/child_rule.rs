//! A resolved child rule: which rows of which table are children of a row, as SQL.

use super::{
    column::{Column, KeyType},
    rows::Rows,
};
use crate::{
    config::ChildThen,
    db::{Dialect, literal, quote},
    ids::ResourceName,
    template::Values,
};

/// How a child names its parent.
#[derive(Debug, Clone)]
pub enum Link {
    /// By a column.
    Column(Column),
    /// By a value inside a JSON column.
    Json(Column, Vec<String>, Reading),
}

/// How a value inside a JSON column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As an index on it has it. Rows that cannot be read so cannot be in such an index, and are not in the table.
    Plain,
    /// With what a document of the type `json` may hold and PostgreSQL cannot read replaced (22P05, 22P02): one such
    /// row would fail the requests of all parents.
    Repaired,
}

/// A child rule whose tables and columns were found.
#[derive(Debug, Clone)]
pub struct ChildRule {
    /// What becomes of the children.
    pub then: ChildThen,
    /// The children's rows.
    pub rows: Rows,
    /// The resource that the children's table is of, if it is configured as one.
    pub resource: Option<ResourceName>,
    /// How a child names its parent.
    pub link: Link,
    /// The parent's column that it names.
    pub references: Column,
    /// Columns that must be equal: the child's, and the parent's of the same name.
    pub scope: Vec<Column>,
}

impl Link {
    /// The column that is written when a child is to name its parent no longer.
    #[must_use]
    pub const fn column(&self) -> &Column {
        match self {
            Self::Column(column) | Self::Json(column, ..) => column,
        }
    }

    /// The value by which the row `alias` names its parent.
    #[must_use]
    pub fn value(&self, alias: &str) -> String {
        let column = self.column().of(alias);
        match self {
            Self::Json(.., Reading::Repaired) => self.value_in(&repaired(&column)),
            Self::Json(..) | Self::Column(_) => self.value_in(&column),
        }
    }

    /// The same expression as an index on the table has it.
    #[must_use]
    pub fn index_expression(&self) -> String {
        self.value_in(&quote(&self.column().name))
    }

    fn value_in(&self, column: &str) -> String {
        match self {
            Self::Column(_) => column.to_owned(),
            Self::Json(json, path, _) => json_value(json.dialect(), column, path),
        }
    }

    /// The assignment that clears what names the parent.
    #[must_use]
    pub fn nullify(&self, alias: &str) -> String {
        let name = quote(&self.column().name);
        match self {
            Self::Column(_) => format!("{name} = null"),
            Self::Json(column, path, _) => {
                let value = column.of(alias);
                match column.dialect() {
                    Dialect::Postgres => {
                        format!("{name} = ({value}::jsonb #- {})::{}", array(path), column.base_type)
                    }
                    Dialect::Sqlite => format!("{name} = json_remove({value}, {})", sqlite_path(path)),
                }
            }
        }
    }
}

/// A document of the type `json` with U+FFFD for U+0000 and for halves of surrogate pairs (PostgreSQL, §8.14.1). An
/// escape begins after an even number of backslashes.
fn repaired(column: &str) -> String {
    let start = r"(?<!\\)((?:\\\\)*)";
    let (high, low) = (r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}");
    let unreadable = [r"\\u0000".to_owned(), format!("{high}(?!{low})"), format!("(?<!{high}){low}")];
    let replaced = unreadable.iter().fold(format!("{column}::text"), |text, escape| {
        format!(r"regexp_replace({text}, '{start}{escape}', '\1\\ufffd', 'g')")
    });
    format!(r"(case when {column}::text ~ '\\u(0000|[dD][89a-fA-F])' then {replaced}::json else {column} end)")
}

/// Malformed text in a SQLite column names no parent; the function alone would fail the statement.
fn json_value(dialect: Dialect, column: &str, path: &[String]) -> String {
    match (dialect, path) {
        (Dialect::Postgres, [one]) => format!("({column} ->> {})", literal(one)),
        (Dialect::Postgres, path) => format!("({column} #>> {})", array(path)),
        (Dialect::Sqlite, path) => {
            format!("(case when json_valid({column}) then json_extract({column}, {}) end)", sqlite_path(path))
        }
    }
}

/// A text array as a literal, in the form in which PostgreSQL prints it back: an index expression must look the same.
fn array(path: &[String]) -> String {
    let members: Vec<_> =
        path.iter().map(|member| format!("\"{}\"", member.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    literal(&format!("{{{}}}", members.join(",")))
}

fn sqlite_path(path: &[String]) -> String {
    let members: Vec<_> = path.iter().map(|member| format!(".\"{member}\"")).collect();
    literal(&format!("${}", members.concat()))
}

impl ChildRule {
    /// The same, with its JSON read as an index on it would have it.
    pub(super) fn with_plain_link(&self) -> Self {
        let mut plain = self.clone();
        if let Link::Json(.., reading) = &mut plain.link {
            *reading = Reading::Plain;
        }
        plain
    }

    /// Whether the row `alias` is a child of the row whose values are in the object `values` (a `jsonb` expression)
    /// (PostgreSQL).
    #[must_use]
    pub fn matches(&self, alias: &str, values: &str) -> String {
        let of_parent = |column: &Column| format!("({values} ->> {})", literal(&column.name));
        let named = of_parent(&self.references);
        let link = match &self.link {
            Link::Column(column) => format!("{} = {}", column.of(alias), column.comparable(&named)),
            Link::Json(..) => format!("{} = {named}", self.link.value(alias)),
        };
        let scope = self.scope.iter().map(|column| {
            let parent = of_parent(column);
            format!("{} = {}", column.of(alias), column.comparable(&parent))
        });
        [link].into_iter().chain(scope).collect::<Vec<_>>().join(" and ")
    }

    /// What the row `alias` names, as text.
    #[must_use]
    pub(crate) fn named(&self, alias: &str) -> String {
        match (&self.link, self.rows.dialect) {
            (Link::Column(column), _) => column.text(alias),
            (Link::Json(..), Dialect::Postgres) => self.link.value(alias),
            (Link::Json(..), Dialect::Sqlite) => format!("cast({} as text)", self.link.value(alias)),
        }
    }

    /// Whether the row `alias` names any of `parents`, a JSON array of objects with the values in `v` (PostgreSQL). To
    /// write besides [`Self::matches`], as an array, so that the link's index is used also by a planner that knows
    /// nothing of the table yet.
    #[must_use]
    pub fn names_any_of(&self, alias: &str, parents: &str) -> String {
        let named = format!("(y.v ->> {})", literal(&self.references.name));
        let named = match &self.link {
            Link::Column(column) => column.comparable(&named),
            Link::Json(..) => named,
        };
        format!(
            "{} = any (array(select {named} from jsonb_to_recordset({parents}::jsonb) as y(v jsonb)))",
            self.link.value(alias)
        )
    }

    /// Whether the row `alias` is a child of the parent whose [`Self::parent_values`] are bound (SQLite).
    #[must_use]
    pub fn names_bound(&self, alias: &str) -> String {
        self.names(alias, |n| format!("@parent{n}"))
    }

    /// The values by which children name a parent, to bind: `@parent0` for the link, and one for each column of the
    /// scope. None if the parent has no value to be named by.
    #[must_use]
    pub fn parent_values(&self, parent: &Values) -> Option<Vec<(String, sea_orm::Value)>> {
        let columns = [&self.references].into_iter().chain(&self.scope).enumerate();
        let value = |(n, column): (usize, &Column)| {
            let value = parent.get(&column.name)?.clone()?;
            Some((format!("parent{n}"), value.into()))
        };
        columns.map(value).collect()
    }

    fn names(&self, alias: &str, value: impl Fn(usize) -> String) -> String {
        let link = match &self.link {
            Link::Column(column) => column.equals_text(column.key_type().unwrap_or(KeyType::Text), alias, &value(0)),
            // `true` is extracted as 1 (SQLite, "JSON Functions", json_extract), and would be taken for the row with
            // that id.
            Link::Json(column, path, _) => format!(
                "cast({} as text) = {} and not coalesce(case when json_valid({json})
                    then json_type({json}, {}) in ('true', 'false') end, false)",
                self.link.value(alias),
                value(0),
                sqlite_path(path),
                json = column.of(alias),
            ),
        };
        let scope = self.scope.iter().zip(1..).map(|(column, n)| match column.key_type() {
            Some(kind) => column.equals_text(kind, alias, &value(n)),
            None => format!("{} = {}", column.text(alias), value(n)),
        });
        [link].into_iter().chain(scope).collect::<Vec<_>>().join(" and ")
    }
}

impl Column {
    /// `text` (an SQL expression) as something to compare this column with (PostgreSQL). Whole numbers are compared as
    /// the longest there are: a value that the column cannot hold is unequal then, and no error. Texts are compared
    /// without a length, because a cast to one would cut them.
    fn comparable(&self, text: &str) -> String {
        match self.key_type() {
            Some(KeyType::Integer) => format!("{text}::bigint"),
            Some(KeyType::Uuid) => format!("{text}::uuid"),
            // Compared as text, it would not use its index.
            Some(KeyType::Text) if self.is_padded() => format!("({text})::{}", self.base_type),
            Some(KeyType::Text) => text.to_owned(),
            None => self.from_text(text),
        }
    }
}

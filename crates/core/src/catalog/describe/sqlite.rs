//! SQLite's catalogue (`sqlite_schema` and the table-valued pragmas).

use std::collections::BTreeSet;

use super::description::{Description, Relation};
use crate::{
    catalog::Column,
    db::{self, Db, Dialect, Sql, Words, quote},
};

struct Statements {
    relation: Sql,
    columns: Sql,
    unique: Sql,
    index: Sql,
}

impl Statements {
    fn render() -> Self {
        let words = Words::new(Dialect::Sqlite);
        let relation = "-- look a table up
            -- SQLite compares names of tables without case, as it does those of columns.
            select type, name from sqlite_schema where type in ('table', 'view') and name = @name collate nocase";
        let columns = "-- read the columns of a table
            select name, type, \"notnull\" as not_null, pk, hidden from pragma_table_xinfo(@name) order by cid";
        let unique = "-- read the unique indexes of a table
            -- Those of constraints (`pk`, `u`) have the columns' own collations.
            select name, origin <> 'c' as of_constraint from pragma_index_list(@name) where \"unique\" = 1 and partial = 0";
        let index = "-- read the columns of an index
            select name, coll as collation from pragma_index_xinfo(@name) where key = 1 order by seqno";
        Self {
            relation: words.render(relation),
            columns: words.render(columns),
            unique: words.render(unique),
            index: words.render(index),
        }
    }
}

/// Describes the table `name`, or `main.name`.
pub(super) async fn describe(db: &Db, name: &str) -> Result<Option<Description>, db::Error> {
    let statements = Statements::render();
    let asked = name.strip_prefix("main.").unwrap_or(name);
    let named = |sql: &Sql, name: &str| sql.bind([("name", name.into())]);
    let Some(found) = named(&statements.relation, asked).one(&db.conn).await? else { return Ok(None) };
    let mut columns = Vec::new();
    let mut primary = Vec::new();
    for row in named(&statements.columns, asked).all(&db.conn).await? {
        let (name, declared): (String, String) = (row.get("name")?, row.get("type")?);
        let place = row.integer("pk")?;
        if place > 0 {
            primary.push((place, name.clone()));
        }
        columns.push(Column {
            name,
            base_type: declared.clone(),
            type_name: declared,
            not_null: row.integer("not_null")? != 0,
            generated: row.integer("hidden")? >= 2,
            zone: None,
            computed_as: None,
            loose_collation: None,
            text_function: None,
            dialect: Dialect::Sqlite,
        });
    }
    primary.sort();
    let primary_key: Vec<String> = primary.into_iter().map(|(_, column)| column).collect();
    let mut unique: Vec<BTreeSet<String>> =
        if primary_key.is_empty() { vec![] } else { vec![primary_key.iter().cloned().collect()] };
    for row in named(&statements.unique, asked).all(&db.conn).await? {
        let (index, of_constraint): (String, bool) = (row.get("name")?, row.integer("of_constraint")? != 0);
        let mut names: Vec<Option<String>> = Vec::new();
        for row in named(&statements.index, &index).all(&db.conn).await? {
            let (name, collation): (Option<String>, String) = (row.get("name")?, row.get("collation")?);
            if of_constraint && !collation.eq_ignore_ascii_case("binary") {
                let column = columns.iter_mut().find(|column| Some(&column.name) == name.as_ref());
                column.into_iter().for_each(|column| column.loose_collation = Some(collation.clone()));
            }
            names.push(name);
        }
        // An expression has no name, and says nothing about columns.
        if let Some(names) = names.into_iter().collect::<Option<BTreeSet<String>>>() {
            unique.push(names);
        }
    }
    Ok(Some(Description {
        sql: quote(&found.get::<String>("name")?),
        relation: if found.get::<String>("type")? == "table" { Relation::Table } else { Relation::View },
        columns,
        primary_key,
        unique,
        part_of: None,
        inherited_by: None,
        inherits: None,
        row_security: false,
        rewrite_rule: false,
    }))
}

//! PostgreSQL's catalogue (chapter 53, "System Catalogs").

use std::sync::Arc;

use serde_json::json;

use super::description::{Description, Relation};
use crate::{
    catalog::Column,
    db::{self, Db, Dialect, Row, Words, quote},
};

/// Describes the table `name`, looked for in the search path unless it is `schema.name`.
pub(super) async fn describe(db: &Db, name: &str) -> Result<Option<Description>, db::Error> {
    let (schemas, name) = match name.split_once('.') {
        Some((schema, name)) => (vec![schema.to_owned()], name),
        None => (db.search_path.0.clone(), name),
    };
    let words = Words::new(Dialect::Postgres);
    let relation = words.render(include_str!("postgres.relation.sql"));
    let values = [
        ("schemas", json!(schemas).to_string().into()),
        ("name", name.into()),
        ("search_path", json!(db.search_path.0).to_string().into()),
    ];
    let Some(found) = relation.bind(values).one(&db.conn).await? else { return Ok(None) };
    let (oid, schema, name): (i64, String, String) = (found.get("oid")?, found.get("schema")?, found.get("name")?);
    let all = |text: &'static str| words.render(text).bind([("oid", oid.into())]).all(&db.conn);
    let columns = all(include_str!("postgres.columns.sql")).await?;
    let primary_key = all(include_str!("postgres.primary_key.sql")).await?;
    let unique = all(include_str!("postgres.unique.sql")).await?;
    let text_function: Option<Arc<str>> = found.get::<Option<String>>("text_function")?.map(Into::into);
    Ok(Some(Description {
        sql: format!("{}.{}", quote(&schema), quote(&name)),
        relation: match found.get::<String>("kind")?.as_str() {
            "r" | "p" => Relation::Table,
            "v" | "m" => Relation::View,
            _ => Relation::Foreign,
        },
        columns: columns.iter().map(|row| column(row, text_function.clone())).collect::<Result<_, _>>()?,
        primary_key: primary_key.iter().map(|row| row.get("name")).collect::<Result<_, _>>()?,
        unique: unique.iter().map(|row| row.json("columns")).collect::<Result<_, _>>()?,
        part_of: found.get("part_of")?,
        inherited_by: found.get("inherited_by")?,
        inherits: found.get("inherits")?,
        row_security: found.get("row_security")?,
        rewrite_rule: found.get("rewrite_rule")?,
    }))
}

fn column(row: &Row, text_function: Option<Arc<str>>) -> Result<Column, db::Error> {
    Ok(Column {
        name: row.get("name")?,
        type_name: row.get("type_name")?,
        base_type: row.get("base_type")?,
        not_null: row.get("not_null")?,
        generated: row.get("generated")?,
        zone: None,
        computed_as: row.get("computed_as")?,
        loose_collation: row.get("loose_collation")?,
        text_function,
        dialect: Dialect::Postgres,
    })
}

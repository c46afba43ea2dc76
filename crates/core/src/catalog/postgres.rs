//! PostgreSQL's catalogue (chapter 53, "System Catalogs").

use sea_orm::ConnectionTrait;

use super::{
    column::Column,
    table::{Description, Relation},
};
use crate::db::{self, Db, Dialect, quote};

const RELATION: &str = "
select c.oid::bigint as oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
       row_security_active(c.oid) as row_security,
       exists (select 1 from pg_rewrite r where r.ev_class = c.oid and r.ev_type in ('2', '4')) as rewrite_rule
from jsonb_array_elements_text($1::jsonb) with ordinality s(schema, place)
join pg_namespace n on n.nspname = s.schema
join pg_class c on c.relnamespace = n.oid and c.relname = $2
where c.relkind in ('r', 'p', 'v', 'm', 'f')
order by s.place limit 1";

const COLUMNS: &str = "
select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type_name,
       (with recursive base (oid, below) as (
            select t.oid, t.typbasetype
            union all select b.oid, b.typbasetype from base join pg_type b on b.oid = base.below
        ) select format_type(base.oid, null) from base where base.below = 0) as base_type,
       a.attnotnull or t.typnotnull as not_null, a.attgenerated <> '' as generated
from pg_attribute a join pg_type t on t.oid = a.atttypid
where a.attrelid = $1::bigint::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum";

const PRIMARY: &str = "
select a.attname::text as name
from pg_index i cross join unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality k(number, place)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
where i.indrelid = $1::bigint::oid and i.indisprimary
order by k.place";

const UNIQUE: &str = "
select (select json_agg(a.attname) from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]))::text as columns
from pg_index i
where i.indrelid = $1::bigint::oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null";

pub(super) async fn describe(db: &Db, table: &str) -> Result<Option<Description>, db::Error> {
    let (schemas, name) = match table.split_once('.') {
        Some((schema, name)) => (vec![schema.to_owned()], name),
        None => (db.search_path.0.clone(), table),
    };
    let schemas = serde_json::to_string(&schemas).map_err(|e| db::Error::unreadable(e.to_string()))?;
    let statement = Dialect::Postgres.statement(RELATION, [schemas.into(), name.into()]);
    let Some(row) = db.conn.query_one_raw(statement).await? else { return Ok(None) };
    let oid: i64 = row.try_get("", "oid")?;
    let (schema, name): (String, String) = (row.try_get("", "schema")?, row.try_get("", "name")?);
    let kind: String = row.try_get("", "kind")?;
    let relation = match kind.as_str() {
        "r" | "p" => Relation::Table,
        "v" | "m" => Relation::View,
        _ => Relation::Foreign,
    };
    let columns = db.conn.query_all_raw(Dialect::Postgres.statement(COLUMNS, [oid.into()])).await?;
    let columns = columns
        .iter()
        .map(|row| {
            Ok(Column {
                name: row.try_get("", "name")?,
                type_name: row.try_get("", "type_name")?,
                base_type: row.try_get("", "base_type")?,
                not_null: row.try_get("", "not_null")?,
                generated: row.try_get("", "generated")?,
                dialect: Dialect::Postgres,
            })
        })
        .collect::<Result<_, db::Error>>()?;
    let primary_key = db.conn.query_all_raw(Dialect::Postgres.statement(PRIMARY, [oid.into()])).await?;
    let primary_key = primary_key
        .iter()
        .map(|row| row.try_get("", "name").map_err(db::Error::from))
        .collect::<Result<_, db::Error>>()?;
    let unique = db.conn.query_all_raw(Dialect::Postgres.statement(UNIQUE, [oid.into()])).await?;
    let unique = unique
        .iter()
        .map(|row| {
            let columns: String = row.try_get("", "columns")?;
            serde_json::from_str(&columns).map_err(|e| db::Error::unreadable(e.to_string()))
        })
        .collect::<Result<_, db::Error>>()?;
    Ok(Some(Description {
        sql: format!("{}.{}", quote(&schema), quote(&name)),
        relation,
        columns,
        primary_key,
        unique,
        row_security: row.try_get("", "row_security")?,
        rewrite_rule: row.try_get("", "rewrite_rule")?,
    }))
}

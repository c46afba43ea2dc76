//! Marker rules: which column is written, for which rows, with which value.

use super::resource::Binder;
use crate::{
    catalog::{Column, Rule, describe::Description},
    config::{ColumnValue, MarkerRule},
    db::{self, Db, Dialect, Words, literal},
};

impl Binder<'_> {
    pub(super) async fn rules(&mut self, found: &Description, db: &Db) -> Result<Vec<Rule>, db::Error> {
        let configured = self.resource.marker_rules();
        let mut rules = Vec::new();
        for (number, MarkerRule { when, marker, then }) in configured.into_iter().enumerate() {
            let path = if when.is_some() { format!("marker_when[{number}].") } else { String::new() };
            let key = format!("{path}marker");
            let when = match when {
                None => None,
                Some((name, value)) => {
                    let Some(column) = self.column(&format!("{path}column"), found, &name) else { continue };
                    self.check_value(db, &format!("{path}equals"), &column, &value).await?;
                    Some((column, value))
                }
            };
            let Some(mut column) = self.column(&format!("{key}.column"), found, &marker.column) else { continue };
            self.check_marker(&key, &column);
            if let Some(zone) = marker.zone {
                self.check_zone(db, &format!("{key}.zone"), &column, &zone).await?;
                column.zone = Some(zone);
            }
            match &marker.value {
                Some(value) => self.check_value(db, &format!("{key}.value"), &column, value).await?,
                None => self.check_time_marker(&key, &column),
            }
            rules.push(Rule { when, column, value: marker.value, then });
        }
        Ok(rules)
    }

    async fn check_zone(&mut self, db: &Db, key: &str, column: &Column, zone: &str) -> Result<(), db::Error> {
        let Column { name, type_name, base_type, .. } = column;
        if base_type != "timestamp without time zone" {
            let message =
                format!("`{name}` is {type_name}; only a timestamp without time zone (PostgreSQL) takes a zone");
            self.problem(key, message);
            return Ok(());
        }
        let find = "-- look for a time zone\nselect 1 as found from pg_timezone_names where name = @zone limit 1";
        if Words::new(db.dialect).render(find).bind([("zone", zone.into())]).one(&db.conn).await?.is_none() {
            self.problem(
                key,
                format!("the database has no time zone `{zone}`; expected one such as `America/New_York`"),
            );
        }
        Ok(())
    }

    fn check_marker(&mut self, key: &str, column: &Column) {
        if self.resource.key.contains(&column.name) {
            self.problem(key, format!("`{}` is a key column; marking a row must not change its key", column.name));
        }
        if column.generated {
            self.problem(key, format!("`{}` is computed by the database and cannot be written", column.name));
        }
    }

    fn check_time_marker(&mut self, key: &str, column: &Column) {
        let (name, type_name) = (&column.name, &column.type_name);
        if !column.is_time() {
            let message = format!(
                "`{name}` is {type_name} and cannot hold the current time; use a timestamp column, or give `value`"
            );
            self.problem(key, message);
        } else if column.not_null {
            self.problem(
                key,
                format!("`{name}` is NOT NULL, so no row could be live; drop the constraint, or give `value`"),
            );
        }
    }

    /// Checks that the database takes the value for the column's type. Only its own cast can tell (enums, domains).
    async fn check_value(&mut self, db: &Db, key: &str, column: &Column, value: &ColumnValue) -> Result<(), db::Error> {
        if db.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let text = literal(&value.to_string());
        let words = Words::new(db.dialect).with([("cast", column.from_text(&text)), ("value", text)]);
        // An explicit cast to varchar(n) or char(n) cuts a long value off without a word (PostgreSQL §8.3).
        let is_refused = match column.base_type.as_str() {
            "character varying" => "-- try a value\nselect ({cast})::text <> {value} as refused",
            _ if column.is_padded() => "-- try a value\nselect ({cast})::text <> rtrim({value}, ' ') as refused",
            _ => "-- try a value\nselect ({cast}) is null as refused",
        };
        let refused = match words.render(is_refused).bind([]).one(&db.conn).await {
            Ok(row) => row.map(|row| row.get("refused")).transpose()?.unwrap_or_default(),
            Err(error) if error.refusal().is_some() => true,
            Err(error) => return Err(error),
        };
        if refused {
            self.problem(key, format!("`{value}` is not a value of `{}`, which is {}", column.name, column.type_name));
        }
        Ok(())
    }
}

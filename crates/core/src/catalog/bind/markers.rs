//! Marker rules: which column is written, for which rows, with which value.

use super::resource::ResourceBinder;
use crate::{
    catalog::{Column, MarkerRule, describe::Description},
    config::{ColumnValue, Marker, MarkerWhen},
    db::{self, Db, Words, literal},
};

impl ResourceBinder<'_> {
    /// The rules that are not wrong, in the order in which they are tried.
    pub(super) async fn rules(&mut self, found: &Description, db: &Db) -> Result<Vec<MarkerRule>, db::Error> {
        let resource = self.resource;
        let mut rules = Vec::new();
        for (number, MarkerWhen { column, equals, marker, then }) in resource.marker_when.iter().enumerate() {
            let path = format!("marker_when[{number}]");
            let Some(column) = self.column(&format!("{path}.column"), found, column) else { continue };
            self.check_value(db, &format!("{path}.equals"), &column, equals).await?;
            let when = Some((column, equals.clone()));
            let Some(column) = self.marker_column(&format!("{path}.marker"), found, db, marker).await? else {
                continue;
            };
            let then = then.unwrap_or(resource.then);
            rules.push(MarkerRule { when, column, value: marker.value.clone(), then });
        }
        if let Some(marker) = &resource.marker
            && let Some(column) = self.marker_column("marker", found, db, marker).await?
        {
            rules.push(MarkerRule { when: None, column, value: marker.value.clone(), then: resource.then });
        }
        Ok(rules)
    }

    /// The column that the marker is written to, if the table has it; `key` is the marker's place in the resource.
    async fn marker_column(
        &mut self,
        key: &str,
        found: &Description,
        db: &Db,
        marker: &Marker,
    ) -> Result<Option<Column>, db::Error> {
        let Some(mut column) = self.column(&format!("{key}.column"), found, &marker.column) else { return Ok(None) };
        self.check_marker(key, &column);
        if let Some(zone) = &marker.zone {
            self.check_zone(db, &format!("{key}.zone"), &column, zone).await?;
            column.zone = Some(zone.clone());
        }
        match &marker.value {
            Some(value) => self.check_value(db, &format!("{key}.value"), &column, value).await?,
            None => self.check_time_marker(key, &column),
        }
        Ok(Some(column))
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
        if !db.dialect.has_strict_types() {
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

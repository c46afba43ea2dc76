//! Finished deletions in the order in which they finished, a page at a time: the proof, for an audit.

use std::{collections::HashMap, time::Duration};

use sea_orm::Value;

use serde::{Deserialize, Serialize};

use crate::{
    db::{self, Db, Dialect, Row, millis},
    ids::{DeletionId, ResourceName},
    ledger::{
        ActionRecord, AttemptRecord, Ledger, Record,
        deletions::record::{action_record, attempt_record, record},
    },
};

/// A moment, as people say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A date or time in RFC 3339; a date alone begins at midnight UTC.
    At(String),
    /// So long ago, by the database's clock.
    Ago(Duration),
}

/// Which finished deletions are meant, with times as the database writes them.
#[derive(Debug, Clone)]
pub struct Span {
    /// Finished then or later.
    pub since: String,
    /// Finished earlier than then.
    pub until: String,
    /// Of this resource only.
    pub resource: Option<ResourceName>,
}

/// After which deletion the next page begins. In their order if both are of one database: it writes times in UTC, the one
/// that is a part of the other sorting first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FinishedAt {
    pub(crate) at: String,
    pub(crate) id: String,
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a time such as 2026-01-31T12:00:00Z nor an age such as 7d");
        // PostgreSQL would take many words for a time, and SQLite a bare number.
        let digits = |from: usize, to: usize| text.get(from..to).is_some_and(|s| s.bytes().all(|b| b.is_ascii_digit()));
        if digits(0, 4) && digits(5, 7) && digits(8, 10) && text.get(4..5) == Some("-") && text.get(7..8) == Some("-") {
            let rest = &text[10..];
            let time = rest.is_empty() || (["T", "t", " "].iter().any(|t| rest.starts_with(t)) && zone(rest));
            return if time { Ok(Self::At(text.replace(['t', ' '], "T"))) } else { Err(wrong()) };
        }
        humantime::parse_duration(text).map(Self::Ago).map_err(|_| wrong())
    }
}

/// Whether a time says how far it is from UTC: without, it would mean something else on each machine.
fn zone(time: &str) -> bool {
    let sign = time.rfind(['+', '-']).filter(|at| *at > 5);
    time.ends_with(['Z', 'z']) || sign.is_some_and(|at| time.len() == at + 6)
}

impl Ledger {
    /// The moment as the database writes times; none if there is no such moment (February 30).
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn moment(&self, db: &Db, moment: &Moment) -> Result<Option<String>, db::Error> {
        let d = self.dialect;
        let (sql, value): (_, Value) = match (d, moment) {
            (Dialect::Postgres, Moment::At(text)) => ("$1::text::timestamptz".to_owned(), text.as_str().into()),
            (Dialect::Sqlite, Moment::At(text)) => {
                ("strftime('%Y-%m-%dT%H:%M:%fZ', $1)".to_owned(), text.to_uppercase().into())
            }
            (_, Moment::Ago(age)) => (d.in_ms("-$1"), millis(*age).into()),
        };
        let sql = format!("select {} as at", d.cast(&format!("({sql})"), "text"));
        match db.read_only(sql, vec![value]).await {
            Ok(rows) => rows.first().map_or(Ok(None), |row| row.try_get("", "at").map_err(db::Error::from)),
            // Class 22: the text is no time.
            Err(error) if error.refusal().is_some_and(|r| r.code.starts_with("22")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The moment `age` ago, as the database writes times.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn ago(&self, db: &Db, age: Duration) -> Result<String, db::Error> {
        let moment = self.moment(db, &Moment::Ago(age)).await?;
        moment.ok_or_else(|| db::Error::unreadable("it cannot tell the time"))
    }

    /// The next finished deletions of `span`, at most `limit`, with their failed attempts and actions; and where to go
    /// on.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn finished(
        &self,
        db: &Db,
        span: &Span,
        after: Option<&FinishedAt>,
        limit: usize,
    ) -> Result<(Vec<Record>, Option<FinishedAt>), db::Error> {
        let mut values: Vec<(&str, Value)> = vec![
            ("since", span.since.as_str().into()),
            ("until", span.until.as_str().into()),
            ("limit", i64::try_from(limit).unwrap_or(i64::MAX).into()),
        ];
        let (mut beyond, mut of_resource) = ("", "");
        if let Some(FinishedAt { at, id }) = after {
            values.extend([("at", at.as_str().into()), ("id", id.as_str().into())]);
            beyond = "and (sexton_deletion_done.finished_at, sexton_deletion_done.id)
                > ({timestamptz:{text:@at}}, {uuid:{text:@id}})";
        }
        if let Some(resource) = &span.resource {
            values.push(("resource", resource.as_str().into()));
            of_resource = "and resource = @resource";
        }
        let words = self.words.clone();
        let words = words.with([("beyond", self.words.expand(beyond)), ("of_resource", of_resource.to_owned())]);
        let finished = words.render(
            "-- read finished deletions
            select {text:id} as id, {text:finished_at} as at, {done_columns} from {done}
            where sexton_deletion_done.finished_at >= {timestamptz:{text:@since}}
                and sexton_deletion_done.finished_at < {timestamptz:{text:@until}} {beyond} {of_resource}
            order by sexton_deletion_done.finished_at, sexton_deletion_done.id limit @limit",
        );
        let rows = finished.bind_all(values).read_only(db).await?;
        let mut records =
            rows.iter().map(|row| record(row.parse("id")?, row)).collect::<Result<Vec<_>, db::Error>>()?;
        let ids: Vec<_> = records.iter().map(|record| record.id.to_string()).collect();
        let ids = serde_json::Value::from(ids).to_string();
        let mut attempts = self.attempts_of(db, &ids).await?;
        let mut actions = self.actions_of(db, &ids).await?;
        for record in &mut records {
            record.failed_attempts = attempts.remove(&record.id).unwrap_or_default();
            record.actions = actions.remove(&record.id).unwrap_or_default();
        }
        let place = |row: &Row| -> Result<_, db::Error> { Ok(FinishedAt { at: row.get("at")?, id: row.get("id")? }) };
        let last = rows.last().map(place);
        Ok((records, last.transpose()?))
    }

    async fn attempts_of(&self, db: &Db, ids: &str) -> Result<HashMap<DeletionId, Vec<AttemptRecord>>, db::Error> {
        let attempts = self.words.render(
            "-- read failed attempts
            select {attempt_columns} from {attempt} where sexton_attempt.deletion_id {any_uuid:@ids}
            order by sexton_attempt.deletion_id, fence, sexton_attempt.at",
        );
        grouped(&attempts.bind([("ids", ids.into())]).read_only(db).await?, attempt_record)
    }

    async fn actions_of(&self, db: &Db, ids: &str) -> Result<HashMap<DeletionId, Vec<ActionRecord>>, db::Error> {
        let actions = self.words.render(
            "-- read actions
            select {action_columns} from {action} where sexton_action.deletion_id {any_uuid:@ids}
            order by sexton_action.id",
        );
        grouped(&actions.bind([("ids", ids.into())]).read_only(db).await?, action_record)
    }
}

fn grouped<T>(
    rows: &[Row],
    of: impl Fn(&Row) -> Result<T, db::Error>,
) -> Result<HashMap<DeletionId, Vec<T>>, db::Error> {
    let mut groups: HashMap<DeletionId, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(row.parse("deletion_id")?).or_default().push(of(row)?);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_with_a_zone_or_ages() {
        for good in ["2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+02:00", "2026-01-31 12:00:00z"] {
            assert!(matches!(good.parse(), Ok(Moment::At(_))), "{good}");
        }
        assert_eq!("7d".parse(), Ok(Moment::Ago(Duration::from_secs(7 * 86_400))));
        for bad in ["", "yesterday", "2026", "7", "2026-01-31T12:00:00", "2026-1-31", "31.01.2026", "2026-01-31x"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}

//! Finished deletions in the order in which they finished, a page at a time: the proof, for an audit.

use std::{collections::HashMap, time::Duration};

use serde_json::json;

use crate::{
    db::{self, Db, Dialect, Pages, Row, Sql, Words, millis},
    ids::{DeletionId, ResourceName},
    ledger::{
        FinishedAt, Ledger, Record, after_last,
        deletions::record::{action_record, attempt_record, record},
    },
};

/// A moment, as people say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A date or time in RFC 3339; a date alone begins at midnight UTC.
    At(String),
    /// This long ago, by the database's clock.
    Ago(Duration),
}

/// Which finished deletions are meant, with times as the database writes them.
#[derive(Debug, Clone)]
pub struct FinishedBetween {
    /// Finished then or later.
    pub since: String,
    /// Finished earlier than then.
    pub until: String,
    /// Of this resource only.
    pub resource: Option<ResourceName>,
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a time such as 2026-01-31T12:00:00Z nor an age such as 7d");
        // PostgreSQL would take many words for a time, and SQLite a bare number.
        let digits = |from: usize, to: usize| text.get(from..to).is_some_and(|s| s.bytes().all(|b| b.is_ascii_digit()));
        if digits(0, 4) && digits(5, 7) && digits(8, 10) && text.get(4..5) == Some("-") && text.get(7..8) == Some("-") {
            let rest = &text[10..];
            let time = rest.is_empty() || (["T", "t", " "].iter().any(|t| rest.starts_with(t)) && has_zone(rest));
            return if time { Ok(Self::At(text.replace(['t', ' '], "T"))) } else { Err(wrong()) };
        }
        humantime::parse_duration(text).map(Self::Ago).map_err(|_| wrong())
    }
}

/// Whether a time says how far it is from UTC: without, it would mean something else on each machine.
fn has_zone(time: &str) -> bool {
    let sign = time.rfind(['+', '-']).filter(|at| *at > 5);
    time.ends_with(['Z', 'z']) || sign.is_some_and(|at| time.len() == at + 6)
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    time_at: Sql,
    time_ago: Sql,
    page: Pages,
    page_of_resource: Pages,
    attempts: Sql,
    actions: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let time_at = words.pick(
            "-- read a time
             select least(@time::text::timestamptz, {now})::text as at",
            "-- read a time
             select min(strftime('%Y-%m-%dT%H:%M:%fZ', @time), {now}) as at",
        );
        let time_ago = "-- tell the time
            select {text:({in_ms:-@age_ms})} as at";
        let attempts = "-- read failed attempts
            select {attempt_columns} from {attempt}
            where sexton_attempt.deletion_id {any_uuid:@deletions}
            order by sexton_attempt.deletion_id, fence, sexton_attempt.at";
        let actions = "-- read what operators did
            select {action_columns} from {action}
            where sexton_action.deletion_id {any_uuid:@deletions}
            order by sexton_action.id";
        let page = |of_resource: &str| {
            let words = words.clone().with([("of_resource", of_resource.to_owned())]);
            let after = after_last("sexton_deletion_done.finished_at", "sexton_deletion_done.id");
            Pages::render(&words, include_str!("export.page.sql"), &after)
        };
        Self {
            time_at: words.render(time_at),
            time_ago: words.render(time_ago),
            page: page(""),
            page_of_resource: page("and resource = @resource"),
            attempts: words.render(attempts),
            actions: words.render(actions),
        }
    }
}

impl Ledger {
    /// The moment as the database writes times: now, if it has not come yet; none if there is no such moment (February
    /// 30).
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn moment(&self, db: &Db, moment: &Moment) -> Result<Option<String>, db::Error> {
        let sql = &self.sql.export;
        let query = match (self.dialect, moment) {
            (_, Moment::Ago(age)) => sql.time_ago.bind([("age_ms", millis(*age).into())]),
            (Dialect::Postgres, Moment::At(text)) => sql.time_at.bind([("time", text.as_str().into())]),
            (Dialect::Sqlite, Moment::At(text)) => sql.time_at.bind([("time", text.to_uppercase().into())]),
        };
        match query.read_only(db).await {
            Ok(rows) => rows.first().map_or(Ok(None), |row| row.get("at")),
            // Class 22: the text is no time.
            Err(error) if error.refusal().is_some_and(|r| r.code.starts_with("22")) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The moment `age` ago, as the database writes times.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn time_ago(&self, db: &Db, age: Duration) -> Result<String, db::Error> {
        let moment = self.moment(db, &Moment::Ago(age)).await?;
        moment.ok_or_else(|| db::Error::unreadable("it cannot tell the time"))
    }

    /// The next finished deletions, at most `limit`, with their failed attempts and actions; and the last of them,
    /// after which the next page begins.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn finished_between(
        &self,
        db: &Db,
        between: &FinishedBetween,
        after: Option<&FinishedAt>,
        limit: usize,
    ) -> Result<(Vec<Record>, Option<FinishedAt>), db::Error> {
        let sql = &self.sql.export;
        let mut values = vec![("since", between.since.as_str().into()), ("until", between.until.as_str().into())];
        let mut page = &sql.page;
        if let Some(resource) = &between.resource {
            values.push(("resource", resource.as_str().into()));
            page = &sql.page_of_resource;
        }
        let rows = page.after(after.map(FinishedAt::named), limit, values).read_only(db).await?;
        let mut records =
            rows.iter().map(|row| record(row.parse("id")?, row)).collect::<Result<Vec<Record>, db::Error>>()?;
        let ids: Vec<DeletionId> = records.iter().map(|record| record.id).collect();
        let deletions = || [("deletions", json!(ids).to_string().into())];
        let mut attempts = by_deletion(&sql.attempts.bind(deletions()).read_only(db).await?, attempt_record)?;
        let mut actions = by_deletion(&sql.actions.bind(deletions()).read_only(db).await?, action_record)?;
        for record in &mut records {
            record.failed_attempts = attempts.remove(&record.id).unwrap_or_default();
            record.actions = actions.remove(&record.id).unwrap_or_default();
        }
        Ok((records, rows.last().map(FinishedAt::read).transpose()?))
    }
}

fn by_deletion<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, db::Error>,
) -> Result<HashMap<DeletionId, Vec<T>>, db::Error> {
    let mut groups: HashMap<DeletionId, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(row.parse("deletion_id")?).or_default().push(read(row)?);
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

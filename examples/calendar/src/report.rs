//! What became of every booking, whether that was right, and where to look next.

use std::{collections::HashSet, fmt::Write as _, path::Path};

use sea_orm::{DatabaseConnection, EntityTrait, QuerySelect};
use sexton_core::ledger::{DeadLetter, Filter, Ledger, Status};

use crate::{
    bookings::{Bookings, event},
    calendar_api::{CalendarApi, Journal},
    entity,
};

/// The end of the work.
pub(crate) struct Report {
    status: Status,
    letters: Vec<DeadLetter>,
    journal: Journal,
    removed: usize,
    never_synced: usize,
    /// What should never happen and did.
    pub(crate) violations: Vec<String>,
}

/// What the user can do after the demonstration depends on it.
pub(crate) struct NextSteps<'a> {
    /// The configuration file.
    pub(crate) config: &'a Path,
    /// Whether the daemon stays up.
    pub(crate) daemon_stays: bool,
}

impl Report {
    /// Reads the ledger, the table and the calendar's journal, and compares them.
    ///
    /// # Errors
    /// The database does not answer or refuses.
    pub(crate) async fn draw(
        conn: &DatabaseConnection,
        ledger: &Ledger,
        bookings: &Bookings,
        calendar: &CalendarApi,
    ) -> anyhow::Result<Self> {
        let status = ledger.status(conn).await?;
        let letters = ledger.dead_letters(conn, &Filter::default()).await?;
        let ids = entity::Entity::find().select_only().column(entity::Column::Id).into_tuple::<i64>();
        let rows = ids.all(conn).await?.into_iter().collect();
        let journal = calendar.journal();
        let violations = violations(bookings, &rows, &status, &journal);
        let never_synced = bookings.removed.iter().filter(|booking| booking.gcal_id.is_none()).count();
        Ok(Self { status, letters, journal, removed: bookings.removed.len(), never_synced, violations })
    }

    /// As text, with what the user can do next.
    ///
    /// # Errors
    /// None that can occur: writing to a string does not fail.
    pub(crate) fn text(&self, next: &NextSteps<'_>) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let state = |name: &str| self.status.states.get(name).copied().unwrap_or_default();
        let kinds: Vec<_> = self.status.dead.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let statuses: Vec<_> = self.journal.statuses().iter().map(|(s, count)| format!("{s} × {count}")).collect();
        writeln!(text, "\nOf {} bookings that the application removed:", self.removed)?;
        let completed = state("completed");
        writeln!(text, "  deleted        {completed} ({} of them were never in the calendar)", self.never_synced)?;
        writeln!(text, "  retried        {} were asked for more than once", self.journal.called_repeatedly())?;
        writeln!(text, "  dead-lettered  {}{kinds}", state("dead"))?;
        writeln!(text, "  restored       {} more were removed by mistake and restored in time", state("cancelled"))?;
        writeln!(text, "  calls          {}, answered {}", self.journal.calls(), statuses.join(", "))?;
        self.write_check(&mut text)?;
        self.write_next_steps(&mut text, next)?;
        Ok(text)
    }

    fn write_check(&self, text: &mut String) -> std::fmt::Result {
        if self.violations.is_empty() {
            return writeln!(text, "  check          no booking was deleted that the calendar had not confirmed: ok");
        }
        writeln!(text, "  check          FAILED")?;
        self.violations.iter().try_for_each(|violation| writeln!(text, "    {violation}"))
    }

    fn write_next_steps(&self, text: &mut String, next: &NextSteps<'_>) -> std::fmt::Result {
        let sexton = format!("cargo run -q --bin sexton -- --config {}", next.config.display());
        // One that an operator can repair.
        let letter = self.letters.iter().find(|letter| letter.kind == "rejected").or(self.letters.first());
        if let Some(DeadLetter { id, .. }) = letter {
            let retry = if next.daemon_stays {
                "retry it (the calendar is repaired now)"
            } else {
                "retry it (without --exit: a daemon must be up)"
            };
            writeln!(text, "\nLook at the dead letters, at one of them, and {retry}:")?;
            writeln!(text, "  {sexton} dlq list")?;
            writeln!(text, "  {sexton} dlq show {id}")?;
            writeln!(text, "  {sexton} dlq retry {id}")?;
        }
        writeln!(text, "\nThe same with PostgreSQL and Redis:")?;
        writeln!(text, "  docker run -d -p 5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres:17")?;
        writeln!(text, "  docker run -d -p 6379:6379 redis:8")?;
        writeln!(
            text,
            "  cargo run --bin sexton-example-calendar -- --database postgres://postgres@localhost/postgres --redis redis://localhost"
        )
    }
}

fn violations(bookings: &Bookings, rows: &HashSet<i64>, status: &Status, journal: &Journal) -> Vec<String> {
    let mut violations = Vec::new();
    for booking in &bookings.kept {
        if !rows.contains(&booking.id) {
            violations.push(format!("booking {} is gone although its removal was not requested", booking.id));
        }
        if event(booking).is_some_and(|event| journal.has_confirmed(&event)) {
            violations.push(format!(
                "booking {} is gone from the calendar although its removal was not requested",
                booking.id
            ));
        }
    }
    let gone: Vec<_> = bookings.removed.iter().filter(|booking| !rows.contains(&booking.id)).collect();
    for booking in &gone {
        if event(booking).is_some_and(|event| !journal.has_confirmed(&event)) {
            violations.push(format!("booking {} is gone, and the calendar never confirmed", booking.id));
        }
    }
    let completed = status.states.get("completed").copied().unwrap_or_default();
    if usize::try_from(completed) != Ok(gone.len()) {
        violations.push(format!("the ledger says that {completed} bookings are deleted, and {} are", gone.len()));
    }
    violations.extend(journal.strays().iter().map(|call| format!("something else was called: {call}")));
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations_with(bookings: &Bookings, gone: &[i64], completed: i64) -> Vec<String> {
        let rows = bookings.all().map(|booking| booking.id).filter(|id| !gone.contains(id)).collect();
        let states = [("completed".to_owned(), completed)].into();
        violations(bookings, &rows, &Status { states, ..Status::default() }, &Journal::default())
    }

    #[test]
    fn every_kind_of_loss_is_noticed() {
        let bookings = Bookings::new(10);
        assert!(violations_with(&bookings, &[], 0).is_empty());
        // Booking 5 was never in the calendar, booking 1 was, booking 11 was not removed.
        assert!(violations_with(&bookings, &[5], 1).is_empty());
        assert_eq!(violations_with(&bookings, &[1], 1), ["booking 1 is gone, and the calendar never confirmed"]);
        assert_eq!(violations_with(&bookings, &[11], 0), ["booking 11 is gone although its removal was not requested"]);
        assert_eq!(violations_with(&bookings, &[], 1), ["the ledger says that 1 bookings are deleted, and 0 are"]);
    }
}

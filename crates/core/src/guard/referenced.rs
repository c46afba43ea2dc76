//! The guard of rows that go once nothing references them: a new reference to one takes its mark away in the same
//! transaction, and one to a row that is hidden is refused. So nobody ever references a row that is about to be deleted, in
//! the database and elsewhere.
//!
//! The row is locked before its mark is looked at, as the foreign key does it later or has done it already: what a sweep
//! wrote down in a transaction that is still open is waited for, and what it wants to write down waits for this one, also
//! where the constraint is deferred.

use super::trigger::{Place, Trigger};
use crate::{
    catalog::{Reference, Unreferenced, literal},
    db::{Dialect, millis, quote},
    ledger::Ledger,
};

/// The triggers on the referencing tables, those of each foreign key by its place in the configuration.
pub(super) fn triggers(ledger: &Ledger, unreferenced: &Unreferenced) -> Vec<Trigger> {
    let references = unreferenced.references.iter().enumerate();
    references.flat_map(|(number, reference)| of_reference(ledger, unreferenced, number + 1, reference)).collect()
}

fn of_reference(ledger: &Ledger, unreferenced: &Unreferenced, number: usize, reference: &Reference) -> Vec<Trigger> {
    let columns: Vec<String> = reference.columns.iter().map(|(from, _)| quote(from)).collect();
    let when = columns.iter().map(|column| format!("new.{column} is not null")).collect::<Vec<_>>().join(" and ");
    let update = format!("update of {}", columns.join(", "));
    // What writes all columns as they are references nothing anew.
    let d = ledger.dialect;
    let differs = |column: &String| match d {
        Dialect::Postgres => format!("old.{column} is distinct from new.{column}"),
        Dialect::Sqlite => format!("old.{column} is not new.{column}"),
    };
    let differs = columns.iter().map(differs).collect::<Vec<_>>().join(" or ");
    // Only an update has an old row; and SQLite knows one event a trigger.
    let (inserted, updated) = (format!("referenced{number}_insert"), format!("referenced{number}_update"));
    let events = [
        (inserted, "after insert".to_owned(), when.clone()),
        (updated, format!("after {update}"), format!("{when} and ({differs})")),
    ];
    let body = match d {
        Dialect::Postgres => postgres(unreferenced, reference),
        Dialect::Sqlite => sqlite(unreferenced, reference),
    };
    let trigger = |(kind, fires, when): (String, String, String)| {
        let place = Place {
            kind: &kind,
            resource: &unreferenced.name,
            table: &reference.sql,
            fires: &fires,
            for_each: "for each row",
            when: &when,
        };
        Trigger::new(ledger, &place, &body)
    };
    events.into_iter().map(trigger).collect()
}

fn message(unreferenced: &Unreferenced) -> String {
    let time = humantime::format_duration(unreferenced.settings.hide_after);
    format!("a row of {} that nothing has referenced for {time} can no longer be referenced", unreferenced.table)
}

fn postgres(unreferenced: &Unreferenced, reference: &Reference) -> String {
    let (table, since) = (&unreferenced.rows.sql, quote(&unreferenced.since.name));
    format!(
        "
<<guard>>
declare
    since {table}.{since}%type;
begin
    select t.{since} into guard.since from {table} t where {this} for key share;
    if guard.since is null then
        return null;
    end if;
    if {hidden} then
        raise foreign_key_violation using message = {message}, schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
            hint = 'It is about to be deleted; choose another, or clear its ' || {name} || ' first.';
    end if;
    update {table} t set {since} = null where {this} and t.{since} is not null;
    return null;
end
",
        this = reference.names("new", "t"),
        hidden = hidden(unreferenced, &unreferenced.since.instant_of("guard.since")),
        message = literal(&message(unreferenced)),
        name = literal(&unreferenced.since.name),
    )
}

fn sqlite(unreferenced: &Unreferenced, reference: &Reference) -> String {
    let (table, since) = (&unreferenced.rows.sql, quote(&unreferenced.since.name));
    let this = |alias| reference.names("new", alias);
    format!(
        "
    select raise(abort, {message}) from {table} t where {} and {hidden};
    update {table} set {since} = null where {} and {since} is not null;
",
        this("t"),
        this(table),
        hidden = hidden(unreferenced, &unreferenced.since.instant("t")),
        message = literal(&message(unreferenced)),
    )
}

fn hidden(unreferenced: &Unreferenced, since: &str) -> String {
    let ago = unreferenced.rows.dialect.instant_ago(millis(unreferenced.settings.hide_after));
    format!("coalesce({since} <= {ago}, false)")
}

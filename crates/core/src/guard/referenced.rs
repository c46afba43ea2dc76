//! The guard of rows that go once nothing references them: a new reference to one takes its mark away in the same
//! transaction, and one to a row that is hidden is refused. So nobody ever references a row that is about to be deleted, in
//! the database and elsewhere.
//!
//! The row is locked before its mark is looked at, as the foreign key does it later or has done it already: what a sweep
//! wrote down in a transaction that is still open is waited for, and what it wants to write down waits for this one, also
//! where the constraint is deferred.

use super::trigger::{Place, Trigger};
use crate::{
    catalog::{Reference, Table, Unreferenced},
    db::{Dialect, literal, millis, quote},
    ledger::Ledger,
};

/// The triggers on the referencing tables, those of each foreign key by its place in the configuration.
///
/// * `table`: the same table, if its rows can be removed as well.
pub(super) fn triggers(ledger: &Ledger, unreferenced: &Unreferenced, table: Option<&Table>) -> Vec<Trigger> {
    let references = unreferenced.references.iter().enumerate();
    references
        .flat_map(|(number, reference)| of_reference(ledger, (unreferenced, table), number + 1, reference))
        .collect()
}

fn of_reference(
    ledger: &Ledger,
    (unreferenced, table): (&Unreferenced, Option<&Table>),
    number: usize,
    reference: &Reference,
) -> Vec<Trigger> {
    let columns: Vec<String> = reference.columns.iter().map(|pair| quote(&pair.from)).collect();
    let when = columns.iter().map(|column| format!("new.{column} is not null")).collect::<Vec<_>>().join(" and ");
    // What writes all columns as they are references nothing anew. And not `update of`, which does not see what another
    // trigger writes (PostgreSQL, CREATE TRIGGER).
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
        (updated, "after update".to_owned(), format!("{when} and ({differs})")),
    ];
    let body = match d {
        Dialect::Postgres => postgres(unreferenced, table, reference),
        Dialect::Sqlite => sqlite(unreferenced, table, reference),
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

/// Somebody who has the row locked is not waited for, or writers who reference several rows would wait for each other: the
/// mark is left to the next pass then, which finds the row referenced, as this transaction keeps sweeps from it until then.
fn postgres(unreferenced: &Unreferenced, removable: Option<&Table>, reference: &Reference) -> String {
    let (table, since) = (&unreferenced.rows.sql, quote(&unreferenced.since.name));
    format!(
        "
<<guard>>
declare
    is_marked boolean;
    is_hidden boolean;
begin
    select t.{since} is not null, {hidden} into guard.is_marked, guard.is_hidden from {table} t where {this} for key share;
    if guard.is_marked is not true then
        return null;
    end if;
    if guard.is_hidden then
        raise foreign_key_violation using message = {message}, schema = tg_table_schema, table = tg_table_name, constraint = tg_name,
            hint = 'It is about to be deleted; choose another, or clear its ' || {name} || ' first.';
    end if;
    perform 1 from {table} t where {this} for no key update skip locked;
    if found then
        update {table} t set {since} = null where {this} and t.{since} is not null;
    end if;
    return null;
end
",
        this = reference.names("new", "t"),
        hidden = hidden(unreferenced, removable),
        message = literal(&message(unreferenced)),
        name = literal(&unreferenced.since.name),
    )
}

fn sqlite(unreferenced: &Unreferenced, removable: Option<&Table>, reference: &Reference) -> String {
    let (table, since) = (&unreferenced.rows.sql, quote(&unreferenced.since.name));
    let this = |alias| reference.names("new", alias);
    format!(
        "
    select raise(abort, {message}) from {table} t where {} and t.{since} is not null and {hidden};
    update {table} set {since} = null where {} and {since} is not null;
",
        this("t"),
        this(table),
        hidden = hidden(unreferenced, removable),
        message = literal(&message(unreferenced)),
    )
}

/// Whether the row `t`, which is marked as unreferenced, can no longer be chosen: for its age, or because its deletion was
/// requested already.
fn hidden(unreferenced: &Unreferenced, removable: Option<&Table>) -> String {
    let ago = unreferenced.rows.dialect.instant_ago(millis(unreferenced.settings.hide_after));
    let removed = removable.map_or_else(String::new, |table| format!(" or {}", table.marked("t")));
    format!("(coalesce({} <= {ago}, false){removed})", unreferenced.since.instant("t"))
}

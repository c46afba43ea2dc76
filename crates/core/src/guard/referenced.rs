//! The guard of rows that are deleted when nothing references them. A new reference clears the row's time (`since`) in
//! the same transaction. A reference to a hidden row is refused. So nothing ever references a row that is about to be
//! deleted, in the database and elsewhere.
//!
//! The row is locked before its time is read, as the foreign key locks it later or has done already. So this
//! transaction waits for a sweep that is setting the time, and a sweep waits for this one, also where the constraint is
//! deferred.

use super::{
    settings,
    trigger::{Spec, Trigger, body, own_table_words},
};
use crate::{
    catalog::{ResolvedReference, Table, UnreferencedTable},
    db::{Dialect, Words, literal, millis, quote},
    ledger::Ledger,
};

/// The triggers on the referencing tables, those of each foreign key by its place in the configuration.
///
/// * `table`: the same table, if its rows can be soft-removed as well.
pub(super) fn triggers(ledger: &Ledger, unreferenced: &UnreferencedTable, table: Option<&Table>) -> Vec<Trigger> {
    let references = unreferenced.references.iter().enumerate();
    references
        .flat_map(|(number, reference)| of_reference(ledger, (unreferenced, table), number + 1, reference))
        .collect()
}

fn of_reference(
    ledger: &Ledger,
    (unreferenced, table): (&UnreferencedTable, Option<&Table>),
    number: usize,
    reference: &ResolvedReference,
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
    let trigger = |(kind, fires, when): (String, String, String)| {
        let words = words(ledger, (unreferenced, table), (&kind, reference));
        let body = body(&words, words.pick(POSTGRES, SQLITE));
        let spec = Spec {
            kind: &kind,
            resource: &unreferenced.name,
            table: &reference.sql,
            fires: &fires,
            for_each: "for each row",
            when: &when,
            settings: settings::PLAIN,
        };
        Trigger::new(ledger, &spec, &body)
    };
    events.into_iter().map(trigger).collect()
}

fn message(unreferenced: &UnreferencedTable) -> String {
    let time = humantime::format_duration(unreferenced.settings.hide_after);
    format!("a row of {} that nothing has referenced for {time} can no longer be referenced", unreferenced.table)
}

/// A row that another transaction has locked is not waited for, or writers who reference several rows would wait for
/// each other. Its time is left to the next pass, which finds the row referenced; until then this transaction keeps
/// sweeps from it.
const POSTGRES: &str = include_str!("referenced.postgres.sql");

/// The search path that the application's own triggers see when the row's time is cleared: that of the role with
/// whose rights they run. That of the session would let the writer of a reference choose what those triggers find.
const OWNERS_PATH: &str = "coalesce((
            select substr(setting, length('search_path=') + 1)
            from pg_db_role_setting s cross join unnest(s.setconfig) setting
            where setting like 'search\\_path=%' and s.setrole in (0, to_regrole(quote_ident(current_user)))
                and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
            order by s.setrole = 0, s.setdatabase = 0 limit 1), '\"$user\", public')";
const SQLITE: &str = include_str!("referenced.sqlite.sql");

fn words(
    ledger: &Ledger,
    (unreferenced, table): (&UnreferencedTable, Option<&Table>),
    (kind, reference): (&str, &ResolvedReference),
) -> Words {
    own_table_words(ledger, kind, &unreferenced.name, &reference.sql).with([
        ("table", unreferenced.rows.sql.clone()),
        ("since", quote(&unreferenced.since.name)),
        ("since_name", literal(&unreferenced.since.name)),
        ("is_referenced", reference.names("new", "t")),
        ("is_referenced_without_alias", reference.names("new", &unreferenced.rows.sql)),
        ("is_hidden", is_hidden(unreferenced, table)),
        ("owners_path", OWNERS_PATH.to_owned()),
        ("message", literal(&message(unreferenced))),
    ])
}

/// Whether the row `t`, which is marked as unreferenced, can no longer be chosen: for its age, or because its deletion
/// was requested already.
fn is_hidden(unreferenced: &UnreferencedTable, table: Option<&Table>) -> String {
    let ago = unreferenced.rows.dialect.instant_ago(millis(unreferenced.settings.hide_after));
    let removed = table.map_or_else(String::new, |table| format!(" or {}", table.marked("t")));
    format!("(coalesce({} <= {ago}, false){removed})", unreferenced.since.instant("t"))
}

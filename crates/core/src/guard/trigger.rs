//! A trigger as text, for either database.

use sha2::{Digest, Sha256};

use super::settings::{Setting, clauses};
use crate::{
    db::{Dialect, Words, literal, quote},
    ids::ResourceName,
    ledger::Ledger,
};

/// What all guards' names begin with.
pub(super) const PREFIX: &str = "sexton_guard_";
/// PostgreSQL cuts longer names off (§4.1.1).
const LONGEST: usize = 63;

/// A trigger that Sexton installs on a table of the application.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its name, and on PostgreSQL also its function's, which is in the ledger's schema.
    pub name: String,
    /// The table's qualified, quoted name.
    pub on_table: String,
    /// The statements that create it, in order.
    pub sql_create: Vec<String>,
    /// The statement that drops it, if it is there.
    pub sql_drop: String,
    /// What the database's catalogue says of it once it is installed.
    pub(super) source: String,
    /// The settings of its function (PostgreSQL).
    pub(super) settings: &'static [Setting],
}

/// On which table a trigger is, and when it fires.
pub(super) struct Spec<'p> {
    /// What it does in a word, and for which resource: its name.
    pub(super) kind: &'p str,
    pub(super) resource: &'p ResourceName,
    /// The table's qualified, quoted name.
    pub(super) table: &'p str,
    /// `after delete`, …
    pub(super) fires: &'p str,
    /// `for each row`, or what else the database has.
    pub(super) for_each: &'p str,
    /// When it does anything.
    pub(super) when: &'p str,
    /// The settings of its function (PostgreSQL).
    pub(super) settings: &'static [Setting],
}

impl Trigger {
    /// `body` is that of a PL/pgSQL function on PostgreSQL, and statements on SQLite.
    ///
    /// The function acts with the rights of the role that installed it, so that roles that write to the table need none
    /// on the ledger. Therefore no other role may make a trigger of it, names in it are qualified, and the search path
    /// is its own (PostgreSQL, CREATE FUNCTION, "Writing SECURITY DEFINER Functions Safely").
    pub(super) fn new(ledger: &Ledger, spec: &Spec<'_>, body: &str) -> Self {
        let Spec { table, fires, for_each, when, settings, .. } = spec;
        let name = name(spec.kind, spec.resource);
        let quoted = quote(&name);
        let (sql_create, sql_drop, source) = match ledger.dialect {
            Dialect::Postgres => {
                let schema = ledger.schema.as_deref().unwrap_or_default();
                let function = format!("{}.{quoted}()", quote(schema));
                // So that another condition makes another source, too.
                let body = format!("\n-- {fires} {for_each} when ({})", when.replace('\n', " ")) + body;
                let tag = tag(&body);
                let clauses = clauses(settings);
                let create = vec![
                    format!(
                        "create function {function} returns trigger language plpgsql security definer\n    \
                         {clauses} as {tag}{body}{tag}"
                    ),
                    revoke(schema, &name),
                    format!(
                        "create trigger {quoted} {fires} on {table} {for_each}\n    when ({when}) execute function {function}"
                    ),
                ];
                (create, format!("drop function if exists {function} cascade"), body)
            }
            Dialect::Sqlite => {
                // Kept by the database as it was written, but for the first two words.
                let source = format!("{quoted} {fires} on {table} {for_each} when {when}\nbegin{body}end");
                (vec![format!("create trigger {source}")], format!("drop trigger if exists {quoted}"), source)
            }
        };
        Self { name, on_table: (*table).to_owned(), sql_create, sql_drop, source, settings }
    }
}

/// Leaves the function to its owner: default privileges may have given it to others than PUBLIC, too.
fn revoke(schema: &str, name: &str) -> String {
    let words = Words::new(Dialect::Postgres).with([("schema", literal(schema)), ("name", literal(name))]);
    words.expand(REVOKE).trim().to_owned()
}

const REVOKE: &str = include_str!("trigger.revoke.sql");

/// The words of a text about the trigger's own table (PostgreSQL), for `{ensure_own_table}`.
pub(super) fn own_table_words(ledger: &Ledger, kind: &str, resource: &ResourceName, table: &str) -> Words {
    let words = ledger.words.clone().with([
        ("guard_name", literal(&name(kind, resource))),
        ("own_table", literal(table)),
        ("resource_name", resource.to_string()),
    ]);
    let ensure = words.expand(ENSURE_OWN_TABLE.trim_end());
    words.with([("ensure_own_table", ensure)])
}

/// The function has its owner's rights. If another role could attach it to a table of its own, it must refuse. A
/// partition stands for its table, and the table may have been renamed since.
const ENSURE_OWN_TABLE: &str = include_str!("trigger.ensure_own_table.sql");

/// The body of a trigger: the text without its first line, a comment. It is compared with what is installed, so it is
/// put together exactly as it is written.
pub(super) fn body(words: &Words, text: &str) -> String {
    let (_, statements) = text.split_once('\n').unwrap_or_default();
    format!("\n{}", words.expand(statements))
}

/// The same name for the same resource, and another for another.
fn name(kind: &str, resource: &ResourceName) -> String {
    let name = format!("{PREFIX}{kind}_{resource}");
    if name.len() <= LONGEST {
        return name;
    }
    // Resource names are ASCII.
    let hash: String = Sha256::digest(&name).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}_{hash}", &name[..LONGEST - 9])
}

/// A dollar quote that does not occur in the text (§4.1.2.4).
fn tag(text: &str) -> String {
    let mut tag = "$sexton$".to_owned();
    while text.contains(&tag) {
        tag.insert(tag.len() - 1, 'x');
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_enough_and_stay_apart() {
        let resource = |name: &str| name.parse::<ResourceName>().unwrap();
        assert_eq!(name("deleted", &resource("block")), "sexton_guard_deleted_block");
        let long = "a".repeat(62);
        let (one, other) =
            (name("deleted", &resource(&format!("{long}b"))), name("deleted", &resource(&format!("{long}c"))));
        assert!(one.len() == LONGEST && other.len() == LONGEST && one != other, "{one} {other}");
    }

    #[test]
    fn quotes_do_not_occur_in_what_they_quote() {
        assert_eq!(tag("x"), "$sexton$");
        assert_eq!(tag("a $sexton$ $sextonx$"), "$sextonxx$");
    }
}

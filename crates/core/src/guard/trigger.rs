//! A trigger as text, for either database.

use sha2::{Digest, Sha256};

use crate::{
    db::{Dialect, Words, quote},
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
}

impl Trigger {
    /// `body` is that of a PL/pgSQL function on PostgreSQL, and statements on SQLite.
    ///
    /// The function acts with the rights of the role that installed it, so that roles that write to the table need none on
    /// the ledger. Therefore no other role may make a trigger of it, names in it are qualified, and the search path is its
    /// own (PostgreSQL, CREATE FUNCTION, "Writing SECURITY DEFINER Functions Safely").
    pub(super) fn new(ledger: &Ledger, spec: &Spec<'_>, body: &str) -> Self {
        let Spec { table, fires, for_each, when, .. } = spec;
        let name = name(spec.kind, spec.resource);
        let quoted = quote(&name);
        let (sql_create, sql_drop, source) = match ledger.dialect {
            Dialect::Postgres => {
                let function = ledger.schema.as_ref().map_or_else(String::new, |schema| format!("{}.", quote(schema)));
                let function = format!("{function}{quoted}()");
                // So that another condition makes another source, too.
                let body = format!("\n-- {fires} {for_each} when ({})", when.replace('\n', " ")) + body;
                let tag = tag(&body);
                let create = vec![
                    format!(
                        "create function {function} returns trigger language plpgsql security definer\n    \
                         set search_path = pg_catalog, pg_temp set row_security = off set standard_conforming_strings = on as {tag}{body}{tag}"
                    ),
                    format!("revoke all on function {function} from public"),
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
        Self { name, on_table: (*table).to_owned(), sql_create, sql_drop, source }
    }
}

/// The body of a trigger: the text without its first line, a comment. It is compared with what is installed, so it is put
/// together exactly as it is written.
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

//! Remembers which guards were installed, and how. So a guard that was lost or changed can be told from one that was
//! never installed.

use sea_orm::ConnectionTrait;

use super::{
    Guard, GuardState, Trigger, guards,
    state::{Standing, read_standing},
};
use crate::{
    db::{self, Sql, Words},
    ledger::Ledger,
    store::Store,
};

struct Statements {
    write: Sql,
    forget: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        Self {
            write: words.render(include_str!("seen.write.sql")),
            forget: words.render("-- forget a guard\ndelete from {guard} where name = @name"),
        }
    }
}

/// How the guards stand; those that are installed, also by a migration of the tables' owner, are written down.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn look_at_guards(store: &Store) -> Result<Vec<Guard>, db::Error> {
    let all = guards(&store.db.conn, store).await?;
    for guard in &all {
        let is_new = guard.standing.state == GuardState::Outdated && !guard.standing.is_known;
        if guard.standing.state == GuardState::Installed || is_new {
            let resource = guard.resource.as_str();
            write(&store.db.conn, &store.ledger, resource, &guard.trigger, &guard.standing).await?;
        }
    }
    Ok(all)
}

/// Writes a guard down that this transaction has installed.
pub(super) async fn remember(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    resource: &str,
    trigger: &Trigger,
) -> Result<(), db::Error> {
    let standing = read_standing(conn, ledger, trigger).await?;
    write(conn, ledger, resource, trigger, &standing).await
}

async fn write(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    resource: &str,
    trigger: &Trigger,
    standing: &Standing,
) -> Result<(), db::Error> {
    let write = ledger.statements::<Statements>().write.bind([
        ("name", trigger.name.as_str().into()),
        ("resource", resource.into()),
        ("table", trigger.on_table.as_str().into()),
        ("table_oid", standing.table_oid.into()),
        ("owner", standing.owner.clone().into()),
        ("digest", standing.digest.clone().into()),
        ("definition", standing.definition.clone().into()),
    ]);
    write.execute(conn).await.map(drop)
}

/// Forgets a guard that this transaction has removed.
pub(super) async fn forget(conn: &impl ConnectionTrait, ledger: &Ledger, trigger: &Trigger) -> Result<(), db::Error> {
    let forget = ledger.statements::<Statements>().forget.bind([("name", trigger.name.as_str().into())]);
    forget.execute(conn).await.map(drop)
}

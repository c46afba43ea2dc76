//! Comparing what is installed with what would be generated now.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Trigger, referenced, settings, trigger::PREFIX, triggers};
use crate::{
    catalog::{Table, UnreferencedTable},
    db::{self, Dialect, Row, Sql, Words, quote},
    ids::ResourceName,
    ledger::Ledger,
    store::Store,
};

/// How a guard stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardState {
    /// It is there, as it should be.
    Installed,
    /// It is there, but made from another configuration, another table, or by another release.
    Outdated,
    /// It is there, but disabled (PostgreSQL, ALTER TABLE … DISABLE TRIGGER), if only on a partition.
    Disabled,
    /// It is there, but was changed by others: its text, its settings, its owner, or who may run it.
    Altered,
    /// It was installed, and is not there.
    Lost,
    /// It is not there, and never was.
    Missing,
}

impl GuardState {
    /// As `--json` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Outdated => "outdated",
            Self::Disabled => "disabled",
            Self::Altered => "altered",
            Self::Lost => "lost",
            Self::Missing => "missing",
        }
    }

    /// Whether it was installed and does not do what it should.
    #[must_use]
    pub const fn is_broken(self) -> bool {
        matches!(self, Self::Disabled | Self::Altered | Self::Lost)
    }
}

struct Statements {
    read: Sql,
    list: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let read = words.pick(
            include_str!("state.read.postgres.sql"),
            "-- see how a guard stands
             select s.sql as source, g.name is not null as is_known, g.digest as known_digest
             from (select @name as name) w
             left join sqlite_schema s on s.type = 'trigger' and s.name = w.name
             left join {guard} g on g.name = w.name",
        );
        let list = words.pick(
            include_str!("state.list.postgres.sql"),
            "-- list guards
             select name, tbl_name as on_table from sqlite_schema
             where type = 'trigger' and substr(name, 1, length(@prefix)) = @prefix
             order by name",
        );
        Self { read: words.render(read), list: words.render(list) }
    }
}

/// A guard of a resource and how it stands.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The resource.
    pub resource: ResourceName,
    /// What it should be.
    pub trigger: Trigger,
    /// What it is.
    pub standing: Standing,
}

/// What the database says of a guard.
#[derive(Debug, Clone)]
pub struct Standing {
    /// In a word.
    pub state: GuardState,
    /// What was changed, if it is [`GuardState::Altered`].
    pub why: Option<String>,
    /// Whether it was seen before.
    pub(super) is_known: bool,
    pub(super) table_oid: Option<i64>,
    pub(super) owner: Option<String>,
    /// SHA-256 of its text, in hexadecimal digits.
    pub(super) digest: Option<String>,
    pub(super) definition: Option<String>,
}

/// The guards that the resources could have.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn guards(conn: &impl ConnectionTrait, store: &Store) -> Result<Vec<Guard>, db::Error> {
    let mut guards = Vec::new();
    for (resource, trigger) in triggers(store) {
        let standing = read_standing(conn, &store.ledger, &trigger).await?;
        guards.push(Guard { resource: resource.clone(), trigger, standing });
    }
    Ok(guards)
}

/// Whether new references to rows of this table are guarded.
pub(super) async fn keeps_references(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    unreferenced: &UnreferencedTable,
    table: Option<&Table>,
) -> Result<bool, db::Error> {
    for trigger in referenced::triggers(ledger, unreferenced, table) {
        if read_standing(conn, ledger, &trigger).await?.state != GuardState::Installed {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) async fn read_standing(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    trigger: &Trigger,
) -> Result<Standing, db::Error> {
    let read = ledger.statements::<Statements>().read.bind([
        ("schema", ledger.schema.as_deref().unwrap_or_default().into()),
        ("name", trigger.name.as_str().into()),
        ("table", trigger.on_table.as_str().into()),
    ]);
    let row = match read.clone().one(conn).await {
        // The catalogue prints triggers as they are now, and another process may drop one meanwhile.
        Err(error) if error.refusal().is_some_and(|refusal| refusal.code == "XX000") => {
            read.one(conn).await.map_err(|_| error)?
        }
        row => row?,
    };
    let row = row.ok_or_else(|| db::Error::unreadable("no answer about a guard"))?;
    match ledger.dialect {
        Dialect::Postgres => postgres(&row, trigger),
        Dialect::Sqlite => sqlite(&row, trigger),
    }
}

fn postgres(row: &Row, trigger: &Trigger) -> Result<Standing, db::Error> {
    let source: Option<String> = row.get("source")?;
    let mut standing = Standing {
        state: GuardState::Installed,
        why: None,
        is_known: row.get("is_known")?,
        table_oid: row.get("table_oid")?,
        owner: row.get("owner")?,
        digest: source.as_deref().map(digest),
        definition: row.get("definition")?,
    };
    (standing.state, standing.why) = if !row.get::<bool>("has_trigger")? {
        // On a table that was the resource's before, or dropped and left over; or the function alone.
        let elsewhere = row.get::<bool>("has_any_trigger")?;
        let was_there = standing.is_known || row.get::<bool>("has_function")?;
        let state = match (elsewhere, was_there) {
            (true, _) => GuardState::Outdated,
            (false, true) => GuardState::Lost,
            (false, false) => GuardState::Missing,
        };
        (state, None)
    } else if let Some(why) = alteration(row, trigger, &standing)? {
        (GuardState::Altered, Some(why))
    } else if row.get("is_disabled")? {
        (GuardState::Disabled, None)
    } else if source.as_ref() != Some(&trigger.source) {
        (GuardState::Outdated, None)
    } else {
        (GuardState::Installed, None)
    };
    Ok(standing)
}

/// What was changed of a guard that is there, for people (PostgreSQL). A text that is neither ours nor the one that was
/// seen before is others' work.
fn alteration(row: &Row, trigger: &Trigger, standing: &Standing) -> Result<Option<String>, db::Error> {
    let (known_digest, known_owner): (Option<String>, Option<String>) =
        (row.get("known_digest")?, row.get("known_owner")?);
    let known_definition: Option<String> = row.get("known_definition")?;
    let settings: Vec<String> = row.json("settings")?;
    let is_own = row.get::<Option<String>>("source")?.as_ref() == Some(&trigger.source);
    let is_as_it_was = standing.definition == known_definition;
    let is_defined_alike = standing.definition.as_deref().is_some_and(|found| same_trigger(found, trigger));
    let why = if let Some(roles) = row.get::<Option<String>>("executable_by")? {
        format!("may be run by {roles}, and must not")
    } else if let Some(known) = known_owner.filter(|known| standing.owner.as_ref() != Some(known)) {
        format!("is owned by {}, and was by {known}", standing.owner.as_deref().unwrap_or_default())
    } else if !row.get::<bool>("is_definer")? {
        "is not SECURITY DEFINER any more".to_owned()
    } else if !is_own && known_digest.is_some() && known_digest != standing.digest {
        "has another text than was installed".to_owned()
    } else if is_own && !settings::are_set(trigger.settings, &settings) {
        "has other settings than were installed".to_owned()
    } else if is_own && !is_as_it_was && !is_defined_alike {
        "fires otherwise than was installed".to_owned()
    } else {
        return Ok(None);
    };
    Ok(Some(why))
}

/// Whether the catalogue's text of a trigger is that of `trigger`. It writes types and parentheses that we do not.
fn same_trigger(found: &str, trigger: &Trigger) -> bool {
    let bare = |sql: &str| -> String {
        let sql = sql.to_lowercase().replace("::text", "");
        sql.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"')).collect()
    };
    trigger.sql_create.last().is_some_and(|sql| bare(sql) == bare(found))
}

fn digest(source: &str) -> String {
    Sha256::digest(source).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sqlite(row: &Row, trigger: &Trigger) -> Result<Standing, db::Error> {
    let source: Option<String> = row.get("source")?;
    let known_digest: Option<String> = row.get("known_digest")?;
    let digest = source.as_deref().map(digest);
    let is_known = row.integer("is_known")? != 0;
    let same = |installed: &str| {
        installed.get("create trigger ".len()..).is_some_and(|rest| rest.trim_start() == trigger.source)
    };
    let (state, why) = match source.as_deref() {
        None => (if is_known { GuardState::Lost } else { GuardState::Missing }, None),
        Some(installed) if same(installed) => (GuardState::Installed, None),
        Some(_) if known_digest.is_some() && known_digest != digest => {
            (GuardState::Altered, Some("has another text than was installed".to_owned()))
        }
        Some(_) => (GuardState::Outdated, None),
    };
    Ok(Standing { state, why, is_known, table_oid: None, owner: None, digest, definition: None })
}

/// Guards that are installed although no resource of `catalog` has them: the resource was renamed or is not configured
/// any more, and no worker claims what they record. Each with its name, its tables for people, and the statement that
/// drops it.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn left_over(conn: &impl ConnectionTrait, store: &Store) -> Result<Vec<Trigger>, db::Error> {
    let known: HashSet<String> = triggers(store).into_iter().map(|(_, trigger)| trigger.name).collect();
    let schema = store.ledger.schema.as_deref().unwrap_or_default();
    let list =
        store.ledger.statements::<Statements>().list.bind([("prefix", PREFIX.into()), ("schema", schema.into())]);
    let mut left = Vec::new();
    for row in list.all(conn).await? {
        let name: String = row.get("name")?;
        if known.contains(&name) {
            continue;
        }
        let (schema, quoted) = (quote(schema), quote(&name));
        let sql_drop = match store.ledger.dialect {
            Dialect::Postgres => format!("drop function if exists {schema}.{quoted}() cascade"),
            Dialect::Sqlite => format!("drop trigger if exists {quoted}"),
        };
        let on_table = row.get("on_table")?;
        left.push(Trigger { name, on_table, sql_create: Vec::new(), sql_drop, source: String::new(), settings: &[] });
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_no_unknown_words() {
        crate::ledger::Ledger::render_for_every_dialect::<super::Statements>();
    }
}

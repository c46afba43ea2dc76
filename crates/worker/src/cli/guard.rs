//! `sexton guard`: installs, removes and lists triggers.

use std::path::Path;

use serde::Serialize;
use sexton_core::{
    catalog::Catalog,
    guard::{self, Guard, GuardState, InstallError, Trigger, left_over},
    store::Store,
};

use super::{
    error::{Error, Result},
    open,
    output::{self, Format},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton guard                        list the guards of all resources
  sexton guard booking --dry-run      print the SQL, for a migration of the tables' owner
  sexton guard booking                install it; doing so twice does no harm
  sexton guard --all                  the same for every resource, for example at every deployment
  sexton guard booking --remove

Guards are triggers:
- On the table of a resource with targets: a row that is deleted without a request is recorded, and workers delete its
  twins.
- On tables that reference a resource with `unreferenced`: a new reference clears the row's time (`since`), and
  references to a hidden row are refused.
Installing waits at most five seconds for transactions that write to the table. TRUNCATE fires no guard, and neither do
deletes under session_replication_role = replica.")]
pub(super) struct Args {
    /// The resources.
    resources: Vec<String>,
    /// All resources that can have guards; with --remove also guards of resources that are no longer configured.
    #[arg(long, conflicts_with = "resources")]
    all: bool,
    /// Take the guards away.
    #[arg(long)]
    remove: bool,
    /// Only print the statements.
    #[arg(long)]
    dry_run: bool,
    /// Who does it.
    #[arg(long, value_name = "WHO", default_value_t = open::default_user())]
    by: String,
    /// Print one JSON object a guard.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct GuardedLine<'l> {
    /// None for one that is left over.
    resource: Option<&'l str>,
    trigger: &'l str,
    table: &'l str,
    state: &'static str,
    /// Whether it was installed or removed now.
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<Vec<String>>,
}

/// What was done with a trigger.
struct ChangedGuard<'d> {
    /// None for one that is left over.
    resource: Option<&'d str>,
    trigger: &'d Trigger,
    before: GuardState,
    changed: bool,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let store = open::store(path, &opened).await?;
    let guards = guard::guards(&store.db.conn, &store).await?;
    let old = left_over(&store.db.conn, &store).await?;
    if args.resources.is_empty() && !args.all {
        if args.remove || args.dry_run {
            return Err(Error::Usage("name the resources, or say --all".to_owned()));
        }
        return list(&guards, &old, Format::json_if(args.json));
    }
    for name in &args.resources {
        ensure_guardable(&store.catalog, &guards, name)?;
    }
    let wanted = |guard: &&Guard| args.all || args.resources.iter().any(|name| name == guard.resource.as_str());
    let wanted: Vec<&Guard> = guards.iter().filter(wanted).collect();
    let old = if args.all && args.remove { old } else { Vec::new() };
    let mut names: Vec<&str> = wanted.iter().map(|guard| guard.resource.as_str()).collect();
    names.dedup();
    for name in names {
        let guards: Vec<&Guard> = wanted.iter().filter(|guard| guard.resource.as_str() == name).copied().collect();
        let triggers: Vec<Trigger> = guards.iter().map(|guard| guard.trigger.clone()).collect();
        let changed = if args.dry_run { Vec::new() } else { install_or_remove(&store, &args, name, &triggers).await? };
        for guard in guards {
            let changed = changed.contains(&guard.trigger.name);
            let done =
                ChangedGuard { resource: Some(name), trigger: &guard.trigger, before: guard.standing.state, changed };
            report(&args, &done)?;
        }
    }
    for trigger in old {
        let one = std::slice::from_ref(&trigger);
        let changed =
            if args.dry_run { Vec::new() } else { install_or_remove(&store, &args, &trigger.name, one).await? };
        let changed = !changed.is_empty();
        report(&args, &ChangedGuard { resource: None, trigger: &trigger, before: GuardState::Outdated, changed })?;
    }
    Ok(())
}

/// Ensures that there is a resource with this name that can have guards.
fn ensure_guardable(catalog: &Catalog, guards: &[Guard], name: &str) -> Result {
    if guards.iter().any(|guard| guard.resource.as_str() == name) {
        return Ok(());
    }
    Err(Error::Usage(match catalog.by_name(name) {
        Some(_) => format!(
            "resources.{name} has neither targets nor `unreferenced`: its rows have no twins, and there is nothing to \
             guard"
        ),
        None => {
            let known: Vec<_> = catalog.tables().map(|table| table.name.to_string()).collect();
            format!("there is no resource `{name}`; configured are {}", known.join(", "))
        }
    }))
}

async fn install_or_remove(store: &Store, args: &Args, resource: &str, triggers: &[Trigger]) -> Result<Vec<String>> {
    let changed = if args.remove {
        guard::remove(store, resource, triggers, &args.by).await
    } else {
        guard::install(store, resource, triggers, &args.by).await
    };
    changed.map_err(|error| match error {
        InstallError::Database(error) => error.into(),
        error => Error::Failed(anyhow::anyhow!("{resource}: {error}")),
    })
}

/// Prints what was done with a trigger.
fn report(args: &Args, done: &ChangedGuard<'_>) -> Result {
    let ChangedGuard { resource, trigger, before, changed } = *done;
    let (name, table) = (trigger.name.as_str(), trigger.on_table.as_str());
    if args.dry_run {
        let mut sql = vec![trigger.sql_drop.clone()];
        if !args.remove {
            sql.extend(trigger.sql_create.iter().cloned());
        }
        if args.json {
            let state = before.as_str();
            return output::json(&GuardedLine { resource, trigger: name, table, state, changed, sql: Some(sql) });
        }
        for statement in sql {
            println!("{statement};");
        }
        return Ok(());
    }
    if args.json {
        let state = if args.remove { GuardState::Missing } else { GuardState::Installed }.as_str();
        return output::json(&GuardedLine { resource, trigger: name, table, state, changed, sql: None });
    }
    let what = match (args.remove, changed) {
        (false, true) => "installed",
        (false, false) => "was installed already",
        (true, true) => "removed",
        (true, false) => "was not there",
    };
    println!("{}", output::clean(&format!("{}: {name} on {table} {what}", resource.unwrap_or("(left over)"))));
    Ok(())
}

fn list(guards: &[Guard], old: &[Trigger], format: Format) -> Result {
    let known =
        guards.iter().map(|guard| (Some(guard.resource.as_str()), &guard.trigger, guard.standing.state.as_str()));
    let all: Vec<_> = known.chain(old.iter().map(|trigger| (None, trigger, "left_over"))).collect();
    if format == Format::Json {
        for (resource, trigger, state) in all {
            let (trigger, table) = (trigger.name.as_str(), trigger.on_table.as_str());
            output::json(&GuardedLine { resource, trigger, table, state, changed: false, sql: None })?;
        }
        return Ok(());
    }
    let row = |(resource, trigger, state): &(Option<&str>, &Trigger, &str)| {
        [resource.unwrap_or("-").to_owned(), trigger.on_table.clone(), trigger.name.clone(), (*state).to_owned()]
    };
    output::table(["RESOURCE", "TABLE", "GUARD", "STATE"], &all.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

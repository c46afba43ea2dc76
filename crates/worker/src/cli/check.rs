//! `sexton check`: checks all that `sexton run` needs, without changing anything.

use std::path::Path;

use secrecy::ExposeSecret;
use serde::Serialize;
use sexton_core::{
    catalog::{self, Catalog, ConfigProblem},
    config::Config,
    db::connect,
    guard::{advice, broken, guards, unguarded},
    ids::ResourceName,
    ledger::OpenError,
    rights::missing_rights,
    sql_functions,
    store::Store,
};

use super::{
    check_addresses::check_addresses,
    check_credentials,
    error::{Error, Result},
    open,
    output::{self, Format},
};
use crate::{
    daemon::StartError,
    schema::open_ledger,
    transport::check::{RedisFinding, check},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sexton check\n  sexton --config staging.toml check --json")]
pub(super) struct Args {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct CheckReport {
    ok: bool,
    problems: Vec<ConfigProblem>,
    warnings: Vec<ConfigProblem>,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let config = open::config(path)?;
    let db = connect(&config.database.url, 2).await.map_err(|e| Error::start(e.into(), path))?;
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let mut catalog = None;
    match Catalog::load(&db, &config).await {
        Ok(found) => {
            warnings.extend(found.advice(&db).await?);
            problems.extend(found.unreferenced_problems().iter().cloned());
            catalog = Some(found);
        }
        Err(catalog::Error::Problems(found)) => problems.extend(found),
        Err(error) => return Err(Error::catalog(error, &path.display().to_string())),
    }
    match open_ledger(&db).await {
        Ok(ledger) => {
            for drift in ledger.drift(&db, &config.resources).await? {
                problems.push(ConfigProblem::new("resources", drift.to_string()));
            }
            if ledger.sequence_is_behind(&db).await? {
                let message = "the sequence of sexton_action is behind its rows, as after logical replication; run \
                               `sexton migrate`";
                problems.push(ConfigProblem::new("database.url", message));
            }
            for unreferenced in catalog.iter().flat_map(Catalog::unreferenced) {
                let table = catalog.as_ref().and_then(|catalog| catalog.table(&unreferenced.name));
                let found = unguarded(&db.conn, &ledger, unreferenced, table.map(AsRef::as_ref)).await?;
                problems.extend(found);
            }
            if let Some(catalog) = catalog {
                let store = Store { db, ledger, catalog };
                if problems.is_empty() {
                    warnings.extend(stale_statements(&store).await?);
                }
                let missing = missing_rights(&store).await?;
                problems.extend(missing.into_iter().map(|right| right.problem));
                let guards = guards(&store.db.conn, &store).await?;
                problems.extend(broken(&guards));
                warnings.extend(advice(&store.db.conn, &store, &guards).await?);
            }
        }
        Err(error @ (OpenError::NotMigrated { .. } | OpenError::Outdated { .. })) => {
            problems.push(ConfigProblem::new("database.url", error.to_string()));
        }
        Err(error) => return Err(Error::start(StartError::Open(error), path)),
    }
    let queue = check_queue(&config).await;
    problems.extend(queue.problems);
    warnings.extend(queue.warnings);
    warnings.extend(warn_of_plain_tokens(&config));
    let addresses = check_addresses(&config).await;
    problems.extend(addresses.problems);
    warnings.extend(addresses.warnings);
    let of_credentials = check_credentials::warnings(path, &config).into_iter();
    warnings.extend(of_credentials.map(|(path, message)| ConfigProblem::new(path, message)));
    for warning in &warnings {
        eprintln!("sexton: warning: {}: {}", warning.path, output::clean(&warning.message));
    }
    report(path, Format::json_if(args.json), problems, warnings, queue.unreachable)
}

#[derive(Default)]
struct QueueFindings {
    problems: Vec<ConfigProblem>,
    warnings: Vec<ConfigProblem>,
    /// Why Redis does not answer. Without it the processes read the ledger: it is a failure, but not of the
    /// configuration.
    unreachable: Option<String>,
}

async fn check_queue(config: &Config) -> QueueFindings {
    let mut findings = QueueFindings::default();
    let Some(url) = &config.queue.url else { return findings };
    for finding in check(url.expose_secret(), &config.queue.name).await {
        let message = format!("{finding}; {}", finding.remedy());
        match finding {
            RedisFinding::Unreachable { .. } => findings.unreachable = Some(message),
            finding if finding.is_fatal() => findings.problems.push(ConfigProblem::new("queue.url", message)),
            _ => findings.warnings.push(ConfigProblem::new("queue.url", message)),
        }
    }
    findings
}

fn warn_of_plain_tokens(config: &Config) -> Option<ConfigProblem> {
    let listen = config.api.listen.unwrap_or(config.console.listen);
    (config.api.is_on() && !listen.ip().is_loopback()).then(|| {
        let message = format!("tokens travel to {listen} in the clear; let a proxy with TLS stand before it");
        ConfigProblem::new("api", message)
    })
}

/// Warns of stale SQL functions. Workers do not use them, so it is no problem.
async fn stale_statements(store: &Store) -> Result<Vec<ConfigProblem>> {
    let stale = store.ledger.stale_statements(&store.db, &sql_functions::statements(store)).await?;
    let problem = |name: &ResourceName| {
        let message = "the statements of the SQL functions are those of another release, or of a table that was \
                       changed since; run `sexton migrate`";
        ConfigProblem::new(format!("resources.{name}"), message)
    };
    Ok(stale.iter().map(problem).collect())
}

fn report(
    path: &Path,
    format: Format,
    mut problems: Vec<ConfigProblem>,
    warnings: Vec<ConfigProblem>,
    unreachable: Option<String>,
) -> Result {
    let misconfigured = !problems.is_empty();
    problems.extend(unreachable.clone().map(|message| ConfigProblem::new("queue.url", message)));
    let name = path.display();
    let lines: Vec<_> = problems.iter().map(|p| format!("{name}: {}: {}", p.path, p.message)).collect();
    if format == Format::Json {
        output::json(&CheckReport { ok: problems.is_empty(), problems, warnings })?;
    } else if lines.is_empty() {
        println!("{name}: configuration, database{} fit", if unreachable.is_none() { " and queue" } else { "" });
    }
    match (misconfigured, unreachable) {
        (true, _) => Err(Error::Usage(lines.join("\n        "))),
        (false, Some(_)) => Err(Error::Failed(anyhow::anyhow!(lines.join("\n        ")))),
        (false, None) => Ok(()),
    }
}

//! `sexton check`: everything that can be known before `sexton run`, without changing anything.

use std::path::Path;

use secrecy::ExposeSecret;
use serde::Serialize;
use sexton_core::{
    catalog,
    catalog::Catalog,
    db::{Db, connect},
    ledger::Ledger,
    removal,
};

use super::{
    error::{Error, Result},
    open, output,
};
use crate::{
    daemon::StartError,
    queue::check::{Finding, check},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sexton check\n  sexton --config staging.toml check --json")]
pub(super) struct Args {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    path: String,
    message: String,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let config = open::config(path)?;
    let db = connect(&config.database.url, 2).await.map_err(|e| Error::start(e.into(), path))?;
    let mut problems = Vec::new();
    let mut catalog = None;
    match Catalog::load(&db, &config).await {
        Ok(found) => catalog = Some(found),
        Err(catalog::Error::Problems(found)) => {
            problems.extend(found.into_iter().map(|p| Problem { path: p.path, message: p.message }));
        }
        Err(error) => return Err(Error::catalog(error, &path.display().to_string())),
    }
    match Ledger::open(&db).await {
        Ok(ledger) => {
            for drift in ledger.drift(&db, &config.resources).await? {
                problems.push(Problem { path: "resources".to_owned(), message: drift.to_string() });
            }
            if let Some(catalog) = catalog.filter(|_| problems.is_empty()) {
                warn_of_stale_statements(&db, &ledger, &catalog).await?;
            }
        }
        Err(error @ sexton_core::ledger::OpenError::NotMigrated { .. }) => {
            problems.push(Problem { path: "database.url".to_owned(), message: error.to_string() });
        }
        Err(error) => return Err(Error::start(StartError::Open(error), path)),
    }
    let mut unreachable = None;
    if let Some(url) = &config.queue.url {
        for finding in check(url.expose_secret()).await {
            let message = format!("{finding}; {}", finding.remedy());
            match finding {
                // The processes take from the ledger meanwhile, so this is a failure of now, not of the configuration.
                Finding::Unreachable { .. } => unreachable = Some(message),
                finding if finding.is_fatal() => problems.push(Problem { path: "queue.url".to_owned(), message }),
                _ => eprintln!("sexton: warning: queue.url: {message}"),
            }
        }
    }
    let listen = config.api.listen.unwrap_or(config.console.listen);
    if config.api.is_on() && !listen.ip().is_loopback() {
        eprintln!("sexton: warning: api: tokens travel to {listen} in the clear; let a proxy with TLS stand before it");
    }
    report(path, args.json, problems, unreachable)
}

/// Workers do not mind, so it is no problem.
async fn warn_of_stale_statements(db: &Db, ledger: &Ledger, catalog: &Catalog) -> Result {
    for name in ledger.stale_statements(db, &removal::statements(ledger, catalog)).await? {
        eprintln!(
            "sexton: warning: resources.{name}: the statements of the SQL functions are those of another release, or of a \
             table that was changed since; run `sexton migrate`"
        );
    }
    Ok(())
}

fn report(path: &Path, json: bool, mut problems: Vec<Problem>, unreachable: Option<String>) -> Result {
    let misconfigured = !problems.is_empty();
    problems.extend(unreachable.clone().map(|message| Problem { path: "queue.url".to_owned(), message }));
    let name = path.display();
    let lines: Vec<_> = problems.iter().map(|p| format!("{name}: {}: {}", p.path, p.message)).collect();
    if json {
        output::json(&Report { ok: problems.is_empty(), problems })?;
    } else if lines.is_empty() {
        println!("{name}: configuration, database{} fit", if unreachable.is_none() { " and queue" } else { "" });
    }
    match (misconfigured, unreachable) {
        (true, _) => Err(Error::Usage(lines.join("\n        "))),
        (false, Some(_)) => Err(Error::Failed(anyhow::anyhow!(lines.join("\n        ")))),
        (false, None) => Ok(()),
    }
}

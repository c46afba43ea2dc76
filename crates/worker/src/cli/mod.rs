//! The command line. The commands, their exit codes and the field names of `--json` are a contract (README.md).

mod bulk;
mod check;
mod confirm;
mod dlq;
mod error;
mod export;
mod guard;
mod interrupt;
mod logging;
mod open;
mod output;
mod pause;
mod progress;
mod request;
mod restore;
mod run;
mod show;
mod status;
mod sweep;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use self::error::{Error, Result};

/// Durable two-phase deletion for rows whose data also lives in other people's systems.
#[derive(Debug, Parser)]
#[command(name = "sexton", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "sexton.toml", env = "SEXTON_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// How log lines look; SEXTON_LOG sets what is logged (for example `info,sexton_worker=debug`).
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "SEXTON_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done; 1 failed; 2 bad usage or configuration; 3 not found, or not in a state that allows it.";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check configuration, database and Redis without changing anything.
    Check(check::Args),
    /// Create or update Sexton's tables, and write the resource definitions into them.
    #[command(
        after_help = "Examples:\n  sexton migrate\n  sexton --config staging.toml migrate\n\nSafe to run at every deployment, and by several processes at once."
    )]
    Migrate,
    /// Work: claim due deletions, call their targets, hard-delete their rows.
    Run(run::Args),
    /// Soft-remove rows and record their deletions.
    Request(request::Args),
    /// Take a request back, as long as no external call was made.
    Restore(restore::Args),
    /// Stop claiming and calling for a resource or a target, or stop deleting rows, in all processes.
    Pause(pause::Args),
    /// Go on with what was paused, or with a target whose breaker is open.
    Resume(pause::Args),
    /// How many deletions are in which state, and how old the oldest due one is.
    Status(status::Args),
    /// Everything about one deletion.
    Show(show::Args),
    /// Run a sweep now: adopt, dangling, prune or verify.
    Sweep(sweep::Args),
    /// Install, remove or list triggers that record rows which somebody deletes without a request.
    Guard(guard::Args),
    /// Write finished deletions as JSON lines, for an audit.
    Export(export::Args),
    /// The dead-letter queue: deletions that failed for good and wait for somebody.
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  sexton completions bash > /etc/bash_completion.d/sexton")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Runs the command that the process was started with.
pub async fn main() -> ExitCode {
    sexton_core::db::arm_kill_points();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap, but not to anybody else.
            let code = if error.use_stderr() { 2 } else { 0 };
            let text = error.to_string();
            if code == 2 && output::clean(&text) != text {
                eprint!("{}", output::clean(&text));
                return ExitCode::from(code);
            }
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    crate::tls::install();
    logging::start(cli.log_format);
    let result = match cli.command {
        Command::Check(args) => check::run(&cli.config, args).await,
        Command::Migrate => migrate(&cli.config).await,
        Command::Run(args) => run::run(&cli.config, args).await,
        Command::Request(args) => request::run(&cli.config, args).await,
        Command::Restore(args) => restore::run(&cli.config, args).await,
        Command::Pause(args) => pause::pause(&cli.config, args).await,
        Command::Resume(args) => pause::resume(&cli.config, args).await,
        Command::Status(args) => status::run(&cli.config, args).await,
        Command::Show(args) => show::run(&cli.config, args).await,
        Command::Sweep(args) => sweep::run(&cli.config, args).await,
        Command::Guard(args) => guard::run(&cli.config, args).await,
        Command::Export(args) => export::run(&cli.config, args).await,
        Command::Dlq(command) => dlq::run(&cli.config, command).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sexton", &mut std::io::stdout());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sexton: {}", output::clean(&error.to_string()));
            ExitCode::from(error.code())
        }
    }
}

async fn migrate(config: &std::path::Path) -> Result {
    let path = config;
    let config = open::config(path)?;
    let applied = crate::migrate(&config).await.map_err(|error| Error::start(error, path))?;
    let resources = config.resources.len();
    println!("applied {applied} migrations and wrote {resources} resource definitions");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

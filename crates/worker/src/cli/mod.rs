//! The command line. The commands, their exit codes and the field names of `--json` are a contract (README.md).
//!
//! To add a command:
//! 1. Write it in a file of its name here: a struct of arguments with examples in `after_help`, and `run`.
//! 2. Name the file among the modules, and the command in `Command` and `Command::run`, both below.
//! 3. Add it to the commands in README.md, and test it in `tests/suites/cli/`.

mod bulk;
mod check;
mod check_addresses;
mod check_credentials;
mod completions;
mod confirm;
mod dlq;
mod error;
mod export;
mod guard;
mod interrupt;
mod logging;
mod migrate;
mod open;
mod output;
mod pause;
mod progress;
mod request;
mod restore;
mod retarget;
mod run;
mod show;
mod status;
mod sweep;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};

use self::error::Result;

/// Durable two-phase deletion for rows whose data also lives in other people's systems.
#[derive(Debug, Parser)]
#[command(name = "sexton", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "sexton.toml", env = "SEXTON_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The format of log lines; SEXTON_LOG sets the levels (for example `info,sexton_worker=debug`).
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
    Migrate(migrate::Args),
    /// Run the daemon: claim due deletions, call their targets, hard-delete their rows.
    Run(run::Args),
    /// Soft-remove rows and record their deletions.
    Request(request::Args),
    /// Take requests back that have made no external call.
    Restore(restore::Args),
    /// Pause a resource, a target, or all hard deletes, in all processes.
    Pause(pause::Args),
    /// Resume what is paused, or a target whose breaker is open.
    Resume(pause::Args),
    /// Count deletions by state; list lanes, pauses, breakers, sweeps and guards.
    Status(status::Args),
    /// Show everything about one deletion.
    Show(show::Args),
    /// Run one sweep or all of them now.
    Sweep(sweep::Args),
    /// Install, remove or list the triggers that record rows deleted without a request.
    Guard(guard::Args),
    /// Write finished deletions as JSON lines, for an audit.
    Export(export::Args),
    /// List, retry and discard dead letters: deletions that failed for good.
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

impl Command {
    async fn run(self, config: &Path) -> Result {
        match self {
            Self::Check(args) => check::run(config, args).await,
            Self::Migrate(args) => migrate::run(config, args).await,
            Self::Run(args) => run::run(config, args).await,
            Self::Request(args) => request::run(config, args).await,
            Self::Restore(args) => restore::run(config, args).await,
            Self::Pause(args) => pause::pause(config, args).await,
            Self::Resume(args) => pause::resume(config, args).await,
            Self::Status(args) => status::run(config, args).await,
            Self::Show(args) => show::run(config, args).await,
            Self::Sweep(args) => sweep::run(config, args).await,
            Self::Guard(args) => guard::run(config, args).await,
            Self::Export(args) => export::run(config, args).await,
            Self::Dlq(command) => dlq::run(config, command).await,
            Self::Completions(args) => completions::run(&args),
        }
    }
}

/// Runs the command that the process was started with.
pub async fn main() -> ExitCode {
    sexton_core::db::arm_kill_points();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // To clap, help and version are errors too.
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
    match cli.command.run(&cli.config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sexton: {}", output::clean(&error.to_string()));
            ExitCode::from(error.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

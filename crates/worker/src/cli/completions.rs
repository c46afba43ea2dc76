//! `sexton completions`: completion scripts for shells.

use std::io::stdout;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, error::Result};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sexton completions bash > /etc/bash_completion.d/sexton")]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "as every command")]
pub(super) fn run(args: &Args) -> Result {
    clap_complete::generate(args.shell, &mut Cli::command(), "sexton", &mut stdout());
    Ok(())
}

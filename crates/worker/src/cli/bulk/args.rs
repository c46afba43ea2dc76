//! The options of `sexton request` for any number of rows.

use std::path::PathBuf;

use sexton_core::ids::BatchId;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct BulkArgs {
    /// The live rows that meet this SQL condition; asks first, without a terminal it needs --yes.
    #[arg(long = "where", value_name = "SQL", conflicts_with_all = ["keys", "keys_from"])]
    pub(super) condition: Option<String>,
    /// The rows whose keys are in this file, one a line; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "keys")]
    pub(super) keys_from: Option<PathBuf>,
    /// Rows in one transaction.
    #[arg(long, value_name = "N", default_value_t = 500, conflicts_with = "keys",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) batch_size: u32,
    /// Continue the request that printed this id.
    #[arg(long, value_name = "ID", conflicts_with = "keys")]
    pub(super) batch: Option<BatchId>,
    /// Only count the rows, and show some keys.
    #[arg(long, conflicts_with = "keys")]
    pub(super) dry_run: bool,
    /// End at the first row that the database refuses to mark. Without it, such rows are named and counted.
    #[arg(long, conflicts_with = "keys")]
    pub(super) fail_fast: bool,
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
}

impl BulkArgs {
    pub(in crate::cli) const fn is_bulk(&self) -> bool {
        self.condition.is_some() || self.keys_from.is_some()
    }
}

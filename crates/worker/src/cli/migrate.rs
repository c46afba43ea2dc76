//! `sexton migrate`: Sexton's tables and the resource definitions in them.

use std::path::Path;

use super::{
    error::{Error, Result},
    open,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sexton migrate
  sexton --config staging.toml migrate

Safe to run at every deployment, and by several processes at once.")]
pub(super) struct Args {}

pub(super) async fn run(path: &Path, Args {}: Args) -> Result {
    let config = open::config(path)?;
    let applied = crate::migrate(&config).await.map_err(|error| Error::start(error, path))?;
    let resources = config.resources.len();
    println!("applied {applied} migrations and wrote {resources} resource definitions");
    Ok(())
}

//! Asks before many rows are changed.

use std::io::{IsTerminal, Write, stdin, stdout};

use super::error::{Error, Result};

/// Asks whether to `what`. Without a terminal it cannot ask, so it fails.
pub(super) fn confirm(what: &str) -> Result {
    if !stdin().is_terminal() {
        return Err(Error::Usage(format!("this would {what}; add --yes, or --dry-run to see them")));
    }
    print!("{what}? [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("y") { Ok(()) } else { Err(Error::Usage("nothing was changed".to_owned())) }
}

//! The progress: a bar on a terminal, a plain line now and then elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is printed.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// The figures at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Rows that were marked and recorded.
    pub(crate) requested: u64,
    /// Rows that are gone.
    pub(crate) deleted: u64,
    /// Deletions that wait, for the first time or for another try.
    pub(crate) waiting: u64,
    /// Dead letters.
    pub(crate) dead: u64,
    /// Calls the calendar saw.
    pub(crate) calls: u64,
}

impl Figures {
    fn line(&self) -> String {
        let Self { requested, deleted, waiting, dead, calls } = self;
        format!("{requested} removed · {deleted} deleted · {waiting} under way · {dead} dead letters · {calls} calls")
    }
}

/// Shows [`Figures`].
pub(crate) enum Progress {
    /// On a terminal.
    Bar(ProgressBar),
    /// In a pipe or a log.
    Lines {
        /// What was printed last, and when.
        last: Option<(Instant, Figures)>,
    },
}

impl Progress {
    /// For `total` rows.
    pub(crate) fn new(total: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:32.green/black} {pos}/{len}  {msg}");
        match (std::io::stderr().is_terminal(), style) {
            (true, Ok(style)) => Self::Bar(ProgressBar::new(total).with_style(style)),
            _ => Self::Lines { last: None },
        }
    }

    /// Shows the present figures.
    pub(crate) fn show(&mut self, figures: Figures) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(figures.deleted + figures.dead);
                bar.set_message(figures.line());
            }
            Self::Lines { last } => {
                let due = last.is_none_or(|(at, shown)| at.elapsed() >= LINE_EVERY && shown != figures);
                if due {
                    eprintln!("  {}", figures.line());
                    *last = Some((Instant::now(), figures));
                }
            }
        }
    }

    /// Leaves the last state on the screen.
    pub(crate) fn finish(self, figures: Figures) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(figures.deleted + figures.dead);
                bar.abandon_with_message(figures.line());
            }
            Self::Lines { .. } => eprintln!("  {}", figures.line()),
        }
    }
}

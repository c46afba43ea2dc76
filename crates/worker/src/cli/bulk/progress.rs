//! How far a long command has come, on standard error: a bar on a terminal, now and then a line elsewhere.

use std::{
    io::{IsTerminal, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// At most one line in this time.
const EVERY: Duration = Duration::from_secs(5);

pub(super) enum Progress {
    Bar(ProgressBar),
    Lines { total: Option<u64>, last: Mutex<Instant> },
}

impl Progress {
    pub(super) fn start(total: Option<u64>) -> Self {
        if !stderr().is_terminal() {
            return Self::Lines { total, last: Mutex::new(Instant::now()) };
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let template = "{bar:40} {human_pos}/{human_len} rows, {per_sec}, {eta} left";
        // The template is a constant; one that indicatif does not understand would only look plainer.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self::Bar(bar.with_style(style))
    }

    /// So many more rows, and so many in all.
    pub(super) fn advance(&self, more: u64, all: u64) {
        match self {
            Self::Bar(bar) => bar.inc(more),
            Self::Lines { total, last } => {
                let Ok(mut last) = last.lock() else { return };
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
                    eprintln!("sexton: {all}{of} rows are requested");
                }
            }
        }
    }

    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

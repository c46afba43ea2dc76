//! The progress of a long command, on standard error: a bar on a terminal, elsewhere a line now and then.

use std::{
    io::{IsTerminal, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// The least time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

pub(super) struct ProgressDisplay {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    last: Mutex<Instant>,
}

impl ProgressDisplay {
    /// Counts rows that are requested; `total` if it is known.
    pub(super) fn of_rows(total: Option<u64>) -> Self {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        Self::shown(bar, total, "{bar:40} {human_pos}/{human_len} rows, {per_sec}, {eta} left")
    }

    /// Shows messages.
    pub(super) fn of_messages() -> Self {
        let progress = Self::shown(ProgressBar::no_length(), None, "{spinner} {elapsed} {msg}");
        if let Some(bar) = &progress.bar {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        progress
    }

    fn shown(bar: ProgressBar, total: Option<u64>, template: &str) -> Self {
        // The template is a constant; one that indicatif does not understand would only look plainer.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = stderr().is_terminal().then(|| bar.with_style(style));
        Self { bar, total, last: Mutex::new(Instant::now()) }
    }

    /// Adds `more` rows; `all` are requested by now.
    pub(super) fn advance(&self, more: u64, all: u64) {
        match &self.bar {
            Some(bar) => bar.inc(more),
            None => self.print_line(|| {
                let of = self.total.map(|total| format!(" of {total}")).unwrap_or_default();
                format!("{all}{of} rows are requested")
            }),
        }
    }

    pub(super) fn show(&self, message: String) {
        match &self.bar {
            Some(bar) => bar.set_message(message),
            None => self.print_line(|| message),
        }
    }

    fn print_line(&self, message: impl FnOnce() -> String) {
        let Ok(mut last) = self.last.lock() else { return };
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            eprintln!("sexton: {}", message());
        }
    }
}

/// The bar is cleared however the command ends.
impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

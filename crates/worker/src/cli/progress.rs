//! How far a long command has come, on standard error: a bar on a terminal, now and then a line elsewhere.

use std::{
    io::{IsTerminal, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// At most one line in this time.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    last: Mutex<Instant>,
}

impl Progress {
    /// Of rows that are requested, as far as it is known how many there are.
    pub(super) fn of_rows(total: Option<u64>) -> Self {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        Self::shown(bar, total, "{bar:40} {human_pos}/{human_len} rows, {per_sec}, {eta} left")
    }

    /// Of what is told in words.
    pub(super) fn in_words() -> Self {
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

    /// So many more rows, and so many in all.
    pub(super) fn advance(&self, more: u64, all: u64) {
        match &self.bar {
            Some(bar) => bar.inc(more),
            None => self.line(|| {
                let of = self.total.map(|total| format!(" of {total}")).unwrap_or_default();
                format!("{all}{of} rows are requested")
            }),
        }
    }

    pub(super) fn tell(&self, words: String) {
        match &self.bar {
            Some(bar) => bar.set_message(words),
            None => self.line(|| words),
        }
    }

    fn line(&self, words: impl FnOnce() -> String) {
        let Ok(mut last) = self.last.lock() else { return };
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            eprintln!("sexton: {}", words());
        }
    }
}

/// However the command ends, also at once: nothing of the bar is left on the terminal.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

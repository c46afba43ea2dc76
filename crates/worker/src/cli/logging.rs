//! Log lines, on standard error.

use std::{
    fmt::{self, Debug, Write as _},
    io::{IsTerminal, stderr},
};

use tracing::field::Field;
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::{
        FormatFields,
        format::{Writer, debug_fn},
        layer,
    },
    prelude::*,
};

use super::LogFormat;

/// apalis logs the starts and failures of its own that our supervision handles and reports.
const DEFAULT: &str = "warn,sexton_worker=info,sexton_core=info,apalis_core=off";

pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("SEXTON_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    // Only a test harness can have set a subscriber before; it stays in use.
    match format {
        LogFormat::Text => registry.with(lines.fmt_fields(fields())).try_init().ok(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init().ok(),
    };
}

/// Writes an event's message and fields on one line, whatever is in them: what a database, a server or a row says may
/// have line feeds, and with them a line that Sexton did not write. JSON escapes them by itself.
fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        write!(OneLine(writer), "{value:?}")
    };
    debug_fn(field).delimited(" ")
}

/// Escapes control characters.
struct OneLine<'w, W>(&'w mut W);

impl<W: fmt::Write> fmt::Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| c.is_control()) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", control.escape_default())?;
            rest = &rest[at + control.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    #[test]
    fn control_characters_are_escaped_and_the_rest_stays() {
        let one_line = |text: &str| {
            let mut line = String::new();
            write!(OneLine(&mut line), "{text}").unwrap();
            line
        };
        assert_eq!(one_line("ä \"b\" \\"), "ä \"b\" \\");
        assert_eq!(one_line("a\r\nb\t\u{1b}[2K\u{9b}"), "a\\r\\nb\\t\\u{1b}[2K\\u{9b}");
        assert_linear("log escaping: a field", |n| "\na".repeat(n / 2), |text| one_line(text));
    }
}

//! Reading the file: defaults, then the file with `${VAR}` filled in, then `SEXTON_…` variables.

use std::path::Path;

use figment::{
    Figment,
    error::{Actual, Kind},
    providers::{Env, Format, Serialized, Toml},
    value::Dict,
};

use super::{Config, check::InvalidSetting, fill::fill, order, validate::validate};
use crate::ids::TargetName;

const DEFAULTS: &str = include_str!("default.toml");

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is missing or unreadable.
    #[error("cannot read the configuration {path}: {source}\n  write one, or name another with --config FILE")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or says something that is not accepted.
    #[error("{path}: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// Key path, what is wrong and what is accepted.
        message: String,
    },
}

/// Reads and checks the configuration at `path`.
///
/// # Errors
/// [`Error::Unreadable`] if the file cannot be read, [`Error::Invalid`] if it does not pass [`parse`].
pub fn load(path: &Path) -> Result<Config, Error> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: name.clone(), source })?;
    parse(&name, &text, |variable| std::env::var(variable).ok())
}

/// Checks the configuration in `text`; `name` is used in messages, `env` looks up `${VAR}`.
///
/// # Errors
/// [`Error::Invalid`] with the key path: TOML syntax, an unknown key, a wrong type, an unset variable, or a value out
/// of range.
pub fn parse(name: &str, text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Config, Error> {
    let invalid = |message: String| Error::Invalid { path: name.to_owned(), message };
    let file: Dict = Figment::from(Toml::string(text)).extract().map_err(|why| invalid(describe(&why)))?;
    let refused = |InvalidSetting { path, why }| invalid(format!("{path}: {why}"));
    let file = fill(file, &env).map_err(refused)?;
    let mut config: Config = Figment::from(Toml::string(DEFAULTS))
        .merge(Serialized::defaults(file))
        .merge(Env::prefixed("SEXTON_").filter(|key| key.as_str().contains("__")).split("__"))
        .extract()
        .map_err(|why| invalid(describe(&why)))?;
    validate(&config).map_err(refused)?;
    let verify = config.sync.verify.switched_on();
    for (name, resource) in &mut config.resources {
        resource.verify = verify;
        order::sort(&mut resource.targets).map_err(|cycle| {
            let index = resource.targets.iter().position(|target| Some(&target.name) == cycle.first());
            let names: Vec<_> = cycle.iter().map(TargetName::as_str).collect();
            let path = format!("resources.{name}.targets[{}].after", index.unwrap_or_default());
            invalid(format!("{path}: these targets wait for each other: {}", names.join(" → ")))
        })?;
    }
    Ok(config)
}

/// The key path and the reason. Figment's own message also names the source, as "`super::load::…` serialize".
fn describe(error: &figment::Error) -> String {
    let first = error.clone().into_iter().next();
    let Some(error) = first else { return error.to_string() };
    let (path, message) = (key_path(&error.path), describe_kind(&error.kind));
    match message.starts_with('.') {
        // The fault is further down, and the message begins with the rest of the key path.
        true => format!("{path}{message}"),
        false if path.is_empty() => message,
        false => format!("{path}: {message}"),
    }
}

/// What is wrong, without a value and without lines of the file: each may have a credential.
pub(super) fn describe_kind(kind: &Kind) -> String {
    let found = |found: &Actual| match found {
        Actual::Str(_) | Actual::Bytes(_) | Actual::Char(_) => "a text".to_owned(),
        Actual::Other(_) => "another value".to_owned(),
        found => found.to_string(),
    };
    match kind {
        Kind::InvalidType(actual, expected) => format!("invalid type: found {}, expected {expected}", found(actual)),
        Kind::InvalidValue(actual, expected) => format!("invalid value: found {}, expected {expected}", found(actual)),
        // TOML's own message quotes the line that it cannot read.
        Kind::Message(message) if message.starts_with(TOML) => without_quoted_lines(message),
        kind => kind.to_string(),
    }
}

/// How the message of a file that is no TOML begins (toml 0.8.23).
const TOML: &str = "TOML parse error at ";

/// The place and the reason; between them are the line of the file, and what points into it.
fn without_quoted_lines(message: &str) -> String {
    let (place, rest) = message.split_once('\n').unwrap_or((message, ""));
    let is_quoted = |line: &&str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
    let reason: Vec<&str> = rest.lines().filter(|line| !is_quoted(line)).map(str::trim).collect();
    format!("{place}: {}", reason.join(" "))
}

/// A key path as messages show it: `resources.block.targets[0].url`.
pub(super) fn key_path(parts: &[String]) -> String {
    let mut path = String::new();
    for part in parts {
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(part);
        }
    }
    path
}

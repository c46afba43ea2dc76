//! Reading the file: defaults, then the file with `${VAR}` filled in, then `SEXTON_…` variables.

use std::path::Path;

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};

use super::{Config, order, validate::validate};
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
/// [`Error::Invalid`] with the key path: TOML syntax, an unknown key, a wrong type, an unset variable, a value out of
/// range.
pub fn parse(name: &str, text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Config, Error> {
    let invalid = |message: String| Error::Invalid { path: name.to_owned(), message };
    let file: Dict = Figment::from(Toml::string(text)).extract().map_err(|why| invalid(describe(&why)))?;
    let file = fill_dict(file, "", &env).map_err(|(path, why)| invalid(format!("{path}: {why}")))?;
    let mut config: Config = Figment::from(Toml::string(DEFAULTS))
        .merge(Serialized::defaults(file))
        .merge(Env::prefixed("SEXTON_").filter(|key| key.as_str().contains("__")).split("__"))
        .extract()
        .map_err(|why| invalid(describe(&why)))?;
    validate(&config).map_err(|(path, why)| invalid(format!("{path}: {why}")))?;
    let verify = config.sync.verify.switched_on();
    for (name, resource) in &mut config.resources {
        resource.verify = verify;
        order::sort(&mut resource.targets).map_err(|cycle| {
            let place = resource.targets.iter().position(|target| Some(&target.name) == cycle.first());
            let names: Vec<_> = cycle.iter().map(TargetName::as_str).collect();
            let path = format!("resources.{name}.targets[{}].after", place.unwrap_or_default());
            invalid(format!("{path}: these targets wait for each other: {}", names.join(" → ")))
        })?;
    }
    Ok(config)
}

/// Figment's own message names the source as "`super::load::…` serialize"; the key path and the reason are what helps.
fn describe(error: &figment::Error) -> String {
    let first = error.clone().into_iter().next();
    let Some(error) = first else { return error.to_string() };
    let (path, message) = (key_path(&error.path), error.kind.to_string());
    match message.starts_with('.') {
        // What is wrong is further down: the message goes on with the key path.
        true => format!("{path}{message}"),
        false if path.is_empty() => message,
        false => format!("{path}: {message}"),
    }
}

/// `resources.block.targets[0].url`, as the messages of the other checks have it.
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

type Unset = (String, String);

fn fill_dict(dict: Dict, path: &str, env: &impl Fn(&str) -> Option<String>) -> Result<Dict, Unset> {
    dict.into_iter()
        .map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            Ok((key, fill(value, &path, env)?))
        })
        .collect()
}

fn fill(value: Value, path: &str, env: &impl Fn(&str) -> Option<String>) -> Result<Value, Unset> {
    Ok(match value {
        Value::String(tag, text) => Value::String(tag, fill_text(&text, path, env)?),
        Value::Dict(tag, dict) => Value::Dict(tag, fill_dict(dict, path, env)?),
        Value::Array(tag, items) => Value::Array(
            tag,
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| fill(item, &format!("{path}[{index}]"), env))
                .collect::<Result<_, _>>()?,
        ),
        other => other,
    })
}

fn fill_text(text: &str, path: &str, env: &impl Fn(&str) -> Option<String>) -> Result<String, Unset> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((variable, after)) = after.split_once('}') else {
            return Err((path.to_owned(), "`${` without a closing `}`".to_owned()));
        };
        let Some(value) = env(variable) else {
            return Err((path.to_owned(), format!("the environment variable {variable} is not set")));
        };
        filled.push_str(before);
        // What is not in the file is no template: a credential may have braces in it.
        let value = if holds_text_templates(path) { value.replace('{', "{{").replace('}', "}}") } else { value };
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Whether the setting at this key path is one or more [`TextTemplate`](crate::template::TextTemplate)s or a
/// [`NameTemplate`](crate::template::NameTemplate) of a target.
fn holds_text_templates(path: &str) -> bool {
    let below_target = path.split_once(".targets[").and_then(|(_, rest)| rest.split_once("]."));
    let of_texts = |key: &str| ["headers.", "query.", "body.", "body["].iter().any(|at| key.starts_with(at));
    let of_names = |key: &str| ["calendar", "etag", "event", "key", "prefix"].contains(&key);
    below_target.is_some_and(|(_, key)| of_texts(key) || of_names(key))
}

//! `${VAR}` in the file's texts: replaced by the environment's value before anything is read.
//!
//! A value may be a credential with braces in it. In a setting that holds templates it is filled in with its braces
//! doubled, so that they name no column; [`text_templates`] knows which settings those are.

use figment::value::{Dict, Value};

use super::{check::InvalidSetting, target::text_templates};

/// What becomes of the braces in an environment variable's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Braces {
    /// They are doubled: in a template, `{{` is a literal `{`.
    Doubled,
    /// They stay as they are.
    Literal,
}

/// Fills in the whole file; `env` looks up a variable.
///
/// # Errors
/// [`InvalidSetting`] for a variable that is not set, or a `${` without its `}`.
pub(super) fn fill(file: Dict, env: &impl Fn(&str) -> Option<String>) -> Result<Dict, InvalidSetting> {
    fill_dict(file, "", Braces::Literal, env)
}

fn fill_dict(
    dict: Dict,
    path: &str,
    braces: Braces,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Dict, InvalidSetting> {
    let templates = if is_target(path) { templates_of(&dict, env) } else { &[] };
    dict.into_iter()
        .map(|(key, value)| {
            let braces = if templates.contains(&key.as_str()) { Braces::Doubled } else { braces };
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            Ok((key, fill_value(value, &path, braces, env)?))
        })
        .collect()
}

fn fill_value(
    value: Value,
    path: &str,
    braces: Braces,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Value, InvalidSetting> {
    Ok(match value {
        Value::String(tag, text) => Value::String(tag, fill_text(&text, path, braces, env)?),
        Value::Dict(tag, dict) => Value::Dict(tag, fill_dict(dict, path, braces, env)?),
        Value::Array(tag, items) => {
            let items = items.into_iter().enumerate();
            let fill_item = |(index, item)| fill_value(item, &format!("{path}[{index}]"), braces, env);
            Value::Array(tag, items.map(fill_item).collect::<Result<_, _>>()?)
        }
        other => other,
    })
}

fn fill_text(
    text: &str,
    path: &str,
    braces: Braces,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<String, InvalidSetting> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((variable, after)) = after.split_once('}') else {
            return Err(InvalidSetting::new(path, "`${` without a closing `}`"));
        };
        let Some(value) = env(variable) else {
            return Err(InvalidSetting::new(path, format!("the environment variable {variable} is not set")));
        };
        filled.push_str(before);
        match braces {
            Braces::Doubled => filled.push_str(&value.replace('{', "{{").replace('}', "}}")),
            Braces::Literal => filled.push_str(&value),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Whether the table at this path is an entry of `targets`.
fn is_target(path: &str) -> bool {
    path.rsplit_once(".targets[").is_some_and(|(_, index)| index.trim_end_matches(']').parse::<usize>().is_ok())
}

/// The settings of this target that hold templates. Its kind may come from the environment too.
fn templates_of(target: &Dict, env: &impl Fn(&str) -> Option<String>) -> &'static [&'static str] {
    let kind = target.get("kind").and_then(Value::as_str);
    let kind = kind.and_then(|kind| fill_text(kind, "kind", Braces::Literal, env).ok());
    // A kind that is missing or unknown is reported once the file is read.
    kind.and_then(|kind| text_templates(&kind)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use figment::{
        Figment,
        providers::{Format, Toml},
    };

    use super::*;

    #[test]
    fn braces_are_doubled_in_templates_of_a_target_by_its_kind() {
        let text = "[[resources.r.targets]]\nkind = '${KIND}'\nkey = '${B}'\nbucket = '${B}'\n\
                    [[resources.r.targets]]\nkind = 'caldav'\netag = '${B}'\nheaders = { a = '${B}' }\nkey = '${B}'\n";
        let file: Dict = Figment::from(Toml::string(text)).extract().unwrap();
        let env = |name: &str| Some(if name == "KIND" { "s3" } else { "{x}" }.to_owned());
        let filled = Value::from(fill(file, &env).unwrap());
        let targets = filled.find("resources.r.targets").and_then(Value::into_array).unwrap();
        let found = |target: usize, key: &str| targets[target].clone().find(key).and_then(Value::into_string).unwrap();
        assert_eq!((found(0, "key"), found(0, "bucket")), ("{{x}}".to_owned(), "{x}".to_owned()));
        assert_eq!((found(1, "etag"), found(1, "headers.a")), ("{{x}}".to_owned(), "{{x}}".to_owned()));
        assert_eq!(found(1, "key"), "{x}", "it is no setting of this kind");
    }
}

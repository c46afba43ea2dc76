//! Credentials that stand in the file itself, and not in the environment or in files of their own.

use figment::{
    Figment,
    providers::{Format, Toml},
    value::{Dict, Value},
};
use url::Url;

/// Keys whose value is a credential.
const SECRET: [&str; 9] = [
    "token",
    "password",
    "secret",
    "client_secret",
    "refresh_token",
    "secret_access_key",
    "session_token",
    "authorization",
    "x-api-key",
];

/// The key paths of the credentials in the text of a file. Nothing if it is no TOML.
#[must_use]
pub fn literal_credentials(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(file) = Figment::from(Toml::string(text)).extract::<Dict>() {
        look_in("", &Value::from(file), &mut found);
    }
    found
}

fn look_in(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Dict(_, dict) => {
            for (key, value) in dict {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                look_in(&path, value, found);
            }
        }
        Value::Array(_, items) => {
            for (index, item) in items.iter().enumerate() {
                look_in(&format!("{path}[{index}]"), item, found);
            }
        }
        Value::String(_, text) if !text.contains("${") => {
            let key = path.rsplit('.').next().unwrap_or(path).to_ascii_lowercase();
            let has_password = || Url::parse(text).is_ok_and(|url| url.password().is_some());
            if SECRET.contains(&key.as_str()) || has_password() {
                found.push(path.to_owned());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_the_file_itself_are_found() {
        let text = "[database]\nurl = 'postgres://app:hunter2@h/app'\n[queue]\nurl = '${REDIS}'\n\
            [api]\ntokens = [{ name = 'a', token = '${A}' }, { name = 'b', token = 'hunter2hunter2hu' }]\n\
            [[resources.r.targets]]\nname = 't'\nauth = { basic = { user = 'u', password = 'hunter2' } }\n\
            headers = { Authorization = 'Bearer hunter2', Accept = '*/*' }\nurl = 'https://h.example/{id}'\n";
        let target = "resources.r.targets[0]";
        let expected = [
            "api.tokens[1].token".to_owned(),
            "database.url".to_owned(),
            format!("{target}.auth.basic.password"),
            format!("{target}.headers.Authorization"),
        ];
        assert_eq!(literal_credentials(text), expected);
        assert_eq!(literal_credentials("[database]\nurl = 'postgres://app@h/app'"), [] as [&str; 0]);
        assert_eq!(literal_credentials("no TOML ="), [] as [&str; 0]);
    }
}

//! Answers of token endpoints. RFC 6749 §5.1 says how they look; not all endpoints keep to it.

use serde_json::{Map, Value};

/// A granted token as RFC 6749 wants it: `expires_in` is a whole number, `token_type` is there and in small letters,
/// `scope` is one text. What cannot be read that way is left out, and what is no token stays as it is.
pub(in crate::connector) fn normalised(body: Vec<u8>) -> Vec<u8> {
    let Ok(Value::Object(mut grant)) = serde_json::from_slice(&body) else { return body };
    if !grant.get("access_token").is_some_and(Value::is_string) {
        return body;
    }
    replace(&mut grant, "expires_in", seconds);
    replace(&mut grant, "scope", |scope| match scope {
        Value::String(_) => Some(scope),
        Value::Array(scopes) => {
            let scopes: Option<Vec<&str>> = scopes.iter().map(Value::as_str).collect();
            scopes.map(|scopes| scopes.join(" ").into())
        }
        _ => None,
    });
    replace(&mut grant, "token_type", |kind| kind.as_str().map(|kind| kind.to_ascii_lowercase().into()));
    // A server that leaves it out has no other kind.
    grant.entry("token_type").or_insert_with(|| "bearer".into());
    Value::Object(grant).to_string().into_bytes()
}

fn replace(grant: &mut Map<String, Value>, name: &str, with: impl FnOnce(Value) -> Option<Value>) {
    if let Some(value) = grant.remove(name).and_then(with) {
        grant.insert(name.to_owned(), value);
    }
}

/// Whole seconds, as a number or as text; a token whose time is over already is good for the call that wanted it.
fn seconds(value: Value) -> Option<Value> {
    let number = match &value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "of numbers in these bounds, floats are whole"
    )]
    let seconds = number.clamp(0.0, 4_000_000_000.0) as u64;
    Some(seconds.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::growth::assert_linear;

    fn read(grant: &Value) -> Value {
        serde_json::from_slice(&normalised(grant.to_string().into_bytes())).unwrap()
    }

    #[test]
    fn lifetime_is_a_whole_number_of_seconds() {
        for (said, meant) in [
            (json!(3600), json!(3600)),
            (json!("3600"), json!(3600)),
            (json!(3599.9), json!(3599)),
            (json!("3599.9"), json!(3599)),
            (json!(-1), json!(0)),
            (json!(1e300), json!(4_000_000_000_u64)),
            (json!("soon"), Value::Null),
            (json!("NaN"), Value::Null),
            (json!(null), Value::Null),
            (json!([1]), Value::Null),
        ] {
            assert_eq!(read(&json!({"access_token": "t", "expires_in": said}))["expires_in"], meant, "{said}");
        }
    }

    #[test]
    fn kind_and_scope_are_as_the_standard_has_them() {
        for (said, meant) in [(json!("BEARER"), "bearer"), (json!(null), "bearer"), (json!("mac"), "mac")] {
            assert_eq!(read(&json!({"access_token": "t", "token_type": said}))["token_type"], meant);
        }
        assert_eq!(read(&json!({"access_token": "t"}))["token_type"], "bearer");
        for (said, meant) in [(json!(["a", "b"]), json!("a b")), (json!("a b"), json!("a b")), (json!(1), Value::Null)]
        {
            assert_eq!(read(&json!({"access_token": "t", "scope": said}))["scope"], meant);
        }
    }

    #[test]
    fn what_is_no_token_stays_as_it_is() {
        for body in [r#"{"error": "invalid_client", "expires_in": "x"}"#, "<html>", r#"{"access_token":1}"#, "[]"] {
            assert_eq!(normalised(body.as_bytes().to_vec()), body.as_bytes());
        }
    }

    #[test]
    fn cost_of_a_token_answer_grows_with_its_length_alone() {
        let grant = |n: usize| {
            let scopes = vec!["s"; n / 4];
            json!({"access_token": "t", "scope": scopes}).to_string().into_bytes()
        };
        assert_linear("token answer", grant, |body| normalised(body.clone()));
    }
}

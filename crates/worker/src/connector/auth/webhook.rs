//! Signatures of Standard Webhooks (<https://www.standardwebhooks.com>). They tell a receiver that a request is ours
//! and unchanged, and which requests repeat the same message.
//!
//! Made with `hmac` and `sha2`, which the PostgreSQL driver brings anyway; the `standardwebhooks` crate would bring a
//! second implementation of both for these few lines.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sexton_core::ids::DeletionId;
use sha2::{Digest, Sha256};
use url::Url;

/// The id of a message. The same request to the same target for the same deletion has the same id, so that a receiver
/// recognises a repetition. It begins with the deletion's id, for people who search.
pub(super) fn message_id(id: DeletionId, target: &str, url: &Url, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    for part in [target.as_bytes(), url.as_str().as_bytes(), body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finalize();
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{id}_{short}")
}

/// The value of `webhook-signature` for a message that is sent at `timestamp`, in seconds of the Unix epoch.
///
/// None for a key that HMAC does not take; there is no such key.
pub(super) fn signature(key: &[u8], message_id: &str, timestamp: u64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{message_id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test case of the reference implementations.
    #[test]
    fn signature_is_that_of_the_reference() {
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn message_keeps_its_id_and_another_message_has_another() {
        let (one, other) = (DeletionId::new(), DeletionId::new());
        let url: Url = "https://h.example/a".parse().unwrap();
        let id = message_id(one, "crm", &url, b"{}");
        assert_eq!(id, message_id(one, "crm", &url, b"{}"));
        assert!(id.starts_with(&one.to_string()) && !id.contains('.'), "a dot would end it in what is signed: {id}");
        let elsewhere: Url = "https://h.example/b".parse().unwrap();
        for different in [
            message_id(other, "crm", &url, b"{}"),
            message_id(one, "crn", &url, b"{}"),
            message_id(one, "crm", &elsewhere, b"{}"),
            message_id(one, "crm", &url, b"[]"),
        ] {
            assert_ne!(id, different);
        }
    }
}

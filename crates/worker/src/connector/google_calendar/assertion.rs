//! The signed statement with which a service account asks for a token (RFC 7523 §2.1 and §3; Google, "Using OAuth 2.0
//! for server to server applications").
//!
//! It is a JSON Web Token with one algorithm and four claims. `ring`, which TLS brings in anyway, signs it; the crates
//! for such tokens bring a second implementation of cryptography.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::json;

/// Google takes no assertion that is valid for longer than an hour.
const VALID: Duration = Duration::from_secs(3600);
/// A machine whose clock is a little ahead would assert from the future.
const LATE: Duration = Duration::from_secs(30);

/// The key in the file is not a PKCS #8 RSA key in PEM.
#[derive(Debug, thiserror::Error)]
#[error("private_key is not an RSA key that can sign")]
pub(super) struct BadKey;

/// Who asks, for whom, to be allowed what, and where.
pub(super) struct AssertionClaims<'a> {
    pub(super) issuer: &'a str,
    pub(super) subject: Option<&'a str>,
    pub(super) scope: &'a str,
    pub(super) audience: &'a str,
}

/// The assertion as it goes into the request.
pub(super) fn sign(
    claims: &AssertionClaims<'_>,
    key_id: Option<&str>,
    private_key: &str,
    now: SystemTime,
) -> Result<String, BadKey> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| BadKey)?;
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| BadKey)?;
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(LATE).as_secs();
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(key_id) = key_id {
        header["kid"] = key_id.into();
    }
    let mut body = json!({
        "iss": claims.issuer,
        "scope": claims.scope,
        "aud": claims.audience,
        "iat": since,
        "exp": since + VALID.as_secs(),
    });
    if let Some(subject) = claims.subject {
        body["sub"] = subject.into();
    }
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(body.to_string().as_bytes()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(|_| BadKey)?;
    Ok(format!("{signed}.{}", encode(&signature)))
}

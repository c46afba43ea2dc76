//! The access key: from the settings, a file, or the environment as `object_store` reads it (variables, a web identity,
//! the credentials of a container, a pod or an instance).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, AwsCredentialProvider},
    client::{HttpClient, HttpConnector},
};
use secrecy::{ExposeSecret, SecretString};
use sexton_core::{config::target::s3::S3 as Settings, outcome::Outcome};

use super::super::{
    auth::{self, SecretSource},
    exchange::unauthorized,
    starved::Lack,
};

/// A source of credentials.
pub(super) enum S3Credentials {
    /// Those of the settings.
    Ours { key_id: SecretString, secret: SecretSource, token: Option<SecretString> },
    /// Those of the environment; they expire and are fetched anew by themselves.
    Found(AwsCredentialProvider),
}

/// The region of the settings, or of the environment, or Amazon's first, as `object_store` has it.
pub(super) fn region(settings: &Settings) -> String {
    let found = || AmazonS3Builder::from_env().get_config_value(&AmazonS3ConfigKey::Region);
    settings.region.clone().or_else(found).unwrap_or_else(|| "us-east-1".to_owned())
}

impl S3Credentials {
    /// The source that the settings name; `client` fetches what has to be fetched.
    ///
    /// # Errors
    /// What `object_store` says of the environment.
    pub(super) fn new(settings: &Settings, client: reqwest::Client) -> Result<Self, object_store::Error> {
        let (Some(key_id), Some(secret)) = (settings.access_key_id.clone(), settings.secret()) else {
            let retry = RetryConfig { max_retries: 0, retry_timeout: Duration::from_secs(5), ..RetryConfig::default() };
            let builder = AmazonS3Builder::from_env().with_bucket_name(&settings.bucket).with_region(region(settings));
            let store = builder.with_retry(retry).with_http_connector(Ours(client)).build()?;
            return Ok(Self::Found(Arc::clone(store.credentials())));
        };
        Ok(Self::Ours { key_id, secret: SecretSource::new(&secret), token: settings.session_token.clone() })
    }

    /// The credentials to sign a request with.
    ///
    /// # Errors
    /// [`Outcome::Unauthorized`]: nothing can be deleted without them, and nothing else is wrong. The same where their
    /// source does not answer in time.
    pub(super) async fn get(&self, deadline: Instant) -> Result<Arc<AwsCredential>, Outcome> {
        let fetched = tokio::time::timeout_at(deadline.into(), self.fetch()).await;
        let credential = fetched.unwrap_or_else(|_| Err(unauthorized(None, "no_credentials")))?;
        // They become parts of headers; `object_store` 0.14.2 panics on what cannot.
        let fits = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        match fits(&credential.key_id) && credential.token.as_deref().is_none_or(fits) {
            true => Ok(credential),
            false => Err(unauthorized(None, "bad_credentials")),
        }
    }

    async fn fetch(&self) -> Result<Arc<AwsCredential>, Outcome> {
        match self {
            Self::Ours { key_id, secret, token } => {
                Ok(Arc::new(credential(key_id, &auth::read(secret)?, token.as_ref())))
            }
            Self::Found(provider) => provider.get_credential().await.map_err(|error| {
                if let Some(lack) = Lack::of_causes(&error) {
                    return lack.outcome();
                }
                tracing::warn!(%error, "no credentials for S3");
                unauthorized(None, "no_credentials")
            }),
        }
    }
}

fn credential(key_id: &SecretString, secret: &SecretString, token: Option<&SecretString>) -> AwsCredential {
    let text = |secret: &SecretString| secret.expose_secret().to_owned();
    AwsCredential { key_id: text(key_id), secret_key: text(secret), token: token.map(text) }
}

/// Has `object_store` use our client: one TLS implementation, no proxy, no redirects.
#[derive(Debug)]
struct Ours(reqwest::Client);

impl HttpConnector for Ours {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

//! The `http` connector: one request made from the row, and what its answer means.

mod request;

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use sexton_core::{
    config::{Target, target::http::Http as Settings},
    outcome::{self, Answer, Failure, Look, Outcome, Received},
};

use super::{
    Call, Connector, SetupError,
    auth::{AuthenticatedCall, Authentication},
    clients::{HttpClients, Transport},
    exchange::{Exchange, NAME_MAY_BE_ENCODED, OutgoingRequest, rejected},
};

/// Calls one target over HTTP.
pub(super) struct HttpConnector {
    target: String,
    settings: Settings,
    exchange: Exchange,
    auth: Authentication,
    timeout: Duration,
}

impl HttpConnector {
    /// A connector for `target`, whose own settings are `settings`.
    ///
    /// # Errors
    /// [`SetupError`]: the client cannot be set up.
    pub(super) fn new(clients: &mut HttpClients, target: &Target, settings: &Settings) -> Result<Self, SetupError> {
        let transport = Transport::for_target(target)
            .with_authorities(settings.ca_file.clone())
            .with_proxy(settings.proxy.as_ref())
            .with_http2(settings.http2);
        let exchange = clients.exchange(&transport)?;
        let mut settings = settings.clone();
        settings.url = settings.url.with_longest(target.max_path_value);
        if let Some(verify) = &mut settings.verify {
            verify.url = verify.url.clone().with_longest(target.max_path_value);
        }
        Ok(Self {
            target: target.name.to_string(),
            auth: Authentication::new(settings.auth.as_ref(), &exchange),
            settings,
            exchange,
            timeout: target.timeout,
        })
    }

    async fn exchange(&self, request: &OutgoingRequest, call: Call<'_>) -> Result<Received, Outcome> {
        let deadline = Instant::now() + self.timeout;
        let call = AuthenticatedCall { id: call.id, target: &self.target, deadline };
        self.auth.follow(&self.exchange, request, call).await
    }
}

#[async_trait]
impl Connector for HttpConnector {
    async fn delete(&self, call: Call<'_>) -> Outcome {
        // A twin that could not be looked for is not deleted: nothing would confirm it.
        let request = match self.settings.verify.as_ref().map(|verify| self.look_for(verify, call.row)) {
            Some(Err(outcome)) => Err(outcome),
            Some(Ok(_)) | None => self.request(call.row),
        };
        let received = match request {
            Ok(request) => self.exchange(&request, call).await,
            Err(outcome) => Err(outcome),
        };
        let outcome = match received {
            Ok(received) => outcome::classify_delete(&self.settings, &received, SystemTime::now()),
            Err(outcome) => outcome,
        };
        match outcome {
            Outcome::Confirmed { answer: Answer::Gone { status } } if self.settings.url.may_be_encoded(call.row) => {
                rejected(Some(status), NAME_MAY_BE_ENCODED)
            }
            outcome => outcome,
        }
    }

    async fn look(&self, call: Call<'_>) -> Look {
        let Some(verify) = &self.settings.verify else {
            let reason = "verify_not_configured".to_owned();
            return Look::Failed(Outcome::Rejected(Failure { status: None, reason }));
        };
        let received = match self.look_for(verify, call.row) {
            Ok(request) => self.exchange(&request, call).await,
            Err(outcome) => Err(outcome),
        };
        match received {
            // What a success says, it says of something that is there.
            Ok(received) if !received.is_success() && verify.url.may_be_encoded(call.row) => {
                match outcome::classify_look(verify, &received, SystemTime::now()) {
                    Look::Gone => Look::Failed(rejected(Some(received.status), NAME_MAY_BE_ENCODED)),
                    look => look,
                }
            }
            Ok(received) => outcome::classify_look(verify, &received, SystemTime::now()),
            // To look twice does no harm.
            Err(Outcome::Lost(failure)) => Look::Failed(Outcome::Retry(failure)),
            Err(outcome) => Look::Failed(outcome),
        }
    }
}

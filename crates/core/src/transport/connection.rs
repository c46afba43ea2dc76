//! One shared connection to Redis that fails fast and comes back by itself.
//!
//! Redis is never worth waiting for. A call returns within [`CALL_TIMEOUT`], connecting included; a Redis that refuses
//! or ignores connections is asked again at most every [`RETRY_AFTER`], and calls in between fail at once. The first
//! call after that connects anew. A connection that broke while idle is replaced within the same call, so that the
//! first hint after a restart of Redis is not lost.
//!
//! Why not `redis::aio::ConnectionManager` 1.8: it needs Redis to be up when it is made, and it keeps an answer like
//! `LOADING` or `WRONGPASS` to one of its reconnects for ever.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, ScriptInvocation};
use redis::{ErrorKind, IntoConnectionInfo, RedisResult, ServerErrorKind, aio::MultiplexedConnection};

use super::Error;

/// The longest a call takes, connecting included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest one attempt to connect takes. Below [`CALL_TIMEOUT`], so that the waiting call remembers a failure.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_800);

/// For how long calls fail at once after Redis could not be reached.
pub const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A shared, lazily made connection to one Redis. Cheap to clone.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    client: Client,
    address: String,
    current: Mutex<Current>,
    /// Locked while connecting, so that callers share one attempt; keeps the last failure.
    connecting: tokio::sync::Mutex<Option<(Instant, RedisError)>>,
}

#[derive(Default)]
struct Current {
    generation: u64,
    connection: Option<MultiplexedConnection>,
}

/// What to ask of Redis.
#[derive(Clone, Copy)]
enum RedisRequest<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
}

impl Connection {
    /// A connection to the Redis at `url`, made on first use: Redis need not be up.
    ///
    /// # Errors
    /// [`Error::Url`] when the URL cannot be read.
    pub fn new(url: &str) -> Result<Self, Error> {
        let unusable = |reason: &str| Error::Url { reason: reason.to_owned() };
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if !matches!(scheme, "redis" | "rediss" | "unix" | "redis+unix" | "valkey" | "valkeys") {
            return Err(unusable("it does not begin with redis://, rediss:// or unix://"));
        }
        // The client's own message may repeat parts of the URL; only its category is passed on.
        let info = url.into_connection_info().map_err(|error| unusable(error.category()))?;
        let address = info.addr().to_string();
        let client = Client::open(info).map_err(|error| unusable(error.category()))?;
        Ok(Self(Arc::new(Inner {
            client,
            address,
            current: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        })))
    }

    /// Host and port, or the socket's path: what may be shown of the URL.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The client, for connections of another kind (a subscription).
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// A connection of its own, not shared with other callers and never replaced: it dies with its first failure.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub async fn dedicated(&self) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CALL_TIMEOUT));
        let connection = self.0.client.get_multiplexed_async_connection_with_config(&config).await;
        connection.map_err(|source| self.connect_error(source))
    }

    /// Runs a command; `action` completes "cannot …" in an error.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Command`] or, after [`CALL_TIMEOUT`], [`Error::Timeout`].
    pub async fn query<T: FromRedisValue>(&self, action: &'static str, command: &Cmd) -> Result<T, Error> {
        self.call(action, RedisRequest::Command(command)).await
    }

    /// Runs a script. Running it twice must do no harm: a connection that breaks in between hides the answer.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn invoke<T: FromRedisValue>(
        &self,
        action: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        self.call(action, RedisRequest::Script(script)).await
    }

    async fn call<T: FromRedisValue>(&self, action: &'static str, request: RedisRequest<'_>) -> Result<T, Error> {
        if let Ok(result) = tokio::time::timeout(CALL_TIMEOUT, self.attempt(action, request)).await {
            return result;
        }
        self.discard(None);
        Err(Error::Timeout { action, address: self.0.address.clone(), timeout: CALL_TIMEOUT })
    }

    async fn attempt<T: FromRedisValue>(&self, action: &'static str, request: RedisRequest<'_>) -> Result<T, Error> {
        if let Some((generation, connection)) = self.current() {
            match self.answer(generation, connection, request).await {
                Err(error) if error.is_connection_dropped() => {} // It broke while idle: once more on a new one.
                result => return result.map_err(|source| self.command_error(action, source)),
            }
        }
        let (generation, connection) = self.connect().await?;
        let result = self.answer(generation, connection, request).await;
        result.map_err(|source| self.command_error(action, source))
    }

    async fn answer<T: FromRedisValue>(
        &self,
        generation: u64,
        mut connection: MultiplexedConnection,
        request: RedisRequest<'_>,
    ) -> RedisResult<T> {
        let result = match request {
            RedisRequest::Command(command) => command.query_async(&mut connection).await,
            RedisRequest::Script(script) => script.invoke_async(&mut connection).await,
        };
        // After a failover the old primary answers READONLY for as long as a client stays connected to it.
        let read_only = |error: &RedisError| error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if let Err(error) = &result
            && (error.is_unrecoverable_error() || error.is_io_error() || read_only(error))
        {
            self.discard(Some(generation));
        }
        result
    }

    async fn connect(&self) -> Result<(u64, MultiplexedConnection), Error> {
        let mut last_failure = self.0.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current); // Another call connected while this one waited.
        }
        if let Some((_, source)) = last_failure.as_ref().filter(|(at, _)| at.elapsed() < RETRY_AFTER) {
            return Err(self.connect_error(source.clone()));
        }
        match self.dedicated().await {
            Ok(connection) => {
                *last_failure = None;
                let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
                current.generation += 1;
                current.connection = Some(connection.clone());
                Ok((current.generation, connection))
            }
            Err(error) => {
                *last_failure = error.redis().map(|source| (Instant::now(), source.clone()));
                Err(error)
            }
        }
    }

    fn current(&self) -> Option<(u64, MultiplexedConnection)> {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.connection.clone().map(|connection| (current.generation, connection))
    }

    /// Forgets the connection, unless it is a newer one than `generation`.
    fn discard(&self, generation: Option<u64>) {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if generation.is_none_or(|generation| generation == current.generation) {
            current.connection = None;
        }
    }

    fn connect_error(&self, source: RedisError) -> Error {
        Error::Connect { address: self.0.address.clone(), source }
    }

    fn command_error(&self, action: &'static str, source: RedisError) -> Error {
        Error::Command { action, address: self.0.address.clone(), source }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.0.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_refused_without_repeating_its_password() {
        for url in ["redis://user:hunter2@", "http://user:hunter2@host", "redis://u:hunter2@host:notaport", "hunter2"] {
            let Err(error) = Connection::new(url) else { panic!("{url} was taken") };
            assert!(matches!(error, Error::Url { .. }));
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let connection = Connection::new("redis://user:hunter2@localhost:1/0");
        assert!(connection.is_ok() && !format!("{connection:?}").contains("hunter2"));
    }
}

//! Whether a Redis is fit to carry hints: what `sexton check` says about it.

use std::collections::HashMap;

use redis::{Cmd, ErrorKind, FromRedisValue, ServerErrorKind, cmd};
use sexton_core::transport::{Connection, Error, HintQueue};

use super::probe::{ProbeFailure, probe};

/// Something about a Redis that keeps it from carrying hints, or that could not be checked (see
/// [`RedisFinding::is_fatal`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisFinding {
    /// The URL cannot be read.
    #[error("{reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// No answer.
    #[error("Redis at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the client said.
        reason: String,
    },
    /// The user name or password is wrong or missing.
    #[error("Redis at {address} refuses the credentials: {reason}")]
    Credentials {
        /// Host and port.
        address: String,
        /// What the server said.
        reason: String,
    },
    /// Redis Cluster.
    #[error("Redis at {address} runs in cluster mode")]
    Cluster {
        /// Host and port.
        address: String,
    },
    /// A replica, which takes no writes.
    #[error("Redis at {address} is a replica")]
    Replica {
        /// Host and port.
        address: String,
    },
    /// Keys may be evicted.
    #[error("Redis at {address} has maxmemory-policy {policy}: it may evict parts of the queue")]
    MaxmemoryPolicy {
        /// Host and port.
        address: String,
        /// The policy.
        policy: String,
    },
    /// A command that Sexton needs fails.
    #[error("Redis at {address} does not let this user {action}: {reason}")]
    Forbidden {
        /// Host and port.
        address: String,
        /// What was tried.
        action: &'static str,
        /// What the server said.
        reason: String,
    },
    /// The policy cannot be read.
    #[error("Redis at {address} does not tell its maxmemory-policy")]
    PolicyUnknown {
        /// Host and port.
        address: String,
    },
}

impl RedisFinding {
    /// Whether hints cannot travel. `false`: it could not be checked.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::PolicyUnknown { .. })
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Url { .. } => "correct [queue] url",
            Self::Unreachable { .. } => "start Redis, or correct host, port and TLS (rediss://) in [queue] url",
            Self::Credentials { .. } => "put user and password into [queue] url: redis://user:password@host:port",
            Self::Cluster { .. } => {
                "use a single primary, with Sentinel if wanted: apalis-redis keeps a key outside the queue's hash slot"
            }
            Self::Replica { .. } => "point [queue] url at the primary",
            Self::MaxmemoryPolicy { .. } | Self::PolicyUnknown { .. } => {
                "set maxmemory-policy to noeviction, or use a Redis that is not a cache"
            }
            Self::Forbidden { .. } => {
                "give this user the least rights that docs/configuration.md names: \
                 ~NAME:* ~core:apalis:queues:list &NAME:wake +@read +@write +@scripting +@pubsub +@connection +time \
                 +info +config|get"
            }
        }
    }
}

/// Looks at the Redis at `url` and sends a hint through a queue beside the queue `name`, of which nothing is left
/// afterwards. No findings: fit for use. Takes some seconds at most.
pub async fn check(url: &str, name: &str) -> Vec<RedisFinding> {
    let queue = match HintQueue::new(url, name) {
        Ok(queue) => queue,
        Err(error) => return vec![RedisFinding::Url { reason: error.to_string() }],
    };
    let connection = queue.connection().clone();
    let address = connection.address().to_owned();
    if let Err(error) = ask::<String>(&connection, "ping", cmd("PING")).await {
        return vec![refusal(address, "ping", &error)];
    }
    let mut findings = Vec::new();
    let scripts = ask::<i64>(&connection, "run scripts", cmd("EVAL").arg("return 1").arg(0)).await;
    if let Err(error) = scripts {
        findings.push(refusal(address.clone(), "run scripts", &error));
    }
    match ask::<String>(&connection, "read INFO", &mut cmd("INFO")).await {
        Err(error) => findings.push(refusal(address.clone(), "read INFO", &error)),
        Ok(info) => {
            let info = fields(&info);
            if info.get("redis_mode") == Some(&"cluster") || info.get("cluster_enabled") == Some(&"1") {
                findings.push(RedisFinding::Cluster { address: address.clone() });
            }
            if info.get("role") == Some(&"slave") {
                findings.push(RedisFinding::Replica { address: address.clone() });
            }
            findings.extend(policy(&connection, address.clone(), &info).await);
        }
    }
    if !findings.iter().any(RedisFinding::is_fatal) {
        findings.extend(probe(&queue).await.err().map(|failure| match failure {
            ProbeFailure::Refused { action, error } => refusal(address, action, &error),
            ProbeFailure::Failed { action, reason } => RedisFinding::Forbidden { address, action, reason },
        }));
    }
    findings
}

/// `CONFIG` is forbidden on managed services; `INFO` tells the same.
async fn policy(connection: &Connection, address: String, info: &HashMap<&str, &str>) -> Option<RedisFinding> {
    let mut get = cmd("CONFIG");
    get.arg("GET").arg("maxmemory-policy");
    let config = ask::<HashMap<String, String>>(connection, "read the configuration", &mut get).await;
    let from_config = config.ok().and_then(|mut config| config.remove("maxmemory-policy"));
    let policy = from_config.or_else(|| info.get("maxmemory_policy").map(|&policy| policy.to_owned()));
    match policy {
        Some(policy) if policy == "noeviction" => None,
        Some(policy) => Some(RedisFinding::MaxmemoryPolicy { address, policy }),
        None => Some(RedisFinding::PolicyUnknown { address }),
    }
}

async fn ask<T: FromRedisValue>(
    connection: &Connection,
    action: &'static str,
    command: impl std::borrow::Borrow<Cmd>,
) -> Result<T, Error> {
    connection.query(action, command.borrow()).await
}

fn refusal(address: String, action: &'static str, error: &Error) -> RedisFinding {
    let reason = error.redis().map_or_else(|| error.to_string(), ToString::to_string);
    match error.redis().map(redis::RedisError::kind) {
        Some(ErrorKind::AuthenticationFailed) => RedisFinding::Credentials { address, reason },
        _ if matches!(error.redis().and_then(redis::RedisError::code), Some("NOAUTH" | "WRONGPASS")) => {
            RedisFinding::Credentials { address, reason }
        }
        Some(ErrorKind::Server(ServerErrorKind::NoPerm)) => RedisFinding::Forbidden { address, action, reason },
        _ if matches!(error, Error::Connect { .. } | Error::Timeout { .. }) => {
            RedisFinding::Unreachable { address, reason }
        }
        _ => RedisFinding::Forbidden { address, action, reason },
    }
}

/// The `name:value` lines of `INFO`.
fn fields(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

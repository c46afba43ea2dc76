//! Identifiers, parsed once at the edge of the process and typed from there on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Uuid);

        impl $type {
            /// A new id, for what is being requested now.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as a UUID.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl Default for $type {
            fn default() -> Self {
                Self::new()
            }
        }

        impl From<Uuid> for $type {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $type {
            type Err = uuid::Error;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }
    };
}

id! {
    /// Identifies one deletion in the ledger: a UUID of version 7 (RFC 9562 §5.7), so that ids sort by time of request.
    DeletionId
}
id! {
    /// Identifies a batch: the deletions that one request made. A UUID of version 7.
    BatchId
}

/// Counts the claims of one deletion. It only ever grows, and every write of a worker filters on it, so that a worker
/// that lost its lease can change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub i64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a name was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a name: use a lowercase letter, then up to 62 lowercase letters, digits, `_` or `-`")]
pub struct InvalidName(String);

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(name: String) -> Result<Self, InvalidName> {
                let mut bytes = name.bytes();
                let head = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
                let tail = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
                if head && tail && name.len() <= 63 { Ok(Self(name)) } else { Err(InvalidName(name)) }
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::try_from(name.to_owned())
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a resource: a table whose rows Sexton deletes, as `[resources.NAME]` calls it.
    ResourceName
}
name! {
    /// The name of a target within its resource: one external system in which a row has a twin.
    TargetName
}

/// The name of a lane: a resource, or one of its targets as `resource.target`. A deletion is in the lane of its first
/// unconfirmed target, or in that of its resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(String);

impl Lane {
    /// The lane of what all targets of a resource confirmed.
    #[must_use]
    pub fn of_resource(resource: &ResourceName) -> Self {
        Self(resource.to_string())
    }

    /// The lane of a target.
    #[must_use]
    pub fn of_target(resource: &ResourceName, target: &TargetName) -> Self {
        Self(format!("{resource}.{target}"))
    }

    /// The lane of a target as the ledger names both: they may not be configured here.
    #[must_use]
    pub fn of_recorded_target(resource: &str, target: &str) -> Self {
        Self(format!("{resource}.{target}"))
    }

    /// A lane as the ledger has it: its resource or target may not be configured here.
    #[must_use]
    pub const fn from_ledger(name: String) -> Self {
        Self(name)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Lane {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Lane {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Lane {
    type Err = std::convert::Infallible;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_identifiers() {
        for good in ["a", "block", "google-calendar", "s3_bucket_2"] {
            assert_eq!(good.parse::<ResourceName>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "2fast", "Block", "a.b", "a b", "é", &"a".repeat(64)] {
            assert_eq!(bad.parse::<ResourceName>(), Err(InvalidName(bad.to_owned())));
        }
    }
}

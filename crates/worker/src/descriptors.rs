//! The process's limit of file descriptors: every connection costs one.

use rustix::process::{Resource, getrlimit};

/// How many file descriptors the process may have; none if there is no limit.
pub(crate) fn descriptors() -> Option<usize> {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok())
}

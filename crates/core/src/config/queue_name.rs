//! Which names a queue may have.

/// What a name may consist of, for messages.
pub(crate) const QUEUE_NAME: &str = "use 1 to 100 letters, digits, `_`, `-`, `.`, `:` or a `{hash tag}`";

/// Whether all keys of a queue may begin with `name`. Between braces is what a Redis behind a proxy hashes, so that all
/// keys of the queue are in one place (Redis Cluster specification, "Hash tags").
#[must_use]
pub(crate) fn is_queue_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"_-.:{}".contains(&b);
    !name.is_empty() && name.len() <= 100 && name.bytes().all(legal)
}

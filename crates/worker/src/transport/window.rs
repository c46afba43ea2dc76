//! How many hints may be in Redis at once.

/// The largest window. apalis-redis 1.0.0 unpacks lists of ids in its scripts, which fails at some 8,000.
pub const LARGEST: usize = 7_000;

/// The window in force: the configured one, or twice what all processes handle at once if that is more, at most
/// [`LARGEST`].
///
/// `registered` is [`Activity::registered_concurrency`](super::Activity::registered_concurrency).
#[must_use]
pub fn effective(window: usize, registered: usize) -> usize {
    window.max(registered.saturating_mul(2)).min(LARGEST)
}

#[cfg(test)]
mod tests {
    use super::effective;

    #[test]
    fn the_window_grows_with_the_workers_up_to_what_apalis_bears() {
        assert_eq!(effective(2000, 0), 2000);
        assert_eq!(effective(2000, 1000), 2000);
        assert_eq!(effective(2000, 1500), 3000);
        assert_eq!(effective(2000, 100_000), 7000);
        assert_eq!(effective(20_000, usize::MAX), 7000);
    }
}

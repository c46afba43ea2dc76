//! Which deletions are in the share.

use sexton_core::ids::DeletionId;
use sha2::{Digest, Sha256};

/// Whether a deletion is in the share. Its id alone decides, so every run decides alike, and a larger share contains
/// all of a smaller one. The id is hashed, because a part of it is the time.
pub(super) fn is_in_share(id: DeletionId, share: f64) -> bool {
    let digest = Sha256::digest(id.as_uuid().as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    // Below 1 for every id, so that a share of 1 has them all.
    ((number >> 11) as f64) / ((1_u64 << 53) as f64) < share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_what_it_says_and_stays_the_same() {
        let ids: Vec<DeletionId> = (0..20_000).map(|_| DeletionId::new()).collect();
        let count = |share| ids.iter().filter(|id| is_in_share(**id, share)).count();
        assert_eq!((count(0.0), count(1.0)), (0, 20_000));
        assert!((1_800..2_200).contains(&count(0.1)), "{}", count(0.1));
        assert!(ids.iter().all(|id| !is_in_share(*id, 0.1) || is_in_share(*id, 0.2)));
        let known: DeletionId = "0190a5b0-0000-7000-8000-000000000001".parse().unwrap();
        let least = (1..=1000).find(|n| is_in_share(known, f64::from(*n) / 1000.0));
        assert_eq!(least, Some(875), "another release would look at others");
    }
}

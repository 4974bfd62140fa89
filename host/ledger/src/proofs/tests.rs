//! Roots and proofs are those of another implementation, which shares no line with the one that is used.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Subject};
use freehold_trust::SecretKey;
use proptest::prelude::*;
use sha2::Sha256;

use super::*;

type Peer = MemoryBackedTree<Sha256, Vec<u8>>;

fn entry(version: u64) -> Entry {
    let time = "2026-01-01T00:00:00Z".parse().unwrap();
    Entry { subject: Subject::TrustRoot { version }, statement: Digest::of(&version.to_be_bytes()), time }
}

fn record(version: u64) -> Vec<u8> {
    serde_json::to_vec(&entry(version)).unwrap()
}

fn peer(size: u64) -> Peer {
    let mut tree = Peer::new();
    (0..size).for_each(|version| tree.push(record(version)));
    tree
}

/// A log that was filled in steps to these sizes, with the tree head after each.
fn filled(sizes: &[u64]) -> (tempfile::TempDir, Ledger, Vec<TreeHead>) {
    let folder = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    let dir = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
    let ledger = Ledger::open(dir, "test-log", key.public());
    ledger.begin(&key).unwrap();
    let mut heads = Vec::new();
    let mut size = 0;
    for next in sizes {
        let entries: Vec<Entry> = (size..*next).map(entry).collect();
        ledger.appender(&key).unwrap().append_all(&entries).unwrap();
        heads.push(ledger.tree_head().unwrap());
        size = *next;
    }
    assert!(ledger.check().unwrap().problems.is_empty(), "{sizes:?}");
    (folder, ledger, heads)
}

fn bytes(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

fn agree_on_entry(ledger: &Ledger, tree: &Peer, head: &TreeHead, index: u64) {
    let (_, proof) = ledger.prove(index).unwrap();
    let theirs: InclusionProof<Sha256> = tree.prove_inclusion(index as usize);
    assert_eq!(bytes(&proof), theirs.as_bytes(), "{index} of {}", head.size);
    let root = RootHash::<Sha256>::new(head.root.0.into(), head.size);
    root.verify_inclusion(&record(index), index, &InclusionProof::from_bytes(bytes(&proof))).unwrap();
    verify_inclusion(head, index, &record(index), &proof).unwrap();
    assert!(verify_inclusion(head, index, &record(index + 1), &proof).is_err());
    assert!(verify_inclusion(head, index + 1, &record(index), &proof).is_err());
    for at in 0..proof.len() {
        let mut changed = proof.clone();
        changed[at].0[0] ^= 1;
        assert!(verify_inclusion(head, index, &record(index), &changed).is_err());
        assert!(verify_inclusion(head, index, &record(index), &proof[..at]).is_err());
    }
}

fn agree_on_beginning(ledger: &Ledger, tree: &Peer, old: &TreeHead, new: &TreeHead) {
    let (_, proof) = ledger.prove_consistency(old.size).unwrap();
    verify_consistency(old, new, &proof).unwrap();
    if old.size > 0 && old.size < new.size {
        let theirs: ConsistencyProof<Sha256> = tree.prove_consistency((new.size - old.size) as usize);
        assert_eq!(bytes(&proof), theirs.as_bytes(), "{} in {}", old.size, new.size);
        let root = |head: &TreeHead| RootHash::<Sha256>::new(head.root.0.into(), head.size);
        root(new).verify_consistency(&root(old), &ConsistencyProof::try_from_bytes(bytes(&proof)).unwrap()).unwrap();
    }
    let mut other = *old;
    other.root.0[5] ^= 1;
    assert!(verify_consistency(&other, new, &proof).is_err(), "{} in {}", old.size, new.size);
    let longer = [&proof[..], &[old.root]].concat();
    assert!(verify_consistency(old, new, &longer).is_err());
    assert!(old.size == new.size || verify_consistency(new, old, &proof).is_err());
}

fn agree(sizes: &[u64]) {
    let (_folder, ledger, heads) = filled(sizes);
    let Some(new) = heads.last() else { return };
    let tree = peer(new.size);
    for head in &heads {
        let root = peer(head.size).root();
        // Of no entries the root is the hash of nothing.
        let expected = if head.size == 0 { EMPTY_HASH.0.to_vec() } else { root.as_bytes().to_vec() };
        assert_eq!(head.root.0.to_vec(), expected, "{}", head.size);
        agree_on_beginning(&ledger, &tree, head, new);
        for index in [head.size.saturating_sub(1), head.size / 2].into_iter().filter(|index| *index < new.size) {
            agree_on_entry(&ledger, &tree, new, index);
        }
    }
    assert!(matches!(ledger.prove(new.size), Err(LedgerError::NoEntry { .. })));
    assert!(matches!(ledger.prove_consistency(new.size + 1), Err(LedgerError::Rollback { .. })));
}

#[test]
fn another_implementation_agrees_at_the_edges_of_tiles() {
    agree(&[0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 767, 1024, 1025]);
    // One entry at a time, and a whole tile at once.
    agree(&(0..=40).collect::<Vec<_>>());
    agree(&[1280]);
}

/// The third level of tiles begins with 65,536 entries.
#[test]
fn another_implementation_agrees_on_three_levels_of_tiles() {
    agree(&[65_534, 65_535, 65_536, 65_537, 66_048]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_implementation_agrees_whatever_the_sizes(steps in prop::collection::vec(0_u64..600, 1..6)) {
        let sizes: Vec<u64> = steps.iter().scan(0, |size, step| { *size += step; Some(*size) }).collect();
        agree(&sizes);
    }

    /// A proof that was not made by a log is refused, never a panic: whoever verifies one has it from a stranger.
    #[test]
    fn proofs_of_any_form_are_refused(
        size in 0..=u64::MAX, old in 0..=u64::MAX, index in 0..=u64::MAX, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..80)
    ) {
        let proof: Vec<Hash> = hashes.into_iter().map(Hash).collect();
        let (old, new) = (TreeHead { size: old, root: Hash([1; 32]) }, TreeHead { size, root: Hash([2; 32]) });
        prop_assert!(verify_inclusion(&new, index, b"x", &proof).is_err());
        prop_assert!(verify_inclusion(&new, index % size.max(1), b"x", &proof).is_err());
        prop_assert!(verify_consistency(&old, &new, &proof).is_err());
        prop_assert!(verify_consistency(&new, &old, &proof).is_err());
    }
}

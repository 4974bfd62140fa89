//! Cosigned tree heads and proofs, as strangers send them: any note, any text that log and witness signed, and any hashes.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_ledger::{Hash, TreeHead, verify_consistency, verify_inclusion};
use freehold_trust::{KeyId, PublicKey, Role, SecretKey, TrustRoot, cosign_note, sign_note};

use crate::keys::{at, keys};

const ORIGIN: &str = "fuzz-log";
const WITNESS: &str = "w.example/one";
/// First bytes from here on mean a text that is signed and cosigned, and a proof.
pub(crate) const SIGNED: u8 = 86;
pub(crate) const PROOF: u8 = 172;
/// Two sizes, an index and two roots come before the hashes of a proof.
const HEAD_BYTES: usize = 3 * 8 + 2 * 32;

/// The key of the log and that of the witness.
fn signers() -> (&'static SecretKey, &'static SecretKey) {
    (&keys()[0], &keys()[1])
}

fn known() -> (TrustRoot, BTreeMap<KeyId, PublicKey>) {
    let (log, witness) = signers();
    let mut root = TrustRoot::first(at(1000), [Role::Root, Role::Recorder, Role::Log].map(|role| (role, log.public())));
    root.set_witness(WITNESS, &witness.public()).expect("a witness");
    (root, BTreeMap::from([(log.public().id(), log.public())]))
}

/// A note by these keys, which everybody knows.
pub(crate) fn cosigned(text: &[u8]) -> Option<Vec<u8>> {
    let (log, witness) = signers();
    cosign_note(&sign_note(text, ORIGIN, &[log]).ok()?, WITNESS, witness, at(0)).ok()
}

/// The first byte says what the others are: a note, a text that is signed and cosigned, or a proof.
pub fn run(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else { return };
    match which {
        PROOF.. => proof(rest),
        SIGNED.. => text(rest),
        _ => note(rest),
    }
}

/// What is kept of a note is kept of it again, and says the same of who cosigned it.
fn note(note: &[u8]) {
    let (root, keys) = known();
    let Ok(joined) = root.join_notes(&[note, note], ORIGIN, &keys) else { return };
    assert_eq!(root.join_notes(&[&joined], ORIGIN, &keys).expect("a note"), joined);
    let by = root.cosignatures(note).expect("a note that was joined");
    assert_eq!(root.cosignatures(&joined).expect("a note"), by);
    assert!(by.len() <= 1 && by.iter().all(|by| by.witness == WITNESS && by.key == signers().1.public().id()));
    if let Ok(head) = TreeHead::open(note, ORIGIN, &keys, 1) {
        assert_eq!(TreeHead::open(&joined, ORIGIN, &keys, 1).expect("a tree head"), head);
    }
}

/// What was signed is found to be signed, whatever the text, and a signature of another text never is.
fn text(text: &[u8]) {
    let Some(signed) = cosigned(text) else { return };
    let (root, _) = known();
    match root.cosignatures(&signed) {
        Ok(by) => assert_eq!(by.len(), 1),
        // A text may end so that its end looks like signatures: then it is no note of that text.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    note(&signed);
    let lines: Vec<&[u8]> = signed.split_inclusive(|byte| *byte == b'\n').collect();
    if let [.., last] = lines.as_slice()
        && let Ok(other) = sign_note(&[b"other\n", text].concat(), ORIGIN, &[signers().0])
    {
        assert!(root.cosignatures(&[&other, *last].concat()).is_err(), "a cosignature of another text counts");
    }
}

/// Hashes of any kind prove nothing of roots that were not made from them; what seems to be proven has to be so for one size and
/// index alone.
fn proof(data: &[u8]) {
    let Some((head, hashes)) = data.split_at_checked(HEAD_BYTES) else { return };
    let number = |at: usize| head[at * 8..at * 8 + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mut roots = head[24..].chunks(32).map(hash);
    let (Some(first), Some(second)) = (roots.next(), roots.next()) else { return };
    let (old, new) = (TreeHead { size: number(0), root: first }, TreeHead { size: number(1), root: second });
    let hashes: Vec<_> = hashes.chunks_exact(32).map(hash).collect();
    let index = number(2);
    if verify_inclusion(&new, index, b"record", &hashes).is_ok() {
        assert!(index < new.size && hashes.len() < 64);
        assert!(verify_inclusion(&new, index, b"other", &hashes).is_err());
        assert!(hashes.is_empty() || verify_inclusion(&new, index, b"record", &hashes[1..]).is_err());
    }
    if verify_consistency(&old, &new, &hashes).is_ok() && old.size > 0 {
        assert!(old.size <= new.size && (old.size < new.size || old.root == new.root));
        let other = TreeHead { root: hash(Digest::of(&old.root.0).as_bytes()), ..old };
        assert!(verify_consistency(&other, &new, &hashes).is_err());
    }
}

fn hash(bytes: &[u8]) -> Hash {
    Hash(bytes.try_into().expect("32 bytes"))
}

use std::collections::BTreeSet;

use super::*;
use crate::note::sign_note;
use crate::root::{Role, Validity};

const NAME: &str = "witness.example/one";

struct Log {
    log: SecretKey,
    one: SecretKey,
    two: SecretKey,
    root: TrustRoot,
    note: Vec<u8>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn log() -> Log {
    let [log, one, two] = std::array::from_fn(|_| SecretKey::generate().unwrap());
    let keys = [Role::Root, Role::Recorder, Role::Log].map(|role| (role, log.public()));
    let mut root = TrustRoot::first(at(2_000_000_000), keys);
    root.set_witness(NAME, &one.public()).unwrap();
    root.set_witness("two", &two.public()).unwrap();
    let note = sign_note(b"log\n3\nAAAA\n", "log", &[&log]).unwrap();
    Log { log, one, two, root, note }
}

fn names(root: &TrustRoot, note: &[u8]) -> Vec<String> {
    root.cosignatures(note).unwrap().into_iter().map(|cosignature| cosignature.witness).collect()
}

/// The bytes of the specification, made by hand: the key id, the time, and what is signed.
#[test]
fn a_cosignature_is_as_c2sp_says() {
    use base64::Engine as _;
    let Log { one, note, root, .. } = log();
    let cosigned = cosign_note(&note, NAME, &one, at(1_679_315_147)).unwrap();
    let line = String::from_utf8(cosigned.clone()).unwrap().lines().last().unwrap().to_owned();
    let encoded = line.strip_prefix(&format!("— {NAME} ")).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    let id = Sha256::new().chain_update(format!("{NAME}\n\x04")).chain_update(one.public().as_dalek().as_bytes());
    assert_eq!(bytes[..4], id.finalize()[..4]);
    assert_eq!(bytes[4..12], 1_679_315_147_u64.to_be_bytes());
    let signed = b"cosignature/v1\ntime 1679315147\nlog\n3\nAAAA\n";
    assert!(one.public().verifies(signed, &bytes[12..]));
    let found = root.cosignatures(&cosigned).unwrap();
    assert_eq!(found, [Cosignature { witness: NAME.into(), key: one.public().id(), time: at(1_679_315_147) }]);
}

#[test]
fn truth_table_of_who_cosigned() {
    let Log { log, one, two, mut root, note } = log();
    let cosigned = |name: &str, key: &SecretKey| cosign_note(&note, name, key, at(100)).unwrap();
    assert_eq!(names(&root, &note), [""; 0], "nobody");
    assert_eq!(names(&root, &cosigned(NAME, &one)), [NAME]);
    assert_eq!(names(&root, &cosigned("two", &one)), [""; 0], "a witness's key under another's name");
    assert_eq!(names(&root, &cosigned("three", &two)), [""; 0], "a name that is not in the root");
    assert_eq!(names(&root, &cosigned(NAME, &log)), [""; 0], "the log's key under a witness's name");
    let twice = cosign_note(&cosigned(NAME, &one), NAME, &one, at(200)).unwrap();
    assert_eq!(names(&root, &twice), [NAME], "one witness counts once");
    let both = cosign_note(&cosigned(NAME, &one), "two", &two, at(100)).unwrap();
    assert_eq!(names(&root, &both), ["two", NAME]);
    // The log's key as a witness is another signature than the log's.
    let plain = sign_note(b"log\n3\nAAAA\n", NAME, &[&one]).unwrap();
    assert_eq!(names(&root, &plain), [""; 0], "a signature that is no cosignature");
    // A key that was not good at the time that it states.
    root.limit(one.public().id(), Validity { valid_from: Some(at(101)), valid_until: None });
    assert_eq!(names(&root, &both), ["two"]);
    assert!(cosign_note(&note, NAME, &one, at(-1)).is_err());
    assert!(cosign_note(&note, "a name", &one, at(1)).is_err());
    assert!(cosign_note(b"no note", NAME, &one, at(1)).is_err());
}

#[test]
fn every_changed_byte_of_a_cosigned_note_is_seen() {
    let Log { log, one, root, note, .. } = log();
    let keys = BTreeMap::from([(log.public().id(), log.public())]);
    let cosigned = cosign_note(&note, NAME, &one, at(100)).unwrap();
    assert_eq!(root.join_notes(&[&cosigned], "log", &keys).unwrap(), cosigned, "joined to itself");
    for at in 0..cosigned.len() {
        let mut changed = cosigned.clone();
        changed[at] ^= 1;
        let joined = root.join_notes(&[&changed], "log", &keys);
        assert!(joined.is_err() || joined.unwrap() != changed, "byte {at}");
    }
}

#[test]
fn notes_are_joined_if_they_have_one_text() {
    let Log { log, one, two, root, note } = log();
    let keys = BTreeMap::from([(log.public().id(), log.public())]);
    let (first, second) =
        (cosign_note(&note, NAME, &one, at(1)).unwrap(), cosign_note(&note, "two", &two, at(2)).unwrap());
    let joined = root.join_notes(&[&first, &second], "log", &keys).unwrap();
    assert_eq!(names(&root, &joined).into_iter().collect::<BTreeSet<_>>(), [NAME.into(), "two".into()].into());
    assert_eq!(joined, root.join_notes(&[&second, &first, &first], "log", &keys).unwrap());
    let other = sign_note(b"log\n4\nAAAA\n", "log", &[&log]).unwrap();
    assert!(matches!(root.join_notes(&[&first, &other], "log", &keys), Err(NoteError::OtherText)));
    assert!(root.join_notes(&[], "log", &keys).is_err());
    // What nobody signed who is known is left out.
    let stranger = cosign_note(&first, "three", &two, at(3)).unwrap();
    assert_eq!(root.join_notes(&[&stranger], "log", &keys).unwrap(), first);
}

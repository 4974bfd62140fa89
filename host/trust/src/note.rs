//! Signed notes (C2SP signed-note): the form in which tree heads of the log are signed.

use std::collections::BTreeMap;

use signed_note::{Note, StandardVerifier, VerifierList, new_ed25519_verifier_key};

use crate::key::{KeyError, KeyId, PublicKey, SecretKey};

/// A note cannot be signed or does not verify.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The name of a key in a note must not be empty nor hold spaces or plus signs.
    #[error("`{0}` cannot name a key in a signed note")]
    Name(String),
    /// A key does not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It has no form of a note.
    #[error("this is no signed note")]
    Malformed,
    /// Notes that were to be one have other texts.
    #[error("the notes are not of the same tree head")]
    OtherText,
    /// Fewer keys signed it than have to.
    #[error("the note is signed by {found} of the {needed} keys of `{name}` that are needed")]
    Threshold {
        /// Name of the keys.
        name: String,
        /// How many signed.
        found: usize,
        /// How many have to.
        needed: usize,
    },
    /// It is malformed, or the signature is not by the key that was expected.
    #[error("the note is not signed by `{name}` ({key}): {problem}")]
    Unverified {
        /// Name of the key.
        name: String,
        /// The key, shortened.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

/// Signs what it was made for: the text of one note.
struct NoteSigner<'a> {
    name: &'a str,
    id: u32,
    signature: [u8; 64],
}

impl signed_note::Signer for NoteSigner<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.signature.to_vec())
    }
}

pub(crate) fn verifier(name: &str, key: &PublicKey) -> Result<StandardVerifier, NoteError> {
    let encoded = new_ed25519_verifier_key(name, key.as_dalek());
    StandardVerifier::new(&encoded).map_err(|_| NoteError::Name(name.into()))
}

/// `text`, which has to end with a line break, signed under `name` by every key of `keys`.
pub fn sign_note(text: &[u8], name: &str, keys: &[&SecretKey]) -> Result<Vec<u8>, NoteError> {
    use signed_note::Verifier as _;
    let of = keys.iter().map(|key| key.public().id().short()).collect::<Vec<_>>().join(", ");
    let unverified = |error: signed_note::NoteError| unverified(name, of.clone(), &error.to_string());
    let mut note = Note::new(text, &[]).map_err(unverified)?;
    for key in keys {
        let signer = NoteSigner { name, id: verifier(name, &key.public())?.key_id(), signature: key.sign(text)? };
        note.add_sigs(&[&signer]).map_err(unverified)?;
    }
    Ok(note.to_bytes())
}

pub(crate) fn unverified(name: &str, key: String, problem: &str) -> NoteError {
    NoteError::Unverified { name: name.into(), key, problem: problem.into() }
}

/// The text of a note, if at least `threshold` distinct keys of `keys` signed it under `name`. A threshold of zero never holds.
pub fn open_note(
    note: &[u8],
    name: &str,
    keys: &BTreeMap<KeyId, PublicKey>,
    threshold: usize,
) -> Result<Vec<u8>, NoteError> {
    let of = keys.keys().map(KeyId::short).collect::<Vec<_>>().join(", ");
    let unverified = |error: signed_note::NoteError| unverified(name, of.clone(), &error.to_string());
    let parsed = Note::from_bytes(note).map_err(unverified)?;
    let (mut found, mut last) = (0, signed_note::NoteError::UnverifiedNote);
    // One key at a time: notes name keys by 32 bits, and two keys may share them.
    for key in keys.values() {
        match parsed.verify(&VerifierList::new(vec![Box::new(verifier(name, key)?)])) {
            Ok(_) => found += 1,
            Err(signed_note::NoteError::UnverifiedNote) => {}
            Err(error) => last = error,
        }
    }
    match found {
        0 => Err(unverified(last)),
        _ if threshold == 0 || found < threshold => {
            Err(NoteError::Threshold { name: name.into(), found, needed: threshold.max(1) })
        }
        _ => Ok(parsed.text().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&SecretKey]) -> BTreeMap<KeyId, PublicKey> {
        keys.iter().map(|key| (key.public().id(), key.public())).collect()
    }

    #[test]
    fn only_the_right_key_under_the_right_name_opens_a_note() {
        let (key, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let (known, stranger) = (keys(&[&key]), keys(&[&other]));
        let note = sign_note(b"text\n", "log", &[&key]).unwrap();
        assert_eq!(open_note(&note, "log", &known, 1).unwrap(), b"text\n");
        assert!(open_note(&note, "log", &stranger, 1).is_err());
        assert!(open_note(&note, "gol", &known, 1).is_err());
        assert!(open_note(b"text\n\n", "log", &known, 1).is_err());
        assert!(sign_note(b"no line break", "log", &[&key]).is_err());
        assert!(sign_note(b"text\n", "a name", &[&key]).is_err());
        for at in 0..note.len() {
            let mut changed = note.clone();
            changed[at] ^= 1;
            assert!(open_note(&changed, "log", &known, 1).is_err(), "byte {at}");
        }
    }

    #[test]
    fn truth_table_of_signers_and_thresholds() {
        let (a, b, c) =
            (SecretKey::generate().unwrap(), SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        for (signers, known, threshold, holds) in [
            (vec![], vec![&a], 1, false),
            (vec![&a], vec![], 1, false),
            (vec![&a], vec![&a], 0, false),
            (vec![], vec![], 0, false),
            (vec![&a], vec![&a], 1, true),
            (vec![&a], vec![&b], 1, false),
            (vec![&a], vec![&a, &b], 1, true),
            (vec![&a], vec![&a, &b], 2, false),
            (vec![&a, &a], vec![&a, &b], 2, false),
            (vec![&a, &c], vec![&a, &b], 2, false),
            (vec![&a, &b], vec![&a, &b], 2, true),
        ] {
            let note = sign_note(b"text\n", "log", &signers).unwrap();
            let opened = open_note(&note, "log", &keys(&known), threshold);
            assert_eq!(opened.is_ok(), holds, "{} of {}, threshold {threshold}", signers.len(), known.len());
        }
    }
}

//! Signed notes (C2SP signed-note): the form in which tree heads of the log are signed.

use signed_note::{Note, StandardVerifier, VerifierList, new_ed25519_verifier_key};

use crate::key::{PublicKey, SecretKey};

/// A note cannot be signed or does not verify.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The name of a key in a note must not be empty nor hold spaces or plus signs.
    #[error("`{0}` cannot name a key in a signed note")]
    Name(String),
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

struct NoteSigner<'a> {
    name: &'a str,
    id: u32,
    key: &'a SecretKey,
}

impl signed_note::Signer for NoteSigner<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.key.sign(message).to_vec())
    }
}

fn verifier(name: &str, key: &PublicKey) -> Result<StandardVerifier, NoteError> {
    let encoded = new_ed25519_verifier_key(name, key.as_dalek());
    StandardVerifier::new(&encoded).map_err(|_| NoteError::Name(name.into()))
}

/// `text`, which has to end with a line break, signed under `name`.
pub fn sign_note(text: &[u8], name: &str, key: &SecretKey) -> Result<Vec<u8>, NoteError> {
    use signed_note::Verifier as _;
    let public = key.public();
    let unverified = |error: signed_note::NoteError| unverified(name, &public, &error.to_string());
    let mut note = Note::new(text, &[]).map_err(unverified)?;
    let signer = NoteSigner { name, id: verifier(name, &public)?.key_id(), key };
    note.add_sigs(&[&signer]).map_err(unverified)?;
    Ok(note.to_bytes())
}

fn unverified(name: &str, key: &PublicKey, problem: &str) -> NoteError {
    NoteError::Unverified { name: name.into(), key: key.id().short(), problem: problem.into() }
}

/// The text of a note, if `key` signed it under `name`.
pub fn open_note(note: &[u8], name: &str, key: &PublicKey) -> Result<Vec<u8>, NoteError> {
    let unverified = |error: signed_note::NoteError| unverified(name, key, &error.to_string());
    let parsed = Note::from_bytes(note).map_err(unverified)?;
    parsed.verify(&VerifierList::new(vec![Box::new(verifier(name, key)?)])).map_err(unverified)?;
    Ok(parsed.text().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_under_the_right_name_opens_a_note() {
        let (key, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let note = sign_note(b"text\n", "log", &key).unwrap();
        assert_eq!(open_note(&note, "log", &key.public()).unwrap(), b"text\n");
        assert!(open_note(&note, "log", &other.public()).is_err());
        assert!(open_note(&note, "gol", &key.public()).is_err());
        assert!(open_note(b"text\n\n", "log", &key.public()).is_err());
        assert!(sign_note(b"no line break", "log", &key).is_err());
        assert!(sign_note(b"text\n", "a name", &key).is_err());
        for at in 0..note.len() {
            let mut changed = note.clone();
            changed[at] ^= 1;
            assert!(open_note(&changed, "log", &key.public()).is_err(), "byte {at}");
        }
    }
}

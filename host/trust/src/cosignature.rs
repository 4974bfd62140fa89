//! Cosignatures of witnesses (C2SP tlog-cosignature, `cosignature/v1`): the word of someone else that, at some time, a tree head
//! was an extension of all tree heads of the log that they had seen.

use std::collections::BTreeMap;

use freehold_core::schema::Time;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use signed_note::{Note, Signature, VerifierList, is_key_name_valid};

use crate::key::{KeyId, PublicKey, SecretKey};
use crate::note::{NoteError, unverified, verifier};
use crate::root::TrustRoot;

/// Ed25519 over `cosignature/v1`, a time and the text.
const ALGORITHM: u8 = 0x04;
const SECONDS_BYTES: usize = 8;

/// A witness signed a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cosignature {
    /// The name of the witness.
    pub witness: String,
    /// Its key.
    #[schemars(with = "String")]
    pub key: KeyId,
    /// When, by its own word.
    #[schemars(with = "Time")]
    pub time: Timestamp,
}

/// A witness's key under its name.
struct Witness {
    name: String,
    key: PublicKey,
}

/// Whether a text can name a witness: not empty, no spaces, no plus sign, no control characters.
pub(crate) fn is_witness_name(name: &str) -> bool {
    is_key_name_valid(name) && name.len() <= 255 && !name.chars().any(char::is_control)
}

fn message(seconds: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {seconds}\n").as_bytes(), text].concat()
}

fn key_id(name: &str, key: &PublicKey) -> u32 {
    let parts = [name.as_bytes(), &[b'\n', ALGORITHM], key.as_dalek().as_bytes()];
    let digest = parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// The time and the Ed25519 signature.
fn split(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (seconds, signature) = signature.split_first_chunk::<SECONDS_BYTES>()?;
    Some((u64::from_be_bytes(*seconds), signature))
}

impl signed_note::Verifier for Witness {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        key_id(&self.name, &self.key)
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        split(signature).is_some_and(|(seconds, signature)| self.key.verifies(&message(seconds, text), signature))
    }
}

/// The note with the cosignature of a witness added.
pub fn cosign_note(note: &[u8], witness: &str, key: &SecretKey, time: Timestamp) -> Result<Vec<u8>, NoteError> {
    let named = |_| NoteError::Name(witness.into());
    let parsed = parse(note)?;
    let before = |_| unverified(witness, key.public().id().short(), "a cosignature cannot be older than 1970");
    let seconds = u64::try_from(time.as_second()).map_err(before)?;
    let signed = key.sign(&message(seconds, parsed.text()))?;
    let bytes = [&seconds.to_be_bytes()[..], &signed].concat();
    let signature = Signature::new(witness.into(), key_id(witness, &key.public()), bytes).map_err(named)?;
    Ok([note, &signature.to_bytes()].concat())
}

/// The signature of one verifier, if the note has it. One that does not verify makes the whole note worthless.
fn signature_of(
    note: &Note,
    (name, key): (&str, &PublicKey),
    verifier: impl signed_note::Verifier + 'static,
) -> Result<Option<Signature>, NoteError> {
    match note.verify(&VerifierList::new(vec![Box::new(verifier)])) {
        Ok((verified, _)) => Ok(verified.into_iter().next()),
        Err(signed_note::NoteError::UnverifiedNote) => Ok(None),
        Err(error) => Err(unverified(name, key.id().short(), &error.to_string())),
    }
}

impl TrustRoot {
    /// Who of this root's witnesses cosigned `note` with a key that was good at the time that the cosignature states. Whether they
    /// are enough, [`TrustRoot::witness_quorum`] says; who signed the note for the log is another matter.
    pub fn cosignatures(&self, note: &[u8]) -> Result<Vec<Cosignature>, NoteError> {
        Ok(self.cosigned(&parse(note)?)?.into_iter().map(|(cosignature, _)| cosignature).collect())
    }

    fn cosigned(&self, note: &Note) -> Result<Vec<(Cosignature, Signature)>, NoteError> {
        let mut found = Vec::new();
        for (name, key) in self.witness_keys() {
            let witness = Witness { name: name.into(), key: key.clone() };
            let Some(signature) = signature_of(note, (name, key), witness)? else { continue };
            let seconds = split(signature.signature()).and_then(|(seconds, _)| i64::try_from(seconds).ok());
            let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            if let Some(time) = time.filter(|time| self.validity_of(&key.id()).covers(*time)) {
                found.push((Cosignature { witness: name.into(), key: key.id(), time }, signature));
            }
        }
        Ok(found)
    }

    /// One note of several with the same text: the signatures under `name` by `keys`, and the cosignatures of this root's
    /// witnesses, each once. Whatever else the notes have is left out, so that a note that was joined is joined to itself.
    pub fn join_notes(
        &self,
        notes: &[&[u8]],
        name: &str,
        keys: &BTreeMap<KeyId, PublicKey>,
    ) -> Result<Vec<u8>, NoteError> {
        let notes = notes.iter().map(|note| parse(note)).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = notes.first() else { return Err(NoteError::OtherText) };
        if notes.iter().any(|note| note.text() != first.text()) {
            return Err(NoteError::OtherText);
        }
        let (mut of_log, mut of_witnesses) = (BTreeMap::new(), BTreeMap::new());
        for note in &notes {
            for (id, key) in keys {
                if let Some(signature) = signature_of(note, (name, key), verifier(name, key)?)? {
                    of_log.entry(*id).or_insert(signature);
                }
            }
            for (cosignature, signature) in self.cosigned(note)? {
                of_witnesses.entry(cosignature.witness).or_insert(signature);
            }
        }
        let signatures: Vec<Signature> = of_log.into_values().chain(of_witnesses.into_values()).collect();
        let joined = Note::new(first.text(), &signatures);
        Ok(joined.map_err(|error| unverified(name, String::new(), &error.to_string()))?.to_bytes())
    }
}

fn parse(note: &[u8]) -> Result<Note, NoteError> {
    Note::from_bytes(note).map_err(|_| NoteError::Malformed)
}

#[cfg(test)]
mod tests;

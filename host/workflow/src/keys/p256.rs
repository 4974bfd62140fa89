//! Keys over P-256 of a home: what the tools of others are to verify is signed with them, and nothing else.

use freehold_core::digest::Digest;
use freehold_trust::{P256PublicKey, P256SecretKey};

use super::{public_file, secret_file};
use crate::audit::DocumentError;
use crate::{Home, WorkflowError};

/// A key over P-256 of a home.
#[derive(Debug, Clone)]
pub struct P256KeyEntry {
    /// Its name.
    pub name: String,
    /// Its public half.
    pub public: P256PublicKey,
    /// The SHA-256 digest of its public half in DER.
    pub fingerprint: Digest,
    /// Where its public half is, in the home.
    pub public_file: String,
}

/// What the files of the key `name` begin with. A key of Freehold's own may have the same name: they are two keys of one
/// authority.
fn stem(name: &str) -> String {
    format!("{name}.p256")
}

impl Home {
    /// Makes a key over P-256.
    pub fn new_p256_key(&self, name: &str) -> Result<P256KeyEntry, WorkflowError> {
        let public = self.new_pair(name, &stem(name), P256SecretKey::generate, P256SecretKey::to_pem, |pem| {
            P256SecretKey::from_pem(pem)?.public().to_pem()
        })?;
        entry(name, &public)
    }

    /// Every key over P-256, by name.
    pub fn p256_keys(&self) -> Result<Vec<P256KeyEntry>, WorkflowError> {
        let names = self.key_files(".p256.pub.pem")?;
        names.iter().map(|name| entry(name, &self.read_key(name, &public_file(&stem(name)))?)).collect()
    }

    /// The key over P-256 with which to sign: the one of this name, or the only one there is.
    pub(crate) fn p256_key(&self, name: Option<&str>) -> Result<(String, P256SecretKey), WorkflowError> {
        let names = self.key_files(".p256.pub.pem")?;
        let name = match (name, names.as_slice()) {
            (Some(name), _) if names.iter().any(|known| known == name) => name,
            (None, [only]) => only,
            (None, [_, _, ..]) => return Err(DocumentError::WhichKey(names).into()),
            (name, _) => return Err(DocumentError::NoKey(name.map(str::to_owned)).into()),
        };
        let lost = |error| match error {
            WorkflowError::NoKey(_) => WorkflowError::KeyLost(stem(name)),
            error => error,
        };
        let pem = self.read_key(name, &secret_file(&stem(name))).map_err(lost)?;
        let key = P256SecretKey::from_pem(&pem).map_err(|source| WorkflowError::Key { name: name.into(), source })?;
        Ok((name.to_owned(), key))
    }
}

fn entry(name: &str, public: &str) -> Result<P256KeyEntry, WorkflowError> {
    let failed = |source| WorkflowError::Key { name: name.into(), source };
    let public = P256PublicKey::from_pem(public).map_err(failed)?;
    let fingerprint = public.fingerprint().map_err(failed)?;
    Ok(P256KeyEntry { name: name.into(), public, fingerprint, public_file: public_file(&stem(name)) })
}

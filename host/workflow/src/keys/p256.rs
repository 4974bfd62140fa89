//! Keys over P-256 of a home: what the tools of others are to verify is signed with them, and nothing else.

use freehold_core::digest::Digest;
use freehold_core::name::is_label;
use freehold_trust::{P256PublicKey, P256SecretKey, Passphrase};
use zeroize::Zeroizing;

use super::{Kept, SIZE_LIMIT, kept, public_file, secret_file};
use crate::audit::DocumentError;
use crate::{Home, WorkflowError};

/// What the names of files of public halves end with.
const PUBLIC: &str = ".p256.pub.pem";

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
    /// Makes a key over P-256; with a passphrase, it is encrypted from the beginning.
    pub fn new_p256_key(&self, name: &str, passphrase: Option<&Passphrase>) -> Result<P256KeyEntry, WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        let failed = |source| WorkflowError::Key { name: name.into(), source };
        let public = public_file(&stem(name));
        let there = |file: &String| freehold_files::exists(&self.dir, file);
        let key = match (there(&secret_file(&stem(name)))?, there(&public)?) {
            (true, true) => return Err(WorkflowError::KeyExists(name.into())),
            // A new secret would not be that of the public half, which others may know already.
            (false, true) => return Err(WorkflowError::KeyLost(stem(name))),
            // What an interrupted call left: the secret half comes first.
            (true, false) => self.p256_secret(name)?,
            (false, false) => {
                let key = P256SecretKey::generate().map_err(failed)?;
                let pem = Zeroizing::new(key.to_pem().map_err(failed)?);
                self.write_key(&stem(name), &pem, passphrase)?;
                key
            }
        };
        freehold_files::write(&self.dir, public, key.public().to_pem().map_err(failed)?.as_bytes())?;
        self.p256_entry(name)
    }

    /// Encrypts a key over P-256 with a passphrase, or keeps it without one from now on.
    pub fn protect_p256_key(&self, name: &str, passphrase: Option<&Passphrase>) -> Result<P256KeyEntry, WorkflowError> {
        if !self.key_files(PUBLIC)?.iter().any(|known| known == name) {
            return Err(DocumentError::NoKey(Some(name.into())).into());
        }
        self.write_key(&stem(name), &self.p256_pem(name)?, passphrase)?;
        self.p256_entry(name)
    }

    /// How the secret half of a key over P-256 is kept.
    pub fn p256_kept(&self, name: &str) -> Result<Kept, WorkflowError> {
        let read = freehold_files::read_secret(&self.dir, secret_file(&stem(name)), SIZE_LIMIT);
        kept(read.map_err(|error| if error.is_not_found() { WorkflowError::NoKey(name.into()) } else { error.into() }))
    }

    /// Every key over P-256, by name.
    pub fn p256_keys(&self) -> Result<Vec<P256KeyEntry>, WorkflowError> {
        self.key_files(PUBLIC)?.iter().map(|name| self.p256_entry(name)).collect()
    }

    fn p256_entry(&self, name: &str) -> Result<P256KeyEntry, WorkflowError> {
        let failed = |source| WorkflowError::Key { name: name.into(), source };
        let public_file = public_file(&stem(name));
        let pem = freehold_files::read(&self.dir, &public_file, SIZE_LIMIT)?;
        let public = P256PublicKey::from_pem(&String::from_utf8_lossy(&pem)).map_err(failed)?;
        let fingerprint = public.fingerprint().map_err(failed)?;
        Ok(P256KeyEntry { name: name.into(), public, fingerprint, public_file })
    }

    fn p256_secret(&self, name: &str) -> Result<P256SecretKey, WorkflowError> {
        let pem = self.p256_pem(name)?;
        P256SecretKey::from_pem(&pem).map_err(|source| WorkflowError::Key { name: name.into(), source })
    }

    fn p256_pem(&self, name: &str) -> Result<Zeroizing<String>, WorkflowError> {
        let bytes = freehold_files::read_secret(&self.dir, secret_file(&stem(name)), SIZE_LIMIT)
            .map_err(|error| if error.is_not_found() { WorkflowError::KeyLost(stem(name)) } else { error.into() })?;
        self.opened(&stem(name), &bytes)
    }

    /// The key over P-256 with which to sign: the one of this name, or the only one there is.
    pub(crate) fn p256_key(&self, name: Option<&str>) -> Result<(String, P256SecretKey), WorkflowError> {
        let names = self.key_files(PUBLIC)?;
        let name = match (name, names.as_slice()) {
            (Some(name), _) if names.iter().any(|known| known == name) => name,
            (None, [only]) => only,
            (None, [_, _, ..]) => return Err(DocumentError::WhichKey(names).into()),
            (name, _) => return Err(DocumentError::NoKey(name.map(str::to_owned)).into()),
        };
        Ok((name.to_owned(), self.p256_secret(name)?))
    }
}

//! Keys of a home, in files that only their owner may read.

mod p256;
mod token;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use freehold_core::name::is_label;
use freehold_files::FileError;
use freehold_trust::{KeyError, KeyId, Passphrase, PublicKey, Role, SecretKey, TrustRoot, is_sealed, seal};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{Home, WorkflowError};

pub use p256::P256KeyEntry;

pub(crate) const FOLDER: &str = "keys";
const SIZE_LIMIT: u64 = 16 << 10;

/// A key of a home.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// Its name.
    pub name: String,
    /// Its public half.
    pub public: PublicKey,
}

/// How the secret half of a key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In a file that only its owner may read.
    Plain,
    /// In such a file, encrypted with a passphrase.
    Encrypted,
    /// In a file that others may read as well: it is not used.
    Exposed,
    /// In a token, which signs with it.
    Token,
    /// Not in this home.
    Elsewhere,
}

impl Kept {
    /// For people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Encrypted => "encrypted",
            Self::Exposed => "exposed",
            Self::Token => "token",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl KeyEntry {
    /// Its id.
    pub fn id(&self) -> KeyId {
        self.public.id()
    }
}

/// The keys of a home that can sign for a role.
#[derive(Debug)]
pub(crate) struct Signers {
    role: Role,
    keys: Vec<SecretKey>,
}

impl Signers {
    /// Nobody: nothing can be signed.
    pub(crate) fn none(role: Role) -> Self {
        Self { role, keys: Vec::new() }
    }

    /// As many keys as the role asks for, all of them good at `time`: those first that stay good for longest, so that a key
    /// takes over from the one that it replaces.
    pub(crate) fn at(&self, root: &TrustRoot, time: Timestamp) -> Result<Vec<&SecretKey>, WorkflowError> {
        let (good, needed) = (root.keys_at(self.role, time), root.threshold_of(self.role));
        let mut keys: Vec<&SecretKey> = self.keys.iter().filter(|key| good.contains_key(&key.public().id())).collect();
        keys.sort_by_key(|key| {
            let id = key.public().id();
            let validity = root.validity_of(&id);
            // By id at last, so that two names of one key come together and count once.
            (validity.valid_until.is_some(), Reverse(validity.valid_until), Reverse(validity.valid_from), id)
        });
        keys.dedup_by_key(|key| key.public().id());
        let found = keys.len();
        if needed == 0 || found < needed {
            return Err(WorkflowError::Signers { role: self.role, root: root.version, needed, found });
        }
        keys.truncate(needed);
        Ok(keys)
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<SecretKey> {
        self.keys
    }
}

/// How a key's file is kept that was read so.
fn kept(read: Result<Zeroizing<Vec<u8>>, WorkflowError>) -> Result<Kept, WorkflowError> {
    match read {
        Ok(bytes) if is_sealed(&bytes) => Ok(Kept::Encrypted),
        Ok(_) => Ok(Kept::Plain),
        Err(WorkflowError::NoKey(_)) => Ok(Kept::Elsewhere),
        Err(WorkflowError::File(FileError::Exposed { .. })) => Ok(Kept::Exposed),
        Err(error) => Err(error),
    }
}

fn secret_file(name: &str) -> String {
    format!("{FOLDER}/{name}.pem")
}

/// Where the public half of a key is.
pub(crate) fn public_file(name: &str) -> String {
    format!("{FOLDER}/{name}.pub.pem")
}

impl Home {
    /// Makes a key; with a passphrase, it is encrypted from the beginning.
    pub fn new_key(&self, name: &str, passphrase: Option<&Passphrase>) -> Result<KeyEntry, WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        let failed = |source| WorkflowError::Key { name: name.into(), source };
        let there = |file: String| freehold_files::exists(&self.dir, file);
        let key = match (there(secret_file(name))?, there(public_file(name))?) {
            (true, true) => return Err(WorkflowError::KeyExists(name.into())),
            // A new secret would not be that of the public half, which others may know already.
            (false, true) => return Err(WorkflowError::KeyLost(name.into())),
            // What an interrupted call left: the secret half comes first.
            (true, false) => self.secret_key(name)?,
            (false, false) => {
                let key = SecretKey::generate().map_err(failed)?;
                self.write_key(name, &key.to_pem().map_err(failed)?, passphrase)?;
                key
            }
        };
        let public = key.public();
        freehold_files::write(&self.dir, public_file(name), public.to_pem().map_err(failed)?.as_bytes())?;
        self.entry(name)
    }

    fn write_key(&self, name: &str, pem: &str, passphrase: Option<&Passphrase>) -> Result<(), WorkflowError> {
        let sealed = passphrase.map(|passphrase| seal(pem, passphrase)).transpose();
        let sealed = sealed.map_err(|source| WorkflowError::Key { name: name.into(), source })?;
        let bytes = sealed.as_deref().unwrap_or(pem).as_bytes();
        Ok(freehold_files::write_secret(&self.dir, secret_file(name), bytes)?)
    }

    /// Encrypts a key with a passphrase, or with another one than before. The file is replaced as a whole; what the disk keeps
    /// of the old one is the system's to say.
    pub fn protect_key(&self, name: &str, passphrase: &Passphrase) -> Result<KeyEntry, WorkflowError> {
        self.write_key(name, &self.secret_pem(name)?, Some(passphrase))?;
        self.entry(name)
    }

    /// Keeps a key without a passphrase from now on.
    pub fn unprotect_key(&self, name: &str) -> Result<KeyEntry, WorkflowError> {
        self.write_key(name, &self.secret_pem(name)?, None)?;
        self.entry(name)
    }

    fn entry(&self, name: &str) -> Result<KeyEntry, WorkflowError> {
        Ok(KeyEntry { name: name.into(), public: self.public_key(name)? })
    }

    /// How the secret half of a key is kept.
    pub fn kept(&self, name: &str) -> Result<Kept, WorkflowError> {
        match kept(self.read_secret(name)) {
            Ok(Kept::Elsewhere) if self.is_in_token(name)? => Ok(Kept::Token),
            kept => kept,
        }
    }

    /// Every key, by name.
    pub fn keys(&self) -> Result<Vec<KeyEntry>, WorkflowError> {
        self.key_files(".pub.pem")?.iter().map(|name| self.entry(name)).collect()
    }

    /// The names of the keys of which there is a file with this ending, in order.
    fn key_files(&self, ending: &str) -> Result<Vec<String>, WorkflowError> {
        let failed = |source| freehold_files::FileError::Io { action: "list", path: FOLDER.into(), source };
        let mut names = Vec::new();
        for entry in self.dir.read_dir(FOLDER).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            // A name has no dot, so that a longer ending is that of another kind of key.
            names.extend(file.strip_suffix(ending).filter(|name| !name.contains('.')).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The keys of this home that can sign for a role, by what the trust root says and by what their secret halves are.
    pub(crate) fn signers(&self, role: Role, root: &TrustRoot) -> Result<Signers, WorkflowError> {
        let members = root.keys_of(role);
        let (mut keys, mut problem) = (Vec::new(), None);
        for entry in self.keys()?.into_iter().filter(|entry| members.contains_key(&entry.id())) {
            match self.secret_key(&entry.name) {
                Ok(key) if key.public() == entry.public => keys.push(key),
                Ok(_) => {
                    problem = Some(WorkflowError::NotInRole { name: entry.name, role, root: root.version });
                }
                Err(error) => problem = Some(error),
            }
        }
        match problem {
            Some(problem) if keys.is_empty() => Err(problem),
            // One that is there and closed can be opened, which is more to know than how many are missing.
            Some(problem) if keys.len() < root.threshold_of(role) && problem.is_closed_key() => Err(problem),
            _ => Ok(Signers { role, keys }),
        }
    }

    /// A key of the home by its name, or one of the home or the trust root by its id: at least eight digits that no other
    /// has.
    pub fn find_key(&self, text: &str) -> Result<PublicKey, WorkflowError> {
        let keys = self.keys()?;
        if let Some(entry) = keys.iter().find(|key| key.name == text) {
            return Ok(entry.public.clone());
        }
        let root = self.newest_root()?;
        let all = keys.into_iter().map(|key| key.public).chain(root.keys.values().cloned());
        let begins = |key: &PublicKey| text.len() >= 8 && key.id().to_string().starts_with(text);
        let found: BTreeMap<KeyId, PublicKey> = all.filter(begins).map(|key| (key.id(), key)).collect();
        let mut found = found.into_values();
        found.next().filter(|_| found.next().is_none()).ok_or_else(|| WorkflowError::NoKey(text.into()))
    }

    /// The public half of a key.
    pub fn public_key(&self, name: &str) -> Result<PublicKey, WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        let bytes = freehold_files::read(&self.dir, public_file(name), SIZE_LIMIT)
            .map_err(|error| if error.is_not_found() { WorkflowError::NoKey(name.into()) } else { error.into() })?;
        PublicKey::from_pem(&String::from_utf8_lossy(&bytes))
            .map_err(|source| WorkflowError::Key { name: name.into(), source })
    }

    /// A key that can sign.
    pub fn secret_key(&self, name: &str) -> Result<SecretKey, WorkflowError> {
        if is_label(name) && self.is_in_token(name)? {
            return self.token_key(name);
        }
        let pem = self.secret_pem(name)?;
        SecretKey::from_pem(&pem).map_err(|source| WorkflowError::Key { name: name.into(), source })
    }

    /// The secret half of a key; opened, if it is encrypted.
    fn secret_pem(&self, name: &str) -> Result<Zeroizing<String>, WorkflowError> {
        let bytes = match self.read_secret(name) {
            Err(WorkflowError::NoKey(name)) if self.is_in_token(&name)? => return Err(WorkflowError::KeyInToken(name)),
            Err(WorkflowError::NoKey(name)) if freehold_files::exists(&self.dir, public_file(&name))? => {
                return Err(WorkflowError::KeyLost(name));
            }
            read => read?,
        };
        self.opened(name, &bytes)
    }

    /// The PEM of the key that `name` is to be called; opened, if it is encrypted.
    fn opened(&self, name: &str, bytes: &[u8]) -> Result<Zeroizing<String>, WorkflowError> {
        if is_sealed(bytes) {
            return self.unlocking.open(name, bytes);
        }
        let pem = std::str::from_utf8(bytes);
        let pem = pem.map_err(|_| WorkflowError::Key { name: name.into(), source: KeyError::Secret })?;
        Ok(Zeroizing::new(pem.to_owned()))
    }

    /// A key that is not kept in this home, from the bytes of its file; `name` is what a person who is asked for its passphrase
    /// and errors call it.
    pub fn foreign_key(&self, name: &str, bytes: &[u8]) -> Result<SecretKey, WorkflowError> {
        let pem = self.opened(name, bytes)?;
        SecretKey::from_pem(&pem).map_err(|source| WorkflowError::Key { name: name.into(), source })
    }

    fn read_secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        freehold_files::read_secret(&self.dir, secret_file(name), SIZE_LIMIT)
            .map_err(|error| if error.is_not_found() { WorkflowError::NoKey(name.into()) } else { error.into() })
    }
}

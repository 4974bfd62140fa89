//! Opening keys that a passphrase encrypts. Whoever drives the library says where passphrases come from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use freehold_trust::{KeyError, Passphrase, SecretKey, unseal};
use zeroize::Zeroizing;

use crate::{Home, WorkflowError};

/// Where passphrases come from.
pub trait PassphraseSource: fmt::Debug + Send {
    /// The passphrase of a key; `None` if there is none, or no other one. `attempt` counts from 0, and again if what came was
    /// wrong. An error says why it cannot be read.
    fn passphrase(&self, key: &str, attempt: u32) -> Result<Option<Passphrase>, String>;

    /// The PIN of the token in which a key is; `None` if there is none. It is asked for once: tokens count wrong ones.
    fn pin(&self, key: &str) -> Result<Option<Passphrase>, String>;
}

/// Keys in PEM, by their encrypted bytes.
type Opened = BTreeMap<Vec<u8>, Zeroizing<String>>;

/// What a home knows of its encrypted keys.
#[derive(Default)]
pub(crate) struct Unlocking {
    source: Option<Box<dyn PassphraseSource>>,
    /// Opening takes a part of a second each time.
    opened: Mutex<Opened>,
    /// Keys in tokens, by their names.
    tokens: Mutex<BTreeMap<String, SecretKey>>,
}

impl fmt::Debug for Unlocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocking").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Home {
    /// Says where passphrases come from. Without a source, keys that are encrypted stay closed.
    pub fn unlock_with(&mut self, source: Box<dyn PassphraseSource>) {
        self.unlocking.source = Some(source);
    }
}

impl Unlocking {
    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The PIN of the token in which the key `name` is.
    pub(crate) fn pin(&self, name: &str) -> Result<Passphrase, WorkflowError> {
        let pin = self.source.as_ref().map(|source| source.pin(name)).transpose();
        let pin = pin.map_err(|problem| WorkflowError::Passphrase { name: name.into(), problem })?;
        pin.flatten().ok_or_else(|| WorkflowError::NoPin(name.into()))
    }

    /// The key `name`, if its token was opened.
    pub(crate) fn token(&self, name: &str) -> Option<SecretKey> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps the token of the key `name` open.
    pub(crate) fn keep_token(&self, name: &str, key: SecretKey) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), key);
    }

    /// Opens the encrypted key `name`; in PEM.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<String>, WorkflowError> {
        if let Some(key) = self.opened().get(sealed) {
            return Ok(key.clone());
        }
        let failed = |source| WorkflowError::Key { name: name.into(), source };
        let unread = |problem| WorkflowError::Passphrase { name: name.into(), problem };
        let ask = |attempt| match &self.source {
            Some(source) => source.passphrase(name, attempt).map_err(unread),
            None => Ok(None),
        };
        let mut passphrase = ask(0)?.ok_or_else(|| WorkflowError::KeyLocked(name.into()))?;
        for attempt in 1.. {
            match unseal(sealed, &passphrase) {
                Ok(key) => {
                    self.opened().insert(sealed.to_vec(), key.clone());
                    return Ok(key);
                }
                Err(KeyError::WrongPassphrase) => {
                    passphrase = ask(attempt)?.ok_or_else(|| failed(KeyError::WrongPassphrase))?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(KeyError::WrongPassphrase))
    }
}

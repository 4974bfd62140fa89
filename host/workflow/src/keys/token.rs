//! Keys of a home that live in a token: the home keeps their public halves and where they are.

use std::path::{Path, PathBuf};

use freehold_core::name::is_label;
use freehold_files::FileError;
use freehold_trust::{SecretKey, TokenUri};
use serde::{Deserialize, Serialize};

use super::{FOLDER, KeyEntry, SIZE_LIMIT, public_file, secret_file};
use crate::statements::malformed;
use crate::{Home, WorkflowError};

/// Where a key is. Whoever can change it chooses the library that is loaded, so that only the owner may.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    /// The key, as in RFC 7512.
    uri: String,
    /// The PKCS#11 library of the token's maker.
    module: PathBuf,
}

fn token_file(name: &str) -> String {
    format!("{FOLDER}/{name}.token.json")
}

impl Home {
    /// Takes in a key that lives in a token, after it was opened there. It can then have roles like any other.
    pub fn add_token_key(&self, name: &str, uri: &TokenUri, module: &Path) -> Result<KeyEntry, WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        for file in [secret_file(name), public_file(name)] {
            if freehold_files::exists(&self.dir, file)? {
                return Err(WorkflowError::KeyExists(name.into()));
            }
        }
        let public = self.open_token(name, uri, module)?.public();
        let file = TokenFile { uri: uri.to_string(), module: module.into() };
        let bytes = serde_json::to_vec_pretty(&file).map_err(malformed(token_file(name)))?;
        freehold_files::write_secret(&self.dir, token_file(name), &bytes)?;
        // Last: what has a public half is a key, and what an interrupted call left is replaced by the next.
        let pem = public.to_pem().map_err(|source| WorkflowError::Key { name: name.into(), source })?;
        freehold_files::write(&self.dir, public_file(name), pem.as_bytes())?;
        self.entry(name)
    }

    /// Whether a key lives in a token.
    pub(super) fn is_in_token(&self, name: &str) -> Result<bool, FileError> {
        freehold_files::exists(&self.dir, token_file(name))
    }

    /// The key, open for signing.
    pub(super) fn token_key(&self, name: &str) -> Result<SecretKey, WorkflowError> {
        if let Some(key) = self.unlocking.token(name) {
            return Ok(key);
        }
        let bytes = freehold_files::read_secret(&self.dir, token_file(name), SIZE_LIMIT)?;
        let file: TokenFile = serde_json::from_slice(&bytes).map_err(malformed(token_file(name)))?;
        let uri = file.uri.parse().map_err(|source| WorkflowError::Key { name: name.into(), source })?;
        let key = self.open_token(name, &uri, &file.module)?;
        self.unlocking.keep_token(name, key.clone());
        Ok(key)
    }

    fn open_token(&self, name: &str, uri: &TokenUri, module: &Path) -> Result<SecretKey, WorkflowError> {
        let pin = self.unlocking.pin(name)?;
        SecretKey::in_token(module, uri, &pin).map_err(|source| WorkflowError::Key { name: name.into(), source })
    }
}

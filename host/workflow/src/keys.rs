//! Keys of a home, in files that only their owner may read.

use freehold_core::name::is_label;
use freehold_trust::{KeyId, PublicKey, SecretKey};

use crate::{Home, WorkflowError};

const FOLDER: &str = "keys";
const SIZE_LIMIT: u64 = 16 << 10;

/// A key of a home.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// Its name.
    pub name: String,
    /// Its public half.
    pub public: PublicKey,
}

impl KeyEntry {
    /// Its id.
    pub fn id(&self) -> KeyId {
        self.public.id()
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
    /// Makes a key.
    pub fn new_key(&self, name: &str) -> Result<KeyEntry, WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        let failed = |source| WorkflowError::Key { name: name.into(), source };
        if self.dir.exists(secret_file(name)) {
            return Err(WorkflowError::KeyExists(name.into()));
        }
        let key = SecretKey::generate().map_err(failed)?;
        let public = key.public();
        freehold_files::write(&self.dir, public_file(name), public.to_pem().map_err(failed)?.as_bytes())?;
        freehold_files::write_secret(&self.dir, secret_file(name), key.to_pem().map_err(failed)?.as_bytes())?;
        Ok(KeyEntry { name: name.into(), public })
    }

    /// Every key, by name.
    pub fn keys(&self) -> Result<Vec<KeyEntry>, WorkflowError> {
        let failed = |source| freehold_files::FileError::Io { action: "list", path: FOLDER.into(), source };
        let mut names = Vec::new();
        for entry in self.dir.read_dir(FOLDER).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            names.extend(file.strip_suffix(".pub.pem").map(str::to_owned));
        }
        names.sort();
        names.iter().map(|name| Ok(KeyEntry { name: name.clone(), public: self.public_key(name)? })).collect()
    }

    /// The public half of a key.
    pub fn public_key(&self, name: &str) -> Result<PublicKey, WorkflowError> {
        let pem = self.read_key(name, &public_file(name))?;
        PublicKey::from_pem(&pem).map_err(|source| WorkflowError::Key { name: name.into(), source })
    }

    /// A key that can sign.
    pub fn secret_key(&self, name: &str) -> Result<SecretKey, WorkflowError> {
        let pem = self.read_key(name, &secret_file(name))?;
        SecretKey::from_pem(&pem).map_err(|source| WorkflowError::Key { name: name.into(), source })
    }

    fn read_key(&self, name: &str, file: &str) -> Result<String, WorkflowError> {
        if !is_label(name) {
            return Err(WorkflowError::Name(name.into()));
        }
        let bytes = freehold_files::read(&self.dir, file, SIZE_LIMIT)
            .map_err(|error| if error.is_not_found() { WorkflowError::NoKey(name.into()) } else { error.into() })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

//! A home: the store, the ledger, the keys and the trust roots of an organisation, in one folder.

use std::path::Path;

use cap_std::fs::Dir;
use freehold_files::FileError;
use freehold_ledger::Ledger;
use freehold_store::Store;
use freehold_trust::{PublicKey, Role, RootError, VerifiedRoot};

use crate::WorkflowError;
use crate::trust::TrustFolder;
use crate::unlock::Unlocking;

const STORE: &str = "store";
const LEDGER: &str = "ledger";
const LOCKS: &str = "locks";

/// An open home.
#[derive(Debug)]
pub struct Home {
    pub(crate) dir: Dir,
    pub(crate) unlocking: Unlocking,
    pub(crate) outside: Option<OpenOutside>,
}

/// Opens a folder that is outside the home, by the whole path that its operator wrote into `host.toml`.
pub type OpenOutside = fn(&Path) -> std::io::Result<Dir>;

/// Keys that every new home has: one a role. Which keys have a role later, the trust root says.
pub(crate) const ROOT_KEY: &str = "root";
pub(crate) const RECORDER_KEY: &str = "recorder";
pub(crate) const LOG_KEY: &str = "log";

impl Home {
    /// Opens the home in `dir`.
    pub fn open(dir: Dir, name: &str) -> Result<Self, WorkflowError> {
        for folder in [crate::trust::FOLDER, LEDGER] {
            if !freehold_files::exists(&dir, folder)? {
                return Err(WorkflowError::NoHome(name.into()));
            }
        }
        Ok(Self { dir, unlocking: Unlocking::default(), outside: None })
    }

    /// Makes a home in `dir`: keys, the first trust root, an empty store and a ledger whose first entry is that root. What is
    /// there already stays, so that an interrupted `init` can be repeated. Once there is a trust root, which names the keys,
    /// no key is made any more.
    pub fn init(dir: Dir) -> Result<Self, WorkflowError> {
        freehold_files::make_secret_folder(&dir, crate::keys::FOLDER)?;
        for folder in [LEDGER, STORE, LOCKS, crate::trust::FOLDER] {
            freehold_files::make_folder(&dir, folder)?;
        }
        let home = Self { dir, unlocking: Unlocking::default(), outside: None };
        home.store()?;
        if !home.has_root()? {
            for key in [ROOT_KEY, RECORDER_KEY, LOG_KEY] {
                match home.new_key(key, None) {
                    Ok(_) | Err(WorkflowError::KeyExists(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            home.begin_ledger()?;
            home.make_first_root()?;
        }
        home.enter_roots()?;
        Ok(home)
    }

    /// The same home for another thread, which opens no keys.
    ///
    /// # Errors
    /// The system gives no more handles.
    pub fn reopened(&self) -> Result<Self, WorkflowError> {
        let failed = |source| FileError::Io { action: "open", path: ".".into(), source };
        Ok(Self { dir: self.dir.try_clone().map_err(failed)?, unlocking: Unlocking::default(), outside: self.outside })
    }

    /// Says how folders outside it are opened. Nobody does that if this is not said: the counters of energy are then not read.
    pub fn open_outside_with(&mut self, open: OpenOutside) {
        self.outside = Some(open);
    }

    pub(crate) fn folder(&self, name: &str) -> Result<Dir, WorkflowError> {
        let failed = |source| FileError::Io { action: "open the folder", path: name.into(), source };
        Ok(self.dir.open_dir(name).map_err(failed)?)
    }

    /// The store.
    pub fn store(&self) -> Result<Store, WorkflowError> {
        Ok(Store::open(self.folder(STORE)?)?)
    }

    /// The ledger, read with the log's keys in the trust roots. It keeps the name that its first key gave it.
    pub fn ledger(&self) -> Result<Ledger, WorkflowError> {
        let roots = TrustFolder::of(self)?;
        let signed: Vec<VerifiedRoot> = roots.read()?.into_iter().map(|(root, _)| root).collect();
        Ok(Ledger::open_under(self.folder(LEDGER)?, &origin_of(&signed)?, roots))
    }

    /// Before the first trust root is there, and never after it: a ledger that is gone later is a loss.
    fn begin_ledger(&self) -> Result<(), WorkflowError> {
        let key = self.secret_key(LOG_KEY)?;
        let public = key.public();
        Ok(Ledger::open(self.folder(LEDGER)?, &origin(&public), public).begin(&key)?)
    }

    /// Holds off other processes that work on the same thing.
    pub(crate) fn lock(&self, what: &str) -> Result<freehold_files::Lock, WorkflowError> {
        freehold_files::make_folder(&self.dir, LOCKS)?;
        Ok(freehold_files::lock(&self.dir, format!("{LOCKS}/{what}"))?)
    }
}

/// The log's name in its tree heads. It is bound to the log's first key, so that no two logs share it, and stays when the key
/// is rotated.
pub(crate) fn origin(key: &PublicKey) -> String {
    format!("freehold-log/{}", key.id().short())
}

/// The log's name under these trust roots, oldest first.
pub(crate) fn origin_of(roots: &[VerifiedRoot]) -> Result<String, RootError> {
    let first = roots.first().and_then(|root| root.keys_of(Role::Log).into_values().next());
    Ok(origin(&first.ok_or(RootError::MissingRole(Role::Log))?))
}

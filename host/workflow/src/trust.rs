//! The trust roots of a home: numbered files, each signed by the one before. The ledger has an entry for each.

use freehold_core::name::NamePattern;
use freehold_core::record::{Entry, Subject};
use freehold_trust::{PublicKey, PublisherRule, Role, RoleKeys, RootError, TrustRoot, VerifiedRoot};
use jiff::{SignedDuration, Timestamp};

use crate::home::{LOG_KEY, RECORDER_KEY, ROOT_KEY};
use crate::{Home, WorkflowError};

pub(crate) const FOLDER: &str = "trust";
const SIZE_LIMIT: u64 = 4 << 20;
const LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);

pub(crate) fn file(version: u64) -> String {
    format!("{FOLDER}/{version}.root.json")
}

impl Home {
    pub(crate) fn has_root(&self) -> bool {
        self.dir.exists(file(1))
    }

    pub(crate) fn make_first_root(&self) -> Result<(), WorkflowError> {
        let (root, recorder, log) =
            (self.public_key(ROOT_KEY)?, self.public_key(RECORDER_KEY)?, self.public_key(LOG_KEY)?);
        let role = |key: &PublicKey| RoleKeys { keys: [key.id()].into(), threshold: 1 };
        let trust_root = TrustRoot {
            version: 1,
            expires: Timestamp::now() + LIFETIME,
            roles: [(Role::Root, role(&root)), (Role::Recorder, role(&recorder)), (Role::Log, role(&log))].into(),
            keys: [root, recorder, log].into_iter().map(|key| (key.id(), key)).collect(),
            publishers: Vec::new(),
        };
        let signed = trust_root.sign(&[&self.secret_key(ROOT_KEY)?]).to_bytes();
        let verified = VerifiedRoot::first(&signed)?;
        self.write_root(&verified, &signed)
    }

    /// Only what was verified is written: a root that does not hold would make the home unusable.
    fn write_root(&self, root: &VerifiedRoot, signed: &[u8]) -> Result<(), WorkflowError> {
        Ok(freehold_files::write(&self.dir, file(root.version), signed)?)
    }

    /// Every trust root with its signed bytes, oldest first; each verified against the one before.
    pub fn trust_roots(&self) -> Result<Vec<(VerifiedRoot, Vec<u8>)>, WorkflowError> {
        let mut roots: Vec<(VerifiedRoot, Vec<u8>)> = Vec::new();
        loop {
            let file = file(roots.len() as u64 + 1);
            let bytes = match freehold_files::read(&self.dir, file, SIZE_LIMIT) {
                Ok(bytes) => bytes,
                Err(error) if error.is_not_found() && !roots.is_empty() => return Ok(roots),
                Err(error) => return Err(error.into()),
            };
            let root = match roots.last() {
                None => VerifiedRoot::first(&bytes)?,
                Some((before, _)) => before.next(&bytes)?,
            };
            roots.push((root, bytes));
        }
    }

    /// The newest trust root; it may have expired.
    pub fn trust_root(&self) -> Result<VerifiedRoot, WorkflowError> {
        let newest = self.trust_roots()?.pop();
        newest.map(|(root, _)| root).ok_or_else(|| RootError::Malformed("there is none".into()).into())
    }

    /// Lets `key` publish plugins of these names, in a new trust root.
    pub fn trust_publisher(&self, key: &PublicKey, names: &[NamePattern]) -> Result<VerifiedRoot, WorkflowError> {
        let _lock = self.lock("trust")?;
        let before = self.trust_root()?;
        let mut root: TrustRoot = (*before).clone();
        root.version += 1;
        root.expires = Timestamp::now() + LIFETIME;
        root.keys.insert(key.id(), key.clone());
        match root.publishers.iter_mut().find(|rule| rule.key == key.id()) {
            Some(rule) => {
                rule.names.extend(names.iter().cloned());
                rule.names.sort();
                rule.names.dedup();
            }
            None => root.publishers.push(PublisherRule { key: key.id(), names: names.to_vec() }),
        }
        let signed = root.sign(&[&self.key_in_role(ROOT_KEY, Role::Root, &before)?]).to_bytes();
        let verified = before.next(&signed)?;
        self.write_root(&verified, &signed)?;
        self.enter_roots()?;
        Ok(verified)
    }

    /// Enters every trust root that the ledger does not have yet.
    pub(crate) fn enter_roots(&self) -> Result<(), WorkflowError> {
        let (store, ledger) = (self.store()?, self.ledger()?);
        let log_key = self.key_in_role(LOG_KEY, Role::Log, &self.trust_root()?)?;
        let appender = ledger.appender(&log_key)?;
        let entries = ledger.entries()?;
        for (root, bytes) in self.trust_roots()? {
            let subject = Subject::TrustRoot { version: root.version };
            if !entries.iter().any(|entry| entry.subject == subject) {
                let statement = store.put(&bytes)?;
                appender.append(&Entry { subject, statement, time: Timestamp::now() })?;
            }
        }
        Ok(())
    }
}

//! Making the next trust root: changed, signed by the old root's keys and its own, written, and entered into the ledger.
//! What can fail fails before anything is written.

use freehold_trust::{ChangeError, Role, RootError, SecretKey, TrustRoot, VerifiedRoot};
use jiff::{SignedDuration, Timestamp};

use crate::{Home, WorkflowError};

/// How a new trust root is signed.
#[derive(Debug, Clone)]
pub struct RootSigning {
    /// Names of the keys that sign; if there is none, every key of the home in role root of the old or the new root does.
    pub with: Vec<String>,
    /// For how long it holds.
    pub days: u32,
}

impl Home {
    /// Makes the next trust root: the newest one, changed by `change`. It may have expired; it may not have been rolled back.
    pub fn change_trust(
        &self,
        signing: &RootSigning,
        change: impl FnOnce(&mut TrustRoot, Timestamp) -> Result<(), ChangeError>,
    ) -> Result<VerifiedRoot, WorkflowError> {
        let _lock = self.lock("trust")?;
        // An earlier process may have ended between a root and its entry.
        self.enter_roots()?;
        let (before, now) = (self.newest_root()?, Timestamp::now());
        let mut root = before.draft(now + SignedDuration::from_hours(i64::from(signing.days) * 24))?;
        change(&mut root, now)?;
        root.check_draft(&before)?;
        let keys = self.root_signers(&before, &root, &signing.with)?;
        // Its entry in the ledger is signed by its own log keys.
        self.signers(Role::Log, &root)?.at(&root, now)?;
        let signed = root.sign(&keys.iter().collect::<Vec<_>>()).map_err(WorkflowError::Signing)?.to_bytes();
        let verified = before.next(&signed)?;
        self.write_root(&verified, &signed)?;
        self.enter_roots()?;
        Ok(verified)
    }

    /// The keys that sign: enough for the old root and for the new.
    fn root_signers(
        &self,
        before: &VerifiedRoot,
        root: &TrustRoot,
        names: &[String],
    ) -> Result<Vec<SecretKey>, WorkflowError> {
        let mut keys = Vec::new();
        if names.is_empty() {
            keys = self.signers(Role::Root, before)?.all();
            keys.extend(self.signers(Role::Root, root)?.all());
        }
        for name in names {
            let key = self.secret_key(name)?;
            let id = key.public().id();
            if !before.keys_of(Role::Root).contains_key(&id) && !root.keys_of(Role::Root).contains_key(&id) {
                return Err(WorkflowError::NotInRole { name: name.clone(), role: Role::Root, root: before.version });
            }
            keys.push(key);
        }
        keys.sort_by_key(|key| key.public().id());
        keys.dedup_by_key(|key| key.public().id());
        for asking in [&**before, root] {
            let (members, needed) = (asking.keys_of(Role::Root), asking.threshold_of(Role::Root));
            let found = keys.iter().filter(|key| members.contains_key(&key.public().id())).count();
            if found < needed {
                return Err(WorkflowError::Signers { role: Role::Root, root: asking.version, needed, found });
            }
        }
        Ok(keys)
    }
}

/// What to do about a change that cannot be, if that is not in the message.
pub(crate) fn remedy(error: &ChangeError) -> Option<String> {
    Some(match error {
        ChangeError::Broken(RootError::Threshold { role, .. }) => {
            format!("add a key first, `freehold trust add --role {role} --key KEY`, or set another `--threshold`")
        }
        ChangeError::Broken(RootError::LimitedRootKey(_)) => {
            "take the key out of role root first, or use another key".into()
        }
        ChangeError::NotThere { .. } => "`freehold trust show` says what each key is trusted with".into(),
        ChangeError::OtherPlaces { .. } => {
            "leave `--role` out to put the new key everywhere, or say `--overlap-days 0`".into()
        }
        ChangeError::Itself(_) => "make a new key with `freehold key new`".into(),
        ChangeError::Revoked { .. } => "what was revoked stays revoked; use another key or version".into(),
        _ => return None,
    })
}

//! Histories of trust roots: changes in any order, signed by any keys. A new root holds exactly if it agrees with itself, can
//! follow the one before and is signed by the keys of both, each at its threshold.

use arbitrary::{Arbitrary as _, Unstructured};
use freehold_core::digest::Digest;
use freehold_core::name::NamePattern;
use freehold_trust::{ChangeError, PublicKey, Revocation, Role, SecretKey, TrustRoot, Validity, VerifiedRoot};

use crate::keys::{at, keys, root};
use crate::root::{agrees_with_itself, follows};

/// More than this takes long and shows nothing new.
const STEPS_MAX: usize = 6;
const CHANGES_MAX: usize = 8;

#[derive(Debug)]
struct Step {
    changes: Vec<Change>,
    /// Which keys sign, a bit each.
    signers: u8,
}

/// A key of the six.
#[derive(Debug, Clone, Copy)]
enum Key {
    Key(u8),
}

impl Key {
    fn secret(self) -> &'static SecretKey {
        let Self::Key(number) = self;
        &keys()[usize::from(number) % keys().len()]
    }

    fn public(self) -> PublicKey {
        self.secret().public()
    }
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Root,
    Recorder,
    Log,
}

impl From<Place> for Role {
    fn from(place: Place) -> Self {
        match place {
            Place::Root => Self::Root,
            Place::Recorder => Self::Recorder,
            Place::Log => Self::Log,
        }
    }
}

#[derive(Debug)]
enum Change {
    AddPublisher(Key, Vec<u8>),
    AddToRole(Place, Key),
    Threshold(Place, u8),
    Limit(Key, Option<i8>, Option<i8>),
    RemoveFromRole(Place, Key),
    RemovePublisher(Key, Vec<u8>),
    Rotate(Key, Key, Option<Place>, Option<i8>),
    RevokeKey(Key),
    RevokeDigest(u8),
    /// What no command does, and a forger may.
    Version(u64),
    ForgetKey(Key),
    Unrevoke(Key),
    UnrevokeDigest(u8),
}

structured! {
    struct Step { changes, signers }
    enum Key { Key(number) }
    enum Place { Root, Recorder, Log }
    enum Change {
        AddPublisher(key, names),
        AddToRole(place, key),
        Threshold(place, threshold),
        Limit(key, from, until),
        RemoveFromRole(place, key),
        RemovePublisher(key, names),
        Rotate(old, new, only, until),
        RevokeKey(key),
        RevokeDigest(digest),
        Version(version),
        ForgetKey(key),
        Unrevoke(key),
        UnrevokeDigest(digest),
    }
}

fn patterns(names: &[u8]) -> Vec<NamePattern> {
    let known = ["*", "acme/*", "acme/redact", "other/tool"];
    names.iter().take(4).map(|name| known[usize::from(*name) % known.len()].parse().unwrap()).collect()
}

fn why(second: i64) -> Revocation {
    Revocation { reason: "lost".into(), time: at(second) }
}

impl Change {
    fn apply(&self, draft: &mut TrustRoot) -> Result<(), ChangeError> {
        let moment = |second: Option<i8>| second.map(|second| at(second.into()));
        match self {
            Self::AddPublisher(key, names) => draft.add_publisher(&key.public(), &patterns(names)),
            Self::AddToRole(place, key) => draft.add_to_role((*place).into(), &key.public()),
            Self::Threshold(place, threshold) => draft.set_threshold((*place).into(), usize::from(*threshold)),
            Self::Limit(key, from, until) => {
                let validity = Validity { valid_from: moment(*from), valid_until: moment(*until) };
                draft.limit(key.public().id(), validity);
                Ok(())
            }
            Self::RemoveFromRole(place, key) => draft.remove_from_role((*place).into(), &key.public().id()),
            Self::RemovePublisher(key, names) => draft.remove_publisher(&key.public().id(), &patterns(names)),
            Self::Rotate(old, new, only, until) => {
                draft.rotate(&old.public().id(), &new.public(), only.map(Role::from), moment(*until))
            }
            Self::RevokeKey(key) => draft.revoke_key(&key.public(), why(0)),
            Self::RevokeDigest(of) => draft.revoke_digest(Digest::of(&[*of % 4]), why(0)),
            Self::Version(version) => {
                draft.version = *version;
                Ok(())
            }
            Self::ForgetKey(key) => {
                draft.keys.remove(&key.public().id());
                Ok(())
            }
            Self::Unrevoke(key) => {
                draft.revoked_keys.remove(&key.public().id());
                Ok(())
            }
            Self::UnrevokeDigest(of) => {
                draft.revoked_digests.remove(&Digest::of(&[*of % 4]));
                Ok(())
            }
        }
    }
}

/// Reads a history from bytes and lives through it.
pub fn run(data: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let mut current = root().clone();
    for step in steps.iter().take(STEPS_MAX) {
        if let Some(next) = take(&current, step) {
            current = next;
        }
    }
}

fn take(current: &VerifiedRoot, step: &Step) -> Option<VerifiedRoot> {
    let mut draft = current.draft(at(1_000)).expect("versions are far from their end");
    for change in step.changes.iter().take(CHANGES_MAX) {
        if let Err(error) = change.apply(&mut draft) {
            assert!(!error.to_string().is_empty());
            return None;
        }
    }
    let signers: Vec<&SecretKey> =
        keys().iter().enumerate().filter(|(at, _)| step.signers >> at & 1 == 1).map(|(_, key)| key).collect();
    let enough = |root: &TrustRoot| {
        let known = root.keys_of(Role::Root);
        let signed = signers.iter().filter(|key| known.contains_key(&key.public().id())).count();
        signed > 0 && signed >= root.threshold_of(Role::Root)
    };
    let holds = draft.check_draft(current).is_ok() && enough(&draft) && enough(current);
    let next = current.next(&draft.sign(&signers).unwrap().to_bytes());
    assert_eq!(next.is_ok(), holds, "{next:?}\n{draft:?}");
    let next = next.ok()?;
    assert_eq!(*next, draft);
    agrees_with_itself(&next);
    follows(&next, current);
    let name = "acme/redact".parse().unwrap();
    assert!(!next.revoked_keys.keys().any(|key| next.may_publish_at(key, &name, at(0))));
    Some(next)
}

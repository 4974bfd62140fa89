//! Trust roots that may be trusted: the first by its own keys, each other by those before it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ROOT_BYTES_MAX, ROOT_TYPE, Role, RootError, TrustRoot};
use crate::envelope::Envelope;
use crate::key::PublicKey;

/// A trust root whose signatures and form were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRoot(TrustRoot);

impl std::ops::Deref for VerifiedRoot {
    type Target = TrustRoot;

    fn deref(&self) -> &TrustRoot {
        &self.0
    }
}

impl VerifiedRoot {
    /// The first root: signed by its own keys. That it is the right one has to be known from elsewhere.
    pub fn first(envelope: &[u8]) -> Result<Self, RootError> {
        let (_, root) = parse(envelope)?.signed_by_itself()?;
        match root.version {
            1 => Ok(Self(root)),
            0 => Err(RootError::Rollback { before: 0, found: 0 }),
            found => Err(RootError::Skipped { before: 0, found }),
        }
    }

    /// Whether `key` itself signed the root in `envelope`; to be listed in it is not enough.
    pub fn is_signed_by(envelope: &[u8], key: &PublicKey) -> Result<(), RootError> {
        let keys = BTreeMap::from([(key.id(), key.clone())]);
        Envelope::from_bytes(envelope)?.verify(ROOT_TYPE, &keys, 1)?;
        Ok(())
    }

    /// The root after this one: its version is one higher, and it is signed by this one's keys and by its own, each at its
    /// threshold.
    pub fn next(&self, envelope: &[u8]) -> Result<Self, RootError> {
        let (envelope, root) = parse(envelope)?.signed_by_itself()?;
        root.check_follows(self)?;
        let (keys, threshold) = (self.keys_of(Role::Root), self.threshold_of(Role::Root));
        let unsigned = |source| RootError::Succession { before: self.version, version: root.version, source };
        envelope.verify(ROOT_TYPE, &keys, threshold).map_err(unsigned)?;
        Ok(Self(root))
    }

    /// An error if the root has expired.
    pub fn in_force(&self, now: Timestamp) -> Result<(), RootError> {
        if now < self.expires {
            Ok(())
        } else {
            Err(RootError::Expired { version: self.version, expires: self.expires })
        }
    }
}

/// What an envelope holds, before anything was verified.
struct Unverified {
    envelope: Envelope,
    root: TrustRoot,
}

fn parse(bytes: &[u8]) -> Result<Unverified, RootError> {
    if bytes.len() > ROOT_BYTES_MAX {
        return Err(RootError::TooLarge(bytes.len()));
    }
    let envelope = Envelope::from_bytes(bytes)?;
    envelope.expect_type(ROOT_TYPE)?;
    let root = serde_json::from_slice(&envelope.unverified_payload()?)
        .map_err(|error| RootError::Malformed(error.to_string()))?;
    Ok(Unverified { envelope, root })
}

impl Unverified {
    fn signed_by_itself(self) -> Result<(Envelope, TrustRoot), RootError> {
        let Self { envelope, root } = self;
        root.check()?;
        envelope.verify(ROOT_TYPE, &root.keys_of(Role::Root), root.threshold_of(Role::Root))?;
        Ok((envelope, root))
    }
}

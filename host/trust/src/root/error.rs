//! Why a trust root cannot be trusted.

use jiff::Timestamp;

use super::{ROOT_BYTES_MAX, Role};
use crate::envelope::EnvelopeError;
use crate::key::KeyId;

/// A trust root cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// It is not signed by its own keys as it has to be.
    #[error("trust root: {0}")]
    Envelope(#[from] EnvelopeError),
    /// It is not signed by the keys of the root before it.
    #[error("trust root {version} is not signed as trust root {before} asks for: {source}")]
    Succession {
        /// The root before.
        before: u64,
        /// Its version.
        version: u64,
        /// What is missing.
        source: EnvelopeError,
    },
    /// It is larger than any root has reason to be.
    #[error("trust root: it has {0} bytes; at most {ROOT_BYTES_MAX} are read")]
    TooLarge(usize),
    /// It cannot be understood.
    #[error("trust root: {0}")]
    Malformed(String),
    /// A key is listed under an id that is not its digest.
    #[error("trust root: key {} is listed under the id {}", key.short(), listed.short())]
    WrongId {
        /// The id that it is listed under.
        listed: KeyId,
        /// Its id.
        key: KeyId,
    },
    /// A role is missing.
    #[error("trust root: role {0} is missing")]
    MissingRole(Role),
    /// A role asks for no signature, or for more than it has keys.
    #[error("trust root: role {role} has a threshold of {threshold} with {keys} keys")]
    Threshold {
        /// The role.
        role: Role,
        /// The threshold.
        threshold: usize,
        /// How many keys it has.
        keys: usize,
    },
    /// Something names a key that is not listed.
    #[error("trust root: {what} names the key {}, which is not listed", key.short())]
    UnlistedKey {
        /// What names it.
        what: String,
        /// The key.
        key: KeyId,
    },
    /// A witness has a name that no signed note could hold.
    #[error("trust root: `{0}` cannot name a witness; expected a name without spaces and plus signs")]
    WitnessName(String),
    /// A key is that of two witnesses, which would count twice.
    #[error("trust root: key {} is that of two witnesses", .0.short())]
    WitnessTwice(KeyId),
    /// More witnesses have to cosign than there are.
    #[error("trust root: {quorum} witnesses have to cosign, and {witnesses} are named")]
    WitnessQuorum {
        /// How many have to cosign.
        quorum: usize,
        /// How many there are.
        witnesses: usize,
    },
    /// A publisher rule has no names.
    #[error("trust root: the publisher rule of the key {} has no names", .0.short())]
    EmptyRule(KeyId),
    /// A key stops to be good before it begins to be.
    #[error("trust root: key {} is good at no time", .0.short())]
    EmptyWindow(KeyId),
    /// A key of role root is good for a time only. Trust roots say no time of signing by which that could be judged.
    #[error("trust root: key {} of role root is limited in time; roles recorder and log and publishers may be", .0.short())]
    LimitedRootKey(KeyId),
    /// A revoked key is still trusted with something.
    #[error("trust root: key {} is revoked, and still {place}", key.short())]
    RevokedInUse {
        /// The key.
        key: KeyId,
        /// What it is trusted with.
        place: String,
    },
    /// Something that was revoked no longer is.
    #[error("trust root {version} no longer revokes {what}; what was revoked stays revoked")]
    Unrevoked {
        /// Its version.
        version: u64,
        /// What was revoked.
        what: String,
    },
    /// It has expired.
    #[error("trust root {version} expired at {expires}; sign a new one with `freehold trust renew`")]
    Expired {
        /// Its version.
        version: u64,
        /// When.
        expires: Timestamp,
    },
    /// It is older than the one that it was to follow.
    #[error("trust root {found} is a rollback: it cannot follow {before}")]
    Rollback {
        /// The version that was there.
        before: u64,
        /// The version that was to follow.
        found: u64,
    },
    /// It is of the same version as the one that it was to follow.
    #[error("there is a trust root {0} already; versions rise by one")]
    SameVersion(u64),
    /// It leaves versions out.
    #[error("trust root {found} cannot follow {before}: versions rise by one")]
    Skipped {
        /// The version that was there.
        before: u64,
        /// The version that was to follow.
        found: u64,
    },
}

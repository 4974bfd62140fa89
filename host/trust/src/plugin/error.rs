//! Why a plugin may not run, and what to do about it.

use freehold_core::contract::UnacceptedContract;
use freehold_core::digest::Digest;
use freehold_core::manifest::ManifestError;
use freehold_core::name::PluginName;
use jiff::Timestamp;

use crate::key::KeyId;
use crate::root::{Revocation, RootError, Validity};

/// A plugin may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// Its manifest carries no signature.
    #[error("plugin `{plugin}` is not signed")]
    Unsigned {
        /// What it was asked for as.
        plugin: String,
    },
    /// Its signer is no publisher.
    #[error("plugin `{plugin}` is signed by {signers}, a key that the trust root does not know as a publisher")]
    UnknownSigner {
        /// What it was asked for as.
        plugin: String,
        /// Who signed.
        signers: String,
    },
    /// Its manifest was changed after signing.
    #[error("plugin `{plugin}`: the manifest was changed after it was signed ({problem})")]
    TamperedManifest {
        /// What it was asked for as.
        plugin: String,
        /// How it shows.
        problem: String,
    },
    /// Its manifest does not say which plugin it is of.
    #[error("the signed manifest does not say which plugin it is of ({problem})")]
    Nameless {
        /// How it shows.
        problem: String,
    },
    /// Its component is not the one that was signed.
    #[error("plugin `{plugin}`: the component was changed after it was signed: it is {found}, signed was {signed}")]
    TamperedComponent {
        /// What it was asked for as.
        plugin: String,
        /// Digest of the bytes found.
        found: Digest,
        /// Digest in the manifest.
        signed: Digest,
    },
    /// Its signer may not sign this name.
    #[error("plugin `{plugin}` is signed by {signer}, which may not publish this name")]
    WrongPublisher {
        /// The name in the manifest.
        plugin: PluginName,
        /// The signer.
        signer: KeyId,
    },
    /// Its signer's key is revoked.
    #[error("plugin `{plugin}` is signed by {}, a key that is {why}", signer.short())]
    RevokedKey {
        /// What it was asked for as.
        plugin: String,
        /// The signer.
        signer: KeyId,
        /// Why and when.
        why: Revocation,
    },
    /// Its component is revoked.
    #[error("plugin `{plugin}`: its component {digest} is {why}")]
    RevokedComponent {
        /// What it was asked for as.
        plugin: String,
        /// The component.
        digest: Digest,
        /// Why and when.
        why: Revocation,
    },
    /// Its signed manifest is revoked.
    #[error("plugin `{plugin}`: its signed manifest {digest} is {why}")]
    RevokedManifest {
        /// What it was asked for as.
        plugin: String,
        /// The manifest, as it is revoked.
        digest: Digest,
        /// Why and when.
        why: Revocation,
    },
    /// Its signer's key was not good when it was signed.
    #[error("plugin `{plugin}` was signed at {created} by {}, a key that is good {validity}", signer.short())]
    KeyNotValid {
        /// What it was asked for as.
        plugin: String,
        /// The signer.
        signer: KeyId,
        /// When it was signed.
        created: Timestamp,
        /// When the key is good.
        validity: Validity,
    },
    /// Its signer's key was good when it says that it was signed, but is no longer, and nobody here has met it before.
    #[error(
        "plugin `{plugin}` is signed by {}, a key whose time ended at {until}, and this home has not met it before",
        signer.short()
    )]
    KeyOver {
        /// What it was asked for as.
        plugin: String,
        /// The signer.
        signer: KeyId,
        /// When the key's time ended.
        until: Timestamp,
    },
    /// Its manifest says something that means nothing.
    #[error("plugin `{plugin}`: {problem}")]
    Manifest {
        /// What it was asked for as.
        plugin: String,
        /// What.
        problem: ManifestError,
    },
    /// The trust root by which it was to be judged is no longer in force.
    #[error(transparent)]
    Root(#[from] RootError),
    /// It carries another name or version than it was asked for as.
    #[error("asked for `{asked}`, but the signed manifest is of `{found}`")]
    OtherName {
        /// What it was asked for as.
        asked: String,
        /// What it is.
        found: String,
    },
    /// It has expired.
    #[error("plugin `{plugin}` expired at {expires}")]
    Expired {
        /// What it was asked for as.
        plugin: String,
        /// When.
        expires: Timestamp,
    },
    /// It was signed in the future, by the clock of this machine.
    #[error("plugin `{plugin}` was signed at {created}, which is in the future")]
    NotYetValid {
        /// What it was asked for as.
        plugin: String,
        /// When.
        created: Timestamp,
    },
    /// It was built for a contract that this host does not accept.
    #[error("plugin `{plugin}` {problem}")]
    Incompatible {
        /// What it was asked for as.
        plugin: String,
        /// The plugin's contract, and what this host accepts.
        problem: UnacceptedContract,
    },
}

impl PluginError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unsigned { .. } => "sign it with `freehold plugin sign`".into(),
            Self::UnknownSigner { .. } => {
                "if you trust this key, add it: `freehold trust add --key KEY --names 'publisher/*'`".into()
            }
            Self::TamperedManifest { .. } | Self::Nameless { .. } | Self::TamperedComponent { .. } => {
                "do not use these files; get them from the publisher again, or build and sign them anew".into()
            }
            Self::WrongPublisher { plugin, signer } => format!(
                "if this key may publish the name, add it: `freehold trust add --key {} --names '{plugin}'`",
                signer.short()
            ),
            Self::RevokedKey { .. } => "get a version that the publisher signed with another key".into(),
            Self::RevokedComponent { .. } => "use another version; `freehold trust show` lists what is revoked".into(),
            Self::RevokedManifest { .. } => {
                "get one that was signed anew; `freehold trust show` lists what is revoked".into()
            }
            Self::KeyNotValid { .. } => {
                "have the publisher sign it again with a key that is good; `freehold trust show` says which are".into()
            }
            Self::KeyOver { .. } => {
                "have the publisher sign it again with a key that is good: `freehold plugin sign --renew`; a date that such a \
                 key signs today proves nothing"
                    .into()
            }
            Self::Manifest { problem, .. } => format!("have the publisher correct it: {}", problem.remedy()),
            Self::Root(_) => "sign a new trust root with `freehold trust renew`".into(),
            Self::OtherName { .. } => "put it into the folder publisher/name/version of its own manifest".into(),
            Self::Expired { .. } => "get a newer version, or have the publisher sign it again".into(),
            Self::NotYetValid { .. } => "check the clock of this machine and of the machine that signed".into(),
            Self::Incompatible { problem, .. } => problem.remedy(),
        }
    }
}

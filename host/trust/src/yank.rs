//! The one place that decides whether a version counts as yanked: withdrawn by a publisher, for new resolutions only.

use freehold_core::name::PluginName;
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, EnvelopeError};
use crate::key::{KeyError, KeyId, SecretKey};
use crate::plugin::Encounter;
use crate::root::VerifiedRoot;

/// Payload type of signed yanks.
pub const YANK_TYPE: &str = "application/vnd.freehold.yank+json";

const REASON_LENGTH: usize = 300;

/// What a publisher says of a version. The newest statement counts, so that a yank is taken back by a newer one: to remove
/// the file, or to bring an older one back, changes nothing for who has seen the newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yank {
    /// The plugin.
    pub name: PluginName,
    /// The version.
    pub version: Version,
    /// Whether it is withdrawn, or offered again.
    pub yanked: bool,
    /// Why, in a line.
    pub reason: String,
    /// When it was said.
    pub time: Timestamp,
}

/// A yank cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YankError {
    /// It carries no signature.
    #[error("the yank of plugin `{0}` is not signed")]
    Unsigned(String),
    /// Its signer is no publisher.
    #[error(
        "the yank of plugin `{plugin}` is signed by {signers}, a key that the trust root does not know as a publisher"
    )]
    UnknownSigner {
        /// The plugin and version beside which it lies.
        plugin: String,
        /// Who signed.
        signers: String,
    },
    /// Its signer may not publish the name.
    #[error("the yank of plugin `{plugin}` is signed by {signer}, which may not publish this name")]
    WrongPublisher {
        /// The plugin and version beside which it lies.
        plugin: String,
        /// The signer.
        signer: KeyId,
    },
    /// It was changed after it was signed, or is none.
    #[error("the yank of plugin `{plugin}` was changed after it was signed, or is none ({problem})")]
    Tampered {
        /// The plugin and version beside which it lies.
        plugin: String,
        /// How it shows.
        problem: String,
    },
    /// It is about another version than that beside which it lies.
    #[error("the yank beside `{asked}` is of `{found}`")]
    OtherName {
        /// The plugin and version beside which it lies.
        asked: String,
        /// What it is about.
        found: String,
    },
    /// It was signed in the future, by the clock of this machine.
    #[error("the yank of plugin `{plugin}` was signed at {time}, which is in the future")]
    NotYetValid {
        /// The plugin and version beside which it lies.
        plugin: String,
        /// When.
        time: Timestamp,
    },
    /// Its signer's key was good when it says that it was signed, but is no longer, and nobody here has met it before.
    #[error(
        "the yank of plugin `{plugin}` is signed by {}, a key whose time ended at {until}, and this home has not met it before",
        signer.short()
    )]
    KeyOver {
        /// The plugin and version beside which it lies.
        plugin: String,
        /// The signer.
        signer: KeyId,
        /// When the key's time ended.
        until: Timestamp,
    },
    /// Its reason cannot be shown.
    #[error("the yank of plugin `{0}` needs a reason: one line of at most {REASON_LENGTH} characters")]
    Reason(String),
}

impl YankError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unsigned(_) | Self::Tampered { .. } => {
                "do not trust this folder; get it from the publisher again, or sign with `freehold plugin yank`".into()
            }
            Self::UnknownSigner { .. } => {
                "if you trust this key, add it: `freehold trust add --key KEY --names 'publisher/*'`; if not, get the folder \
                 from its publisher again"
                    .into()
            }
            Self::WrongPublisher { signer, .. } => format!(
                "if this key may publish the name, add it: `freehold trust add --key {} --names 'publisher/name'`; if not, \
                 get the folder from its publisher again",
                signer.short()
            ),
            Self::OtherName { .. } => "put `yank.dsse.json` beside the version that it is about".into(),
            Self::NotYetValid { .. } => "check the clock of this machine and of the machine that signed".into(),
            Self::KeyOver { .. } => {
                "have the publisher say it again with a key that is good: `freehold plugin yank` or `unyank`".into()
            }
            Self::Reason(_) => "say in a line why, with `--reason TEXT`".into(),
        }
    }
}

/// A yank whose signature was verified. Only [`verify_yank`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedYank {
    yank: Yank,
    signer: KeyId,
}

impl VerifiedYank {
    /// Who signed.
    pub fn signer(&self) -> KeyId {
        self.signer
    }
}

impl std::ops::Deref for VerifiedYank {
    type Target = Yank;

    fn deref(&self) -> &Yank {
        &self.yank
    }
}

/// Signs a yank.
pub fn sign_yank(yank: &Yank, key: &SecretKey) -> Result<Envelope, KeyError> {
    // Names, texts and times all have a JSON form.
    Envelope::sign(YANK_TYPE, &serde_json::to_vec(yank).unwrap_or_default(), &[key])
}

/// Verifies the yank that lies beside `version` of `name`: who signed, that the signer may publish the name, that nothing was
/// changed, and that it is about this version and none other.
pub fn verify_yank(
    root: &VerifiedRoot,
    met: impl Into<Encounter>,
    (name, version): (&PluginName, &Version),
    envelope: &[u8],
) -> Result<VerifiedYank, YankError> {
    let met = met.into();
    let asked = format!("{name} {version}");
    let plugin = || asked.clone();
    let tampered = |problem: String| YankError::Tampered { plugin: plugin(), problem };
    let parsed = Envelope::from_bytes(envelope).map_err(|error| tampered(error.to_string()))?;
    let (payload, signers) = parsed.verify(YANK_TYPE, &root.publisher_keys(), 1).map_err(|error| match error {
        EnvelopeError::Unsigned => YankError::Unsigned(plugin()),
        EnvelopeError::UnknownKey(signers) => {
            YankError::UnknownSigner { plugin: plugin(), signers: signers.join(", ") }
        }
        other => tampered(other.to_string()),
    })?;
    let yank: Yank = serde_json::from_slice(&payload).map_err(|error| tampered(error.to_string()))?;
    if (&yank.name, &yank.version) != (name, version) {
        return Err(YankError::OtherName { found: format!("{} {}", yank.name, yank.version), asked });
    }
    let good = || signers.iter().copied().filter(|key| root.may_publish_at(key, name, yank.time));
    let Some(signer) = good().find(|key| met.too_late(root, key).is_none()) else {
        if let Some((signer, until)) = good().find_map(|key| Some((key, met.too_late(root, &key)?))) {
            return Err(YankError::KeyOver { plugin: asked, signer, until });
        }
        let signer = signers.first().copied().ok_or_else(|| YankError::Unsigned(plugin()))?;
        return Err(YankError::WrongPublisher { plugin: asked, signer });
    };
    if met.now() < yank.time {
        return Err(YankError::NotYetValid { plugin: asked, time: yank.time });
    }
    let shown = yank.reason.chars().count();
    if yank.reason.trim().is_empty() || shown > REASON_LENGTH || yank.reason.chars().any(char::is_control) {
        return Err(YankError::Reason(asked));
    }
    Ok(VerifiedYank { yank, signer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::MANIFEST_TYPE;
    use crate::root::{PublisherRule, Role, TrustRoot, Validity};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn root(publishers: &[(&SecretKey, &str)]) -> VerifiedRoot {
        let key = SecretKey::generate().unwrap();
        let rule = |(key, names): &(&SecretKey, &str)| PublisherRule {
            key: key.public().id(),
            names: vec![names.parse().unwrap()],
        };
        let roles = [Role::Root, Role::Recorder, Role::Log].map(|role| (role, key.public()));
        let mut root = TrustRoot::first(at(9_000), roles);
        root.keys.extend(publishers.iter().map(|(key, _)| (key.public().id(), key.public())));
        root.publishers = publishers.iter().map(rule).collect();
        VerifiedRoot::first(&root.sign(&[&key]).unwrap().to_bytes()).unwrap()
    }

    #[test]
    fn a_key_counts_only_for_what_it_signed_while_it_was_good() {
        let (key, owner) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let signed = sign_yank(&yank(), &key).unwrap();
        for (from, until, holds) in [
            (None, None, true),
            (Some(1_000), Some(1_001), true),
            (None, Some(1_000), false),
            (Some(1_001), None, false),
        ] {
            // Judged at 1,000 and again long after.
            let roles = [Role::Root, Role::Recorder, Role::Log].map(|role| (role, owner.public()));
            let mut root = TrustRoot::first(at(9_000), roles);
            root.keys.insert(key.public().id(), key.public());
            root.publishers = vec![PublisherRule { key: key.public().id(), names: vec!["acme/*".parse().unwrap()] }];
            let validity = Validity { valid_from: from.map(at), valid_until: until.map(at) };
            if from.or(until).is_some() {
                root.validity.insert(key.public().id(), validity);
            }
            let root = VerifiedRoot::first(&root.sign(&[&owner]).unwrap().to_bytes()).unwrap();
            assert_eq!(verify(&root, &signed).is_ok(), holds, "{from:?} to {until:?}");
            let (name, version) = (yank().name, yank().version);
            let late = |met: Encounter| verify_yank(&root, met, (&name, &version), &signed.to_bytes());
            assert_eq!(late(Encounter::again(at(2_000))).is_ok(), holds, "{from:?} to {until:?}, met before");
            let first = late(Encounter::first(at(2_000)));
            assert_eq!(first.is_ok(), holds && until.is_none(), "{from:?} to {until:?}, met late");
            let over = matches!(first, Err(YankError::KeyOver { until: told, .. }) if Some(told) == until.map(at));
            assert_eq!(over, holds && until.is_some(), "{first:?}");
        }
    }

    fn yank() -> Yank {
        let (name, version) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
        Yank { name, version, yanked: true, reason: "leaks".into(), time: at(1_000) }
    }

    fn verify(root: &VerifiedRoot, envelope: &Envelope) -> Result<VerifiedYank, YankError> {
        let (name, version) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
        verify_yank(root, at(1_000), (&name, &version), &envelope.to_bytes())
    }

    #[test]
    fn truth_table_of_signers() {
        let (key, stranger) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let payload = serde_json::to_vec(&yank()).unwrap();
        for (publishers, signers, holds) in [
            (vec![], vec![], false),
            (vec![], vec![&key], false),
            (vec![(&key, "acme/*")], vec![], false),
            (vec![(&key, "acme/*")], vec![&stranger], false),
            (vec![(&key, "other/*")], vec![&key], false),
            (vec![(&key, "acme/y")], vec![&key], false),
            (vec![(&key, "acme/*")], vec![&key], true),
            (vec![(&key, "acme/x")], vec![&stranger, &key], true),
            (vec![(&key, "other/*"), (&stranger, "acme/x")], vec![&key], false),
        ] {
            let verified = verify(&root(&publishers), &Envelope::sign(YANK_TYPE, &payload, &signers).unwrap());
            assert_eq!(verified.is_ok(), holds, "{verified:?}");
        }
    }

    #[test]
    fn each_attack_has_its_own_error() {
        let (key, stranger) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let trusted = root(&[(&key, "acme/*")]);
        let refused = |yank: &Yank, key: &SecretKey| verify(&trusted, &sign_yank(yank, key).unwrap()).unwrap_err();
        let error = verify(&trusted, &Envelope::sign(YANK_TYPE, b"{}", &[]).unwrap()).unwrap_err();
        assert!(matches!(error, YankError::Unsigned(_)), "{error}");
        let error = refused(&yank(), &stranger);
        assert!(matches!(error, YankError::UnknownSigner { .. }), "{error}");
        let error = verify(&root(&[(&key, "other/*")]), &sign_yank(&yank(), &key).unwrap()).unwrap_err();
        assert!(matches!(error, YankError::WrongPublisher { .. }), "{error}");
        // The yank of another version, put beside this one to push users back to an older.
        let error = refused(&Yank { version: Version::new(0, 9, 0), ..yank() }, &key);
        assert!(matches!(error, YankError::OtherName { .. }), "{error}");
        let error = refused(&Yank { name: "acme/y".parse().unwrap(), ..yank() }, &key);
        assert!(matches!(error, YankError::OtherName { .. }), "{error}");
        let error = refused(&Yank { time: at(1_001), ..yank() }, &key);
        assert!(matches!(error, YankError::NotYetValid { .. }), "{error}");
        for reason in ["", "  ", "two\nlines", "\u{1b}[2J", &"x".repeat(301)] {
            let error = refused(&Yank { reason: reason.into(), ..yank() }, &key);
            assert!(matches!(error, YankError::Reason(_)), "{error}");
        }
        // A signed manifest is no yank, whatever it says.
        let other = Envelope::sign(MANIFEST_TYPE, &serde_json::to_vec(&yank()).unwrap(), &[&key]).unwrap();
        assert!(matches!(verify(&trusted, &other), Err(YankError::Tampered { .. })));
    }

    #[test]
    fn every_changed_byte_of_a_yank_is_noticed() {
        let key = SecretKey::generate().unwrap();
        let trusted = root(&[(&key, "acme/*")]);
        let (name, version) = (yank().name, yank().version);
        let signed = sign_yank(&yank(), &key).unwrap().to_bytes();
        for place in 0..signed.len() {
            let mut changed = signed.clone();
            changed[place] ^= 1;
            assert!(verify_yank(&trusted, at(1_000), (&name, &version), &changed).is_err(), "byte {place}");
        }
    }
}

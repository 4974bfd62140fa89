//! Keys that are the same in every run, so that what they signed stays signed, and a trust root that lists some of them.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use freehold_core::digest::Digest;
use freehold_trust::{PublisherRule, Revocation, Role, SecretKey, TrustRoot, Validity, VerifiedRoot};
use jiff::Timestamp;

/// The time at which everything is judged, in seconds.
pub(crate) const NOW: i64 = 1_770_000_000;
/// Publishes every name of `acme`.
pub(crate) const PUBLISHER: usize = 1;
/// Publishes `other/tool`.
pub(crate) const OTHER: usize = 2;
/// Is revoked.
pub(crate) const REVOKED: usize = 3;
/// Publishes every name of `acme`, and was good in the hundred seconds before [`NOW`].
pub(crate) const SHORT: usize = 4;

/// The PKCS #8 head of an Ed25519 key (RFC 8410); the 32 bytes of the seed follow.
const HEAD: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Six keys that everybody knows: nothing but these targets may trust them.
pub(crate) fn keys() -> &'static [SecretKey; 6] {
    static KEYS: OnceLock<[SecretKey; 6]> = OnceLock::new();
    KEYS.get_or_init(|| {
        [0, 1, 2, 3, 4, 5].map(|seed: u8| {
            let text = STANDARD.encode([&HEAD[..], &[seed; 32]].concat());
            SecretKey::from_pem(&format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")).unwrap()
        })
    })
}

/// A moment, in seconds from [`NOW`].
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(NOW + second).unwrap()
}

/// The component whose digest the trust root revokes.
pub(crate) const REVOKED_COMPONENT: &[u8] = b"revoked";

/// The trust root under which everything is judged. Key 0 has every role.
pub(crate) fn root() -> &'static VerifiedRoot {
    static ROOT: OnceLock<VerifiedRoot> = OnceLock::new();
    ROOT.get_or_init(|| {
        let owner = &keys()[0];
        let mut root = TrustRoot::first(at(1_000), Role::NEEDED.map(|role| (role, owner.public())));
        let ids = keys().each_ref().map(|key| key.public().id());
        root.keys.extend(keys().iter().map(|key| (key.public().id(), key.public())));
        let rule = |key: usize, names: &str| PublisherRule { key: ids[key], names: vec![names.parse().unwrap()] };
        root.publishers = vec![rule(PUBLISHER, "acme/*"), rule(OTHER, "other/tool"), rule(SHORT, "acme/*")];
        let short = Validity { valid_from: Some(at(-100)), valid_until: Some(at(0)) };
        root.validity.insert(ids[SHORT], short);
        let why = || Revocation { reason: "lost".into(), time: at(-10) };
        root.revoked_keys.insert(ids[REVOKED], why());
        root.revoked_digests.insert(Digest::of(REVOKED_COMPONENT), why());
        VerifiedRoot::first(&root.sign(&[owner]).unwrap().to_bytes()).unwrap()
    })
}

/// Which keys sign an input: a set that the input itself decides.
pub(crate) fn signers(data: &[u8]) -> Vec<&'static SecretKey> {
    let set = data.iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)) % 8;
    let chosen = match set {
        0..=3 => &[PUBLISHER][..],
        4 => &[OTHER],
        5 => &[SHORT],
        6 => &[REVOKED, SHORT],
        _ => &[0, OTHER, PUBLISHER],
    };
    chosen.iter().map(|&key| &keys()[key]).collect()
}

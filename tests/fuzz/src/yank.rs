//! A signed yank: bytes as the envelope, and bytes as what a publisher signs.

use freehold_trust::{Envelope, YANK_TYPE, Yank, verify_yank};

use crate::keys::{at, root, signers};
use crate::manifest::Wrapped;

/// Tries bytes as an envelope, then as a yank that keys of the trust root sign.
pub fn run(data: &[u8]) {
    let payload = Wrapped::of(data).and_then(|wrapped| wrapped.payload(YANK_TYPE));
    verify(data, payload.and_then(|payload| serde_json::from_slice(&payload).ok()).as_ref());
    let Ok(yank) = serde_json::from_slice::<Yank>(data) else { return };
    let json = serde_json::to_vec(&yank).expect("a yank has a JSON form");
    assert_eq!(serde_json::from_slice::<Yank>(&json).expect("it is read again"), yank);
    let signers = signers(data);
    let counts = signers.iter().any(|key| {
        let id = key.public().id();
        let in_time = root().validity_of(&id).valid_until.is_none_or(|until| at(0) < until);
        in_time && root().may_publish_at(&id, &yank.name, yank.time)
    });
    let shown = !yank.reason.trim().is_empty()
        && yank.reason.chars().count() <= 300
        && !yank.reason.chars().any(char::is_control);
    let envelope = Envelope::sign(YANK_TYPE, data, &signers).unwrap().to_bytes();
    assert_eq!(verify(&envelope, Some(&yank)), counts && shown && yank.time <= at(0), "{yank:?}");
}

/// Verifies an envelope as that of its own version, and of another; whether it holds for its own.
fn verify(envelope: &[u8], yank: Option<&Yank>) -> bool {
    let (name, version) = match yank {
        Some(yank) => (yank.name.clone(), yank.version.clone()),
        None => ("acme/redact".parse().unwrap(), semver::Version::new(1, 0, 0)),
    };
    let other = semver::Version::new(version.major ^ 1, 0, 0);
    assert!(verify_yank(root(), at(0), (&name, &other), envelope).is_err(), "a yank of another version was accepted");
    match verify_yank(root(), at(0), (&name, &version), envelope) {
        Ok(verified) => {
            assert_eq!(Some(&*verified), yank);
            assert!(Wrapped::of(envelope).expect("it was read").names_signer(&verified.signer()));
            assert!(root().may_publish_at(&verified.signer(), &verified.name, verified.time));
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
            false
        }
    }
}

//! Message authentication with a secret that never leaves the machine (HMAC-SHA-256, RFC 2104): for files that the host
//! writes for itself and has to know again.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::KeyError;

/// Length of a tag in bytes.
pub const TAG_BYTES: usize = 32;

/// A secret of this machine.
#[derive(Clone)]
pub struct MacKey([u8; 32]);

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(..)")
    }
}

impl MacKey {
    /// A new secret.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The secret of these bytes; `None` if they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bytes of the secret.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn mac(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in parts {
            // With its length before it, so that no part can borrow from its neighbour.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        Some(mac)
    }

    /// The tag of these parts.
    pub fn tag(&self, parts: &[&[u8]]) -> Option<[u8; TAG_BYTES]> {
        self.mac(parts).map(|mac| mac.finalize().into_bytes().into())
    }

    /// Whether `tag` is the tag of these parts; compared in constant time.
    pub fn is_tag(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.mac(parts).is_some_and(|mac| mac.verify_slice(tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_parts_under_the_same_secret_have_a_tag() {
        let (key, other) = (MacKey::generate().unwrap(), MacKey::generate().unwrap());
        let tag = key.tag(&[b"ab", b"c"]).unwrap();
        assert!(key.is_tag(&[b"ab", b"c"], &tag));
        assert!(MacKey::from_bytes(key.as_bytes()).unwrap().is_tag(&[b"ab", b"c"], &tag));
        for (key, parts, tag) in [
            (&other, &[&b"ab"[..], b"c"][..], &tag[..]),
            (&key, &[b"a", b"bc"], &tag),
            (&key, &[b"abc"], &tag),
            (&key, &[], &tag),
            (&key, &[b"ab", b"c"], &tag[..31]),
            (&key, &[b"ab", b"c"], &[]),
        ] {
            assert!(!key.is_tag(parts, tag));
        }
        assert!(MacKey::from_bytes(&[0; 31]).is_none());
        assert!(!format!("{key:?}").contains(char::is_numeric));
    }

    /// Computed with Python: `hmac.new(b'\x0b' * 32, struct.pack('<Q', 8) + b'Hi There', 'sha256')`.
    #[test]
    fn it_is_hmac_sha_256() {
        let key = MacKey::from_bytes(&[0x0b; 32]).unwrap();
        let expected = "568e147fc75d8a804f400d6c30b2d354e14acfeda78dfe2e9ff6abe1a23ac9f3";
        assert_eq!(hex::encode(key.tag(&[b"Hi There"]).unwrap()), expected);
    }
}

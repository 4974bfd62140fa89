//! Ed25519 keys (RFC 8032), in the PEM forms of RFC 8410 that other tools read.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use freehold_core::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A key cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not a secret key.
    #[error("not an Ed25519 secret key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
    Secret,
    /// The text is not a public key.
    #[error("not an Ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    Public,
    /// A key that a passphrase encrypts cannot be read or written.
    #[error("not an encrypted key (age): {0}")]
    Sealed(String),
    /// The passphrase is another one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// There is nothing in a passphrase.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The text is not a key id.
    #[error("`{0}` is not a key id; expected 64 lowercase hexadecimal digits")]
    Id(String),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
}

/// Names a key: the SHA-256 digest of its 32 public bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

impl KeyId {
    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digest = format!("sha256:{text}").parse().map_err(|_| KeyError::Id(text.chars().take(80).collect()))?;
        Ok(Self(digest))
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Its id.
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(self.0.as_bytes()))
    }

    /// The key with these bytes, if there is a secret one that only its owner knows: not a point of small order, for which
    /// anyone can sign, and the one way to write it, so that no key has two ids.
    fn from_dalek(key: VerifyingKey) -> Option<Self> {
        let canonical = key.to_edwards().compress().as_bytes() == key.as_bytes();
        (canonical && !key.is_weak()).then_some(Self(key))
    }

    /// Reads PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_public_key_pem(pem).ok().and_then(Self::from_dalek).ok_or(KeyError::Public)
    }

    /// Writes PEM.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::Public)
    }

    /// Whether `signature` is this key's over `message`. Strict: no small-order points, no malleable signatures.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }

    pub(crate) fn as_dalek(&self) -> &VerifyingKey {
        &self.0
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(&text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).and_then(Self::from_dalek);
        key.ok_or_else(|| serde::de::Error::custom("expected an Ed25519 public key, 32 bytes in base64"))
    }
}

/// A secret key. It is never shown: no `Debug` text, no `Display`, zeroed when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().id())
    }
}

impl SecretKey {
    /// A new key from the system's random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Reads PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| KeyError::Secret)
    }

    /// Writes PEM, which is zeroed when dropped.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Secret)
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8032_test_1() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SecretKey(SigningKey::from_bytes(&seed.try_into().unwrap()));
        let signature = hex::encode(key.sign(b""));
        assert!(signature.starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"));
        assert!(key.public().verifies(b"", &key.sign(b"")));
        assert!(!key.public().verifies(b"x", &key.sign(b"")));
        assert!(!key.public().verifies(b"", &[]));
    }

    #[test]
    fn keys_survive_pem_and_never_show_themselves() {
        let key = SecretKey::generate().unwrap();
        let pem = key.to_pem().unwrap();
        assert_eq!(SecretKey::from_pem(&pem).unwrap().public(), key.public());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem().unwrap()).unwrap(), key.public());
        assert!(!format!("{key:?}").contains(&hex::encode(key.0.to_bytes())));
        assert!(SecretKey::from_pem(&key.public().to_pem().unwrap()).is_err());
        assert!(PublicKey::from_pem(&pem).is_err());
    }
}

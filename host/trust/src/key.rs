//! Ed25519 keys (RFC 8032), in the PEM forms of RFC 8410 that other tools read.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use freehold_core::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::sealed::Passphrase;
use crate::token::{TokenKey, TokenUri};

/// A key cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not a secret key.
    #[error("not an Ed25519 secret key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
    Secret,
    /// The text is not a public key.
    #[error("not an Ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    Public,
    /// The text is not a secret key over P-256.
    #[error("not a P-256 secret key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
    P256Secret,
    /// The text is not a public key over P-256.
    #[error("not a P-256 public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    P256Public,
    /// A key that a passphrase encrypts cannot be read or written.
    #[error("not an encrypted key (age): {0}")]
    Sealed(String),
    /// The passphrase is another one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// What names a key in a token is no such name.
    #[error("`{uri}` does not name a key in a token (RFC 7512): {problem}")]
    TokenUri {
        /// The text.
        uri: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The library of a token cannot be used.
    #[error("the PKCS#11 module {0}")]
    Module(String),
    /// A token does not do what was asked.
    #[error("the token refused: {0}")]
    Token(String),
    /// The PIN is another one. Most tokens count how often.
    #[error("the PIN of `{0}` is wrong")]
    WrongPin(String),
    /// A key does not leave its token.
    #[error("the key does not leave its token")]
    InToken,
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

    /// The key with these 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        VerifyingKey::try_from(bytes).ok().and_then(Self::from_dalek)
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
pub struct SecretKey(Kind);

#[derive(Clone)]
enum Kind {
    /// At one place, so that moving it leaves no copies.
    Memory(Box<SigningKey>),
    Token(Arc<TokenKey>),
}

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
        Ok(Self(Kind::Memory(Box::new(SigningKey::from_bytes(&seed)))))
    }

    /// The key that `uri` names in a token, by the PKCS#11 library `module`. The token is opened with its PIN.
    pub fn in_token(module: &Path, uri: &TokenUri, pin: &Passphrase) -> Result<Self, KeyError> {
        Ok(Self(Kind::Token(Arc::new(TokenKey::open(module, uri, pin)?))))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        match &self.0 {
            Kind::Memory(key) => PublicKey(key.verifying_key()),
            Kind::Token(key) => key.public(),
        }
    }

    /// Reads PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(|key| Self(Kind::Memory(Box::new(key)))).map_err(|_| KeyError::Secret)
    }

    /// Writes PEM, which is zeroed when dropped.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        match &self.0 {
            Kind::Memory(key) => key.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Secret),
            Kind::Token(_) => Err(KeyError::InToken),
        }
    }

    /// Signs `message`. What is in memory always does; a token may refuse.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        match &self.0 {
            Kind::Memory(key) => Ok(key.sign(message).to_bytes()),
            Kind::Token(key) => key.sign(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8032_test_1() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SecretKey(Kind::Memory(Box::new(SigningKey::from_bytes(&seed.try_into().unwrap()))));
        let signature = hex::encode(key.sign(b"").unwrap());
        assert!(signature.starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"));
        assert!(key.public().verifies(b"", &key.sign(b"").unwrap()));
        assert!(!key.public().verifies(b"x", &key.sign(b"").unwrap()));
        assert!(!key.public().verifies(b"", &[]));
    }

    #[test]
    fn keys_survive_pem_and_never_show_themselves() {
        let key = SecretKey::generate().unwrap();
        let pem = key.to_pem().unwrap();
        assert_eq!(SecretKey::from_pem(&pem).unwrap().public(), key.public());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem().unwrap()).unwrap(), key.public());
        let Kind::Memory(signing) = &key.0 else { unreachable!() };
        assert!(!format!("{key:?}").contains(&hex::encode(signing.to_bytes())));
        assert!(SecretKey::from_pem(&key.public().to_pem().unwrap()).is_err());
        assert!(PublicKey::from_pem(&pem).is_err());
    }
}

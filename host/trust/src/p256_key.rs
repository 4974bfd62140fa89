//! ECDSA keys over the curve P-256 (FIPS 186-5), for what tools are to verify that know no Ed25519. Nothing of Freehold's own
//! is signed or verified with them: to a trust root they are strangers.

use std::fmt;

use freehold_core::digest::Digest;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};

use crate::KeyError;

/// A public key over P-256.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct P256PublicKey(VerifyingKey);

impl P256PublicKey {
    /// Reads PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_public_key_pem(pem).map(Self).map_err(|_| KeyError::P256Public)
    }

    /// Writes PEM.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::P256Public)
    }

    /// The SHA-256 digest of its `SubjectPublicKeyInfo` in DER: how Sigstore and OpenSSL name it.
    pub fn fingerprint(&self) -> Result<Digest, KeyError> {
        let der = self.0.to_public_key_der().map_err(|_| KeyError::P256Public)?;
        Ok(Digest::of(der.as_bytes()))
    }

    /// Whether `signature`, in DER, is this key's over the SHA-256 digest of `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// A secret key over P-256. It is never shown, and zeroed when dropped.
pub struct P256SecretKey(SigningKey);

impl fmt::Debug for P256SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256SecretKey(..)")
    }
}

impl P256SecretKey {
    /// A new key from the system's random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        SigningKey::try_generate().map(Self).map_err(|error| KeyError::Random(error.to_string()))
    }

    /// Its public half.
    pub fn public(&self) -> P256PublicKey {
        P256PublicKey(*self.0.verifying_key())
    }

    /// Reads PEM (PKCS #8).
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| KeyError::P256Secret)
    }

    /// Writes PEM (PKCS #8).
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).map_err(|_| KeyError::P256Secret)
    }

    /// Signs the SHA-256 digest of `message`; in DER. The same message gets the same signature (RFC 6979): no randomness that
    /// is weak or used twice gives the key away.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature: DerSignature = self.0.try_sign(message).map_err(|_| KeyError::P256Secret)?;
        Ok(signature.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6979, appendix A.2.5: the key, and its signature with SHA-256 of `sample`.
    #[test]
    fn it_is_ecdsa_over_p_256_with_sha_256() {
        let secret = hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721").unwrap();
        let key = P256SecretKey(SigningKey::from_slice(&secret).unwrap());
        let signature = key.sign(b"sample").unwrap();
        let r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
        let s = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
        assert_eq!(hex::encode(&signature), format!("3046022100{r}022100{s}"));
        assert!(key.public().verifies(b"sample", &signature));
        assert!(!key.public().verifies(b"simple", &signature));
        assert!(!key.public().verifies(b"sample", &signature[1..]));
    }

    #[test]
    fn keys_come_back_from_pem_and_are_not_mistaken_for_others() {
        let key = P256SecretKey::generate().unwrap();
        let (secret, public) = (key.to_pem().unwrap(), key.public().to_pem().unwrap());
        assert!(
            secret.starts_with("-----BEGIN PRIVATE KEY-----\n") && public.starts_with("-----BEGIN PUBLIC KEY-----\n")
        );
        assert_eq!(P256SecretKey::from_pem(&secret).unwrap().public(), key.public());
        assert_eq!(P256PublicKey::from_pem(&public).unwrap(), key.public());
        let native = crate::SecretKey::generate().unwrap();
        assert!(matches!(P256SecretKey::from_pem(&native.to_pem().unwrap()), Err(KeyError::P256Secret)));
        assert!(matches!(P256PublicKey::from_pem(&native.public().to_pem().unwrap()), Err(KeyError::P256Public)));
        assert!(matches!(crate::SecretKey::from_pem(&secret), Err(KeyError::Secret)));
        assert!(matches!(crate::PublicKey::from_pem(&public), Err(KeyError::Public)));
        assert_eq!(format!("{key:?}"), "P256SecretKey(..)");
    }
}

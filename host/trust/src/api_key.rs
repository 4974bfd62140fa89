//! Secrets that clients of a server send to say who they are. Only their digests are kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use freehold_core::digest::Digest;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::KeyError;

/// What keys begin with, so that tools that look for leaked secrets know them.
const PREFIX: &str = "fh-";

/// A key: `fh-` and 32 random bytes in base64.
pub struct ApiKey(Zeroizing<String>);

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

impl ApiKey {
    /// A new key.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*bytes)))))
    }

    /// The key, to be sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it. It has 256 random bits, so that no salt and no slow function is needed.
    pub fn digest(&self) -> Digest {
        Self::digest_of(&self.0)
    }

    /// The digest of what a client presents.
    pub fn digest_of(presented: &str) -> Digest {
        Digest::of(presented.as_bytes())
    }

    /// Whether two digests are the same, compared in constant time.
    pub fn same(one: &Digest, other: &Digest) -> bool {
        one.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKey;

    #[test]
    fn keys_are_random_and_not_shown() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert!(one.as_str().starts_with("fh-") && one.as_str().len() == 46, "{}", one.as_str());
        assert_ne!(one.as_str(), other.as_str());
        assert!(ApiKey::same(&one.digest(), &ApiKey::digest_of(one.as_str())));
        assert!(!ApiKey::same(&one.digest(), &other.digest()));
        assert_eq!(format!("{one:?}"), "ApiKey(..)");
    }
}

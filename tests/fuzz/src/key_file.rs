//! Files of keys as people bring them: public and secret keys in PEM, keys that a passphrase encrypts, and places in tokens.

use freehold_trust::{P256PublicKey, P256SecretKey, Passphrase, PublicKey, SecretKey, TokenUri, is_sealed, unseal};

/// The input as a file of each kind.
pub fn run(data: &[u8]) {
    if is_sealed(data) {
        // What asks for work does it, as its limit allows; a search would do nothing else.
        let passphrase = Passphrase::new("known to everybody".into()).expect("it is not empty");
        let asks = data.windows(6).any(|window| window == b"c2NyeX");
        assert!(asks || unseal(data, &passphrase).is_err());
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = PublicKey::from_pem(text) {
        let again = key.to_pem().expect("a key has a PEM form");
        assert_eq!(PublicKey::from_pem(&again).expect("it was just written").id(), key.id());
        assert!(!key.verifies(data, &[0; 64]));
    }
    if let Ok(key) = P256PublicKey::from_pem(text) {
        let again = P256PublicKey::from_pem(&key.to_pem().expect("a key has a PEM form")).expect("it was just written");
        assert_eq!(again.fingerprint().expect("a key"), key.fingerprint().expect("a key"));
        assert!(!key.verifies(data, &[]));
    }
    if let Ok(key) = SecretKey::from_pem(text) {
        let signature = key.sign(b"text").expect("a key that is no token's signs");
        assert!(key.public().verifies(b"text", &signature) && !key.public().verifies(b"other", &signature));
    }
    if let Ok(key) = P256SecretKey::from_pem(text) {
        let signature = key.sign(b"text").expect("a key signs");
        assert!(key.public().verifies(b"text", &signature) && !key.public().verifies(b"other", &signature));
    }
    if let Ok(uri) = text.parse::<TokenUri>() {
        let written = uri.to_string();
        assert_eq!(written.parse::<TokenUri>().expect("it was just written").to_string(), written);
    }
}

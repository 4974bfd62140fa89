//! Secret keys that a passphrase encrypts: age files (age-encryption.org/v1) with the recipient scrypt, in their armor, around
//! the key's PEM. The tool `age` opens them.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::iter;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::{ExposeSecret as _, SecretString};
use age::{DecryptError, Decryptor, Encryptor, Identity, scrypt};
use zeroize::Zeroizing;

use crate::key::KeyError;

const BEGINS: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// scrypt with N = 2^17 and r = 8: 128 MiB, and a third of a second for each guess.
const WORK: u8 = 17;
/// The most work that is done for a file, whoever wrote it: 1 GiB.
const WORK_MAX: u8 = 20;
/// A key in PEM has 119 bytes, or 170 with its public half.
const PEM_BYTES_MAX: u64 = 4 << 10;

/// What encrypts a secret key. It is never shown, and zeroed when dropped.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

impl Passphrase {
    /// A passphrase, if it is not empty.
    pub fn new(text: String) -> Result<Self, KeyError> {
        let text = Self(SecretString::from(text));
        if text.0.expose_secret().is_empty() { Err(KeyError::EmptyPassphrase) } else { Ok(text) }
    }

    /// As the PIN of a token.
    pub(crate) fn to_pin(&self) -> cryptoki::types::AuthPin {
        cryptoki::types::AuthPin::from(self.0.expose_secret())
    }

    /// Whether both are the same.
    pub fn is(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// Whether these are the bytes of a key that a passphrase encrypts.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(BEGINS)
}

/// A secret key in PEM, encrypted.
pub fn seal(pem: &str, passphrase: &Passphrase) -> Result<String, KeyError> {
    let mut recipient = scrypt::Recipient::new(passphrase.0.clone());
    recipient.set_work_factor(WORK);
    let seal = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))?;
        let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armored)?;
        writer.write_all(pem.as_bytes())?;
        Ok(writer.finish()?.finish()?)
    };
    let bytes = seal().map_err(|error| KeyError::Sealed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| KeyError::Sealed(error.to_string()))
}

/// The PEM that [`seal`] encrypted, or the tool `age --passphrase --armor`; zeroed when dropped.
pub fn unseal(bytes: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<String>, KeyError> {
    let mut identity = scrypt::Identity::new(passphrase.0.clone());
    identity.set_max_work_factor(WORK_MAX);
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(bytes)).map_err(refused)?;
    let reader = decryptor.decrypt(iter::once(&identity as &dyn Identity)).map_err(refused)?;
    // No larger while it is read, so that it leaves no copies.
    let mut pem = Zeroizing::new(Vec::with_capacity(PEM_BYTES_MAX as usize + 64));
    let read = reader.take(PEM_BYTES_MAX).read_to_end(&mut pem);
    read.map_err(|error| KeyError::Sealed(error.to_string()))?;
    let text = std::str::from_utf8(&pem).map_err(|_| KeyError::Secret)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn refused(error: DecryptError) -> KeyError {
    match error {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            KeyError::WrongPassphrase
        }
        DecryptError::ExcessiveWork { required, .. } => {
            KeyError::Sealed(format!("asks for 2^{required} of work; at most 2^{WORK_MAX} is done"))
        }
        error => KeyError::Sealed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.into()).unwrap()
    }

    #[test]
    fn only_the_passphrase_opens_a_key() {
        let pem = SecretKey::generate().unwrap().to_pem().unwrap();
        let sealed = seal(&pem, &passphrase("right")).unwrap();
        assert!(is_sealed(sealed.as_bytes()) && !is_sealed(pem.as_bytes()));
        let body: String = pem.lines().skip(1).take(1).collect();
        assert!(!sealed.contains(&body));
        assert_eq!(unseal(sealed.as_bytes(), &passphrase("right")).unwrap(), pem);
        let wrong = unseal(sealed.as_bytes(), &passphrase("wrong"));
        assert!(matches!(wrong, Err(KeyError::WrongPassphrase)), "{wrong:?}");
        assert!(matches!(Passphrase::new(String::new()), Err(KeyError::EmptyPassphrase)));
        assert!(!format!("{:?}", passphrase("right")).contains("right"));
    }

    #[test]
    fn what_is_no_encrypted_key_is_refused() {
        let right = passphrase("right");
        let sealed = seal("a key", &right).unwrap();
        let half = &sealed[..sealed.len() / 2];
        for broken in ["", "-----BEGIN AGE ENCRYPTED FILE-----\n", half, &sealed.replace('A', "B")] {
            assert!(unseal(broken.as_bytes(), &right).is_err(), "{broken}");
        }
        // One that would keep the reader busy for hours.
        let mut binary = Vec::new();
        ArmoredReader::new(sealed.as_bytes()).read_to_end(&mut binary).unwrap();
        let at = binary.windows(4).position(|window| window == b" 17\n").unwrap();
        let heavy = [&binary[..at], b" 30\n", &binary[at + 4..]].concat();
        let refused = unseal(&heavy, &right);
        assert!(matches!(&refused, Err(KeyError::Sealed(why)) if why.contains("2^30")), "{refused:?}");
    }
}

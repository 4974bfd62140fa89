//! Secret keys that live in a token and never leave it: smart cards, security modules and what emulates them, by PKCS#11. The
//! module of its maker is a library that is loaded when the key is opened; building needs none.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;

use crate::key::{KeyError, PublicKey};
use crate::sealed::Passphrase;

/// Which key of which token, as in RFC 7512: `pkcs11:token=NAME;object=NAME`, with `serial` and `id` where names do not suffice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenUri {
    token: Option<String>,
    serial: Option<String>,
    object: Option<String>,
    id: Option<Vec<u8>>,
}

impl FromStr for TokenUri {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = |problem| KeyError::TokenUri { uri: text.chars().take(200).collect(), problem };
        let path = text.strip_prefix("pkcs11:").ok_or_else(|| wrong("it does not begin with `pkcs11:`"))?;
        let mut uri = Self::default();
        for part in path.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong("a part of it has no `=`"))?;
            let bytes = decode(value).ok_or_else(|| wrong("a `%` is not followed by two hexadecimal digits"))?;
            if name == "id" {
                uri.id = Some(bytes);
                continue;
            }
            let value = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
            match name {
                "token" => uri.token = Some(value),
                "serial" => uri.serial = Some(value),
                "object" => uri.object = Some(value),
                "type" if value == "private" => {}
                // A PIN in it would lie in a file of the home.
                _ => return Err(wrong("it may have `token`, `serial`, `object`, `id` and `type=private`")),
            }
        }
        if uri.token.is_none() && uri.serial.is_none() {
            return Err(wrong("it names no token"));
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(wrong("it names no key: `object` or `id`"));
        }
        Ok(uri)
    }
}

impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [("token", &self.token), ("serial", &self.serial), ("object", &self.object)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?.as_bytes())));
        let parts = texts.chain(self.id.as_deref().map(|id| ("id", id)));
        let parts: Vec<String> = parts.map(|(name, bytes)| format!("{name}={}", encode(bytes))).collect();
        write!(f, "pkcs11:{}", parts.join(";"))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.extend(hex::decode(part.get(..2)?).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    Some(bytes)
}

fn encode(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    bytes.iter().map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A key in a token, open for signing.
pub(crate) struct TokenKey {
    public: PublicKey,
    key: ObjectHandle,
    /// A token does one thing at a time.
    session: Mutex<Session>,
}

impl TokenKey {
    /// Opens the key that `uri` names, by the PKCS#11 library `module`.
    pub(crate) fn open(module: &Path, uri: &TokenUri, pin: &Passphrase) -> Result<Self, KeyError> {
        let failed = |error: Error| refused(uri, &error);
        let library = load(module)?;
        let session = library.open_ro_session(slot_of(&library, uri)?).map_err(failed)?;
        match session.login(UserType::User, Some(&pin.to_pin())) {
            // The token is open for the whole process once one key of it is.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(RvError::PinIncorrect, _)) => return Err(KeyError::WrongPin(uri.to_string())),
            Err(error) => return Err(failed(error)),
        }
        let key = find(&session, uri, ObjectClass::PRIVATE_KEY)?;
        let public = public_half(&session, find(&session, uri, ObjectClass::PUBLIC_KEY)?, uri)?;
        Ok(Self { public, key, session: Mutex::new(session) })
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// Signs `message`; a signature that does not verify is none.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let pure = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = session.sign(&pure, self.key, message).map_err(|error| KeyError::Token(error.to_string()))?;
        let wrong = || KeyError::Token(format!("its signature is not that of the key {}", self.public.id()));
        let signature: [u8; 64] = signature.try_into().map_err(|_| wrong())?;
        if self.public.verifies(message, &signature) { Ok(signature) } else { Err(wrong()) }
    }
}

/// The library of a token's maker. It stays loaded: it may be opened once in a process.
fn load(module: &Path) -> Result<Pkcs11, KeyError> {
    static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let unusable = |problem: &str| KeyError::Module(format!("`{}` cannot be used: {problem}", module.display()));
    let failed = |error: Error| unusable(&error.to_string());
    if !module.is_absolute() {
        // The system would look for another one of this name.
        return Err(unusable("its path is not absolute"));
    }
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = loaded.get(module) {
        return Ok(library.clone());
    }
    let library = Pkcs11::new(module).map_err(failed)?;
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(failed)?;
    loaded.insert(module.into(), library.clone());
    Ok(library)
}

fn refused(uri: &TokenUri, error: &Error) -> KeyError {
    KeyError::Token(format!("`{uri}`: {error}"))
}

/// Where the token is.
fn slot_of(library: &Pkcs11, uri: &TokenUri) -> Result<Slot, KeyError> {
    let mut found = Vec::new();
    for slot in library.get_slots_with_token().map_err(|error| refused(uri, &error))? {
        let token = library.get_token_info(slot).map_err(|error| refused(uri, &error))?;
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text.trim_end());
        if is(&uri.token, token.label()) && is(&uri.serial, token.serial_number()) {
            found.push(slot);
        }
    }
    only(found, uri, "token")
}

/// The one object of this class that the URI names.
fn find(session: &Session, uri: &TokenUri, class: ObjectClass) -> Result<ObjectHandle, KeyError> {
    let mut wanted = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC_EDWARDS)];
    wanted.extend(uri.object.as_ref().map(|object| Attribute::Label(object.as_bytes().to_vec())));
    wanted.extend(uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
    let what = if class == ObjectClass::PRIVATE_KEY { "private Ed25519 key" } else { "public Ed25519 key" };
    only(session.find_objects(&wanted).map_err(|error| refused(uri, &error))?, uri, what)
}

fn only<T>(found: Vec<T>, uri: &TokenUri, what: &str) -> Result<T, KeyError> {
    let count = found.len();
    let mut found = found.into_iter();
    let first = found.next().filter(|_| count == 1);
    first.ok_or_else(|| KeyError::Token(format!("`{uri}` names {count} of what should be one {what}")))
}

/// The point of a public key: 32 bytes, in older modules as they are, in newer ones as an octet string of DER.
fn public_half(session: &Session, key: ObjectHandle, uri: &TokenUri) -> Result<PublicKey, KeyError> {
    let attributes = session.get_attributes(key, &[AttributeType::EcPoint]).map_err(|error| refused(uri, &error))?;
    let point = attributes.into_iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => Some(point),
        _ => None,
    });
    let point = point.unwrap_or_default();
    let bytes = point.strip_prefix(&[0x04, 0x20]).unwrap_or(&point);
    PublicKey::from_bytes(bytes).ok_or_else(|| KeyError::Token(format!("`{uri}` is not a key over Ed25519")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_a_token_and_a_key() {
        for (text, again) in [
            ("pkcs11:token=t;object=root", "pkcs11:token=t;object=root"),
            ("pkcs11:object=a%20b;token=T%C3%BCr;id=%01%ff", "pkcs11:token=T%C3%BCr;object=a%20b;id=%01%FF"),
            ("pkcs11:serial=12;id=%41;type=private", "pkcs11:serial=12;id=A"),
        ] {
            assert_eq!(text.parse::<TokenUri>().unwrap().to_string(), again);
        }
        for (text, problem) in [
            ("token=t;object=root", "does not begin"),
            ("pkcs11:object=root", "names no token"),
            ("pkcs11:token=t", "names no key"),
            ("pkcs11:token=t;object=a;pin-value=1234", "it may have"),
            ("pkcs11:token=t;object=a;type=public", "it may have"),
            ("pkcs11:token=t;object=%4", "hexadecimal"),
            ("pkcs11:token=t;object=%zz", "hexadecimal"),
            ("pkcs11:token=t;object=%ff", "not UTF-8"),
            ("pkcs11:token", "no `=`"),
        ] {
            let error = text.parse::<TokenUri>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn a_module_is_named_by_its_whole_path() {
        let uri = "pkcs11:token=t;object=root".parse().unwrap();
        for (module, problem) in [("libsofthsm2.so", "not absolute"), ("/none/module.so", "/none/module.so")] {
            let pin = Passphrase::new("1234".into()).unwrap();
            let error = TokenKey::open(Path::new(module), &uri, &pin).err().unwrap().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}

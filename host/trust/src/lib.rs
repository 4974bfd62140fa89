//! Keys, envelopes, statements, the trust root, and the one place where a plugin's right to run is verified.
//!
//! Bytes go in, verified values come out; no file is read here.

mod api_key;
mod cosignature;
mod envelope;
mod key;
mod mac;
mod note;
mod p256_key;
mod plugin;
mod root;
mod sealed;
mod sigstore;
mod statement;
mod token;
mod yank;

pub use api_key::ApiKey;
pub use cosignature::{Cosignature, cosign_note};
pub use envelope::{Envelope, EnvelopeError};
pub use key::{KeyError, KeyId, PublicKey, SecretKey};
pub use mac::{MacKey, TAG_BYTES};
pub use note::{NoteError, open_note, sign_note};
pub use p256_key::{P256PublicKey, P256SecretKey};
pub use plugin::{Encounter, MANIFEST_TYPE, PluginError, VerifiedPlugin, claimed_plugin, sign_plugin, verify_plugin};
pub use root::{
    ChangeError, PublisherRule, ROOT_BYTES_MAX, Revocation, Role, RoleKeys, RootError, TrustRoot, Validity,
    VerifiedRoot, Witnesses,
};
pub use sealed::{Passphrase, is_sealed, seal, unseal};
pub use sigstore::{BUNDLE_TYPE, KeyHint};
pub use statement::{IN_TOTO_TYPE, RecordedError, ResourceDescriptor, Statement};
pub use token::TokenUri;
pub use yank::{VerifiedYank, YANK_TYPE, Yank, YankError, sign_yank, verify_yank};

//! Attacks on trust roots, each by its name and with the error that it meets.

macro_rules! refused {
    ($attack:literal, $result:expr, $($error:pat_param)|+ $(if $guard:expr)?) => {
        match $result {
            Ok(_) => panic!("{}: went through", $attack),
            Err(error) => assert!(matches!(&error, $($error)|+ $(if $guard)?), "{}: {error}", $attack),
        }
    };
}

mod chain;
mod format;
mod keys;

use serde_json::Value;

use super::tests::{root, signed};
use super::*;

/// A first root of `key` that `change` made wrong, and that its own key signed all the same.
pub(super) fn first<R>(key: &SecretKey, change: impl FnOnce(&mut TrustRoot) -> R) -> Result<VerifiedRoot, RootError> {
    let mut root = root(1, &[key], 1);
    change(&mut root);
    VerifiedRoot::first(&signed(&root, &[key]))
}

/// A first root whose JSON `change` made wrong.
pub(super) fn first_json<R>(key: &SecretKey, change: impl FnOnce(&mut Value) -> R) -> Result<VerifiedRoot, RootError> {
    let mut json = serde_json::to_value(root(1, &[key], 1)).unwrap();
    change(&mut json);
    first_text(key, &json.to_string())
}

pub(super) fn first_text(key: &SecretKey, text: &str) -> Result<VerifiedRoot, RootError> {
    VerifiedRoot::first(&Envelope::sign(ROOT_TYPE, text.as_bytes(), &[key]).unwrap().to_bytes())
}

/// The signed first root of `key`, whose envelope `change` made wrong.
pub(super) fn first_envelope(key: &SecretKey, change: impl FnOnce(&mut Value)) -> Result<VerifiedRoot, RootError> {
    let mut envelope: Value = serde_json::from_slice(&signed(&root(1, &[key], 1), &[key])).unwrap();
    change(&mut envelope);
    VerifiedRoot::first(envelope.to_string().as_bytes())
}

pub(super) fn says(error: &str, part: &str) -> bool {
    error.contains(part)
}

//! Documents that people write, in TOML: `plugin.toml`, the recipe, the lockfile.

use std::fmt::Debug;

use freehold_core::digest::Digest;
use freehold_core::lock::{Lockfile, recipe_digest};
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_core::recipe::{Recipe, RecipeError};
use freehold_core::toml_text::{self, TomlError};

use crate::keys::at;

/// `plugin.toml`: what is read survives TOML and, in a manifest, JSON.
pub fn plugin_source(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source: PluginSource = match toml_text::parse(text) {
        Ok(source) => source,
        Err(error) => return is_located(&error, text),
    };
    let written = toml::to_string(&source).expect("a source has a TOML form");
    assert_eq!(toml_text::parse(&written).as_ref(), Ok(&source), "{written}");
    let manifest = Manifest::new(source, Digest::of(b""), at(0), at(1));
    let json = serde_json::to_vec(&manifest).expect("a manifest has a JSON form");
    is_same(&serde_json::from_slice(&json).expect("it is read again"), &manifest);
    defaults_fit(&manifest);
}

/// What a manifest fills in for itself it accepts from others.
pub(crate) fn defaults_fit(manifest: &Manifest) {
    if let Ok(complete) = manifest.complete(&toml::Table::new()) {
        assert_eq!(manifest.complete(&complete).as_ref(), Ok(&complete));
    }
}

/// A recipe survives TOML and JSON, whose digest names it; a lockfile its text.
pub fn recipe(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Recipe::parse(text) {
        Ok(recipe) => {
            let written = toml::to_string(&recipe).expect("a recipe has a TOML form");
            is_same(&Recipe::parse(&written).expect("it is read again"), &recipe);
            let json = serde_json::to_string(&recipe).expect("a recipe has a JSON form");
            let read: Recipe = serde_json::from_str(&json).expect("it is read again");
            is_same(&read, &recipe);
            assert_eq!(recipe_digest(&read), recipe_digest(&recipe));
        }
        Err(RecipeError::Toml(error)) => is_located(&error, text),
        Err(RecipeError::Value { key, problem }) => assert!(!key.is_empty() && !problem.is_empty()),
    }
    match Lockfile::parse(text) {
        Ok(lock) => {
            let written = lock.to_document().expect("a lockfile has a TOML form");
            assert_eq!(Lockfile::parse(&written).as_ref(), Ok(&lock), "{written}");
            for plugin in &lock.plugin {
                let newest = lock.newest(&plugin.name, &semver::VersionReq::STAR);
                assert!(newest.is_none_or(|newest| newest.name == plugin.name));
            }
        }
        Err(error) => is_located(&error, text),
    }
}

/// An error says what is wrong, and where in the document.
fn is_located(error: &TomlError, text: &str) {
    assert!(!error.to_string().is_empty());
    let lines = text.bytes().filter(|&byte| byte == b'\n').count() + 1;
    assert!(error.line(text).is_none_or(|line| (1..=lines).contains(&line)), "{error:?}");
}

/// Equal as they are shown, so that a number that is none is equal to itself.
fn is_same<T: Debug>(read: &T, written: &T) {
    assert_eq!(format!("{read:?}"), format!("{written:?}"));
}

//! Compiled components on disk, so that a plugin is compiled once a machine.
//!
//! Machine code that is loaded runs with the rights of the host, so a file is taken only if this host wrote it: each begins
//! with a tag under a secret that never leaves the home (HMAC-SHA-256 over the component's digest, wasmtime's compatibility
//! hash and the code). A file that was changed, moved or brought from elsewhere is named in the log and compiled anew. Only
//! verified components come here; what they may use up is not in the code but in the store of each instance, so that nothing
//! precompiled escapes a limit.
//!
//! `COMPATIBILITY/DIGEST.cwasm`: tag (32 bytes), then what wasmtime serialised. Files appear whole, so that hosts may share
//! the folder; two that compile the same component write the same name.

use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_trust::{MacKey, TAG_BYTES};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Machine code is several times larger than the component that it comes from.
const FILE_LIMIT: u64 = 512 << 20;
const DOMAIN: &[u8] = b"freehold compiled component v1";

/// A folder of compiled components, and the secret that tells which of them are this host's.
#[derive(Clone)]
pub struct Cache(Arc<(Dir, MacKey)>);

/// Collects what is hashed.
#[derive(Default)]
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// Names what may load code that `engine` compiled: the version of wasmtime, its settings and the processor's features.
fn compatibility(engine: &Engine) -> Digest {
    let mut collected = Collected::default();
    engine.precompile_compatibility_hash().hash(&mut collected);
    Digest::of(&collected.0)
}

impl Cache {
    /// The cache in `dir`, whose files `key` authenticates.
    pub fn new(dir: Dir, key: MacKey) -> Self {
        Self(Arc::new((dir, key)))
    }

    /// The component with this digest: loaded if this host compiled it before, else compiled by `compile` and kept.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: Digest,
        compile: impl FnOnce() -> wasmtime::Result<Component>,
    ) -> wasmtime::Result<Component> {
        let compatibility = compatibility(engine);
        let file = format!("{}/{}.cwasm", compatibility.hex(), digest.hex());
        if let Some(component) = self.load(engine, &file, compatibility, digest) {
            return Ok(component);
        }
        let component = compile()?;
        self.keep(&component, &file, compatibility, digest);
        Ok(component)
    }

    fn load(&self, engine: &Engine, file: &str, compatibility: Digest, digest: Digest) -> Option<Component> {
        let (dir, key) = &*self.0;
        let bytes = match freehold_files::read(dir, file, FILE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return None,
            Err(error) => {
                tracing::warn!("compiled plugins: {error}; it is compiled anew");
                return None;
            }
        };
        let ours = bytes.split_at_checked(TAG_BYTES).filter(|(tag, code)| {
            key.is_tag(&[DOMAIN, compatibility.hex().as_bytes(), digest.hex().as_bytes(), code], tag)
        });
        let Some((_, code)) = ours else {
            tracing::warn!(
                "compiled plugins: `{file}` was not written by this host or was changed; it is compiled anew"
            );
            return None;
        };
        deserialize(engine, code)
    }

    /// Keeps what was compiled. A cache that cannot be written is no reason to fail.
    fn keep(&self, component: &Component, file: &str, compatibility: Digest, digest: Digest) {
        let (dir, key) = &*self.0;
        let Ok(code) = component.serialize() else { return };
        let tag = key.tag(&[DOMAIN, compatibility.hex().as_bytes(), digest.hex().as_bytes(), &code]);
        let Some(tag) = tag else { return };
        if let Err(error) = freehold_files::write_secret(dir, file, &[&tag[..], &code].concat()) {
            tracing::warn!("compiled plugins: {error}; it will be compiled again next time");
        }
    }
}

/// Code that this host wrote itself, as its tag has proven.
#[expect(unsafe_code, reason = "wasmtime cannot tell machine code that it made from other; the tag above does")]
fn deserialize(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: the bytes are, under a secret of this host, the ones that `Component::serialize` gave for an engine of this
    // compatibility; wasmtime checks the compatibility again. They were read into memory of our own before the tag was
    // checked, so that nobody can change them in between.
    let loaded = unsafe { Component::deserialize(engine, code) };
    loaded.inspect_err(|error| tracing::warn!("compiled plugins: {error:#}; it is compiled anew")).ok()
}

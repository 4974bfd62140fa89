//! Compiled components in the home's cache, so that a plugin is compiled once a machine.
//!
//! Machine code that is loaded runs with the rights of the host, so a file is taken only if its tag says that this host wrote
//! it for this component and this wasmtime. Only verified components come here; what they may use up is not in the code but
//! in the store of each instance, so that nothing precompiled escapes a limit.
//!
//! `COMPATIBILITY/DIGEST.cwasm`: tag (32 bytes), then what wasmtime serialised.

use std::hash::{Hash as _, Hasher};

use freehold_cache::{Cache, Kind};
use freehold_core::digest::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

const COMPILED: Kind = Kind {
    domain: b"freehold compiled component v1",
    name: "compiled plugins",
    remedy: "compiled anew",
    // Machine code is several times larger than the component that it comes from.
    bytes_max: 512 << 20,
};

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

/// The component with this digest: loaded if this host compiled it before, else compiled by `compile` and kept.
pub(crate) fn component(
    cache: &Cache,
    engine: &Engine,
    digest: Digest,
    compile: impl FnOnce() -> wasmtime::Result<Component>,
) -> wasmtime::Result<Component> {
    let (compatibility, digest) = (compatibility(engine).hex(), digest.hex());
    let file = format!("{compatibility}/{digest}.cwasm");
    let parts = [compatibility.as_bytes(), digest.as_bytes()];
    let kept = cache.load(&COMPILED, &file, &parts);
    if let Some(component) = kept.and_then(|kept| deserialize(engine, kept.content())) {
        return Ok(component);
    }
    let component = compile()?;
    if let Ok(code) = component.serialize() {
        cache.keep(&COMPILED, &file, &parts, &code);
    }
    Ok(component)
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

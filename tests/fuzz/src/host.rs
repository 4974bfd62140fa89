//! A sandbox that loads what a trusted publisher signs: the attacks are those of a publisher.

use std::sync::OnceLock;

use freehold_core::digest::Digest;
use freehold_core::limits::Limits;
use freehold_core::manifest::{Manifest, PluginSource, World};
use freehold_sandbox::{HostSettings, Plugin, Sandbox, SandboxError};
use freehold_trust::{sign_plugin, verify_plugin};

use crate::keys::{PUBLISHER, at, keys, root};

/// What a plugin may use up here: little, so that what runs away is stopped soon.
pub(crate) const LIMITS: Limits = Limits {
    fuel: 200_000,
    wall_time_ms: 2_000,
    memory_bytes: 2 << 20,
    table_elements: 1_000,
    input_bytes: 256 << 10,
    output_bytes: 256 << 10,
    log_bytes: 4 << 10,
    component_bytes: 128 << 10,
    instances: 8,
    ..Limits::HOST
};

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let settings = HostSettings { concurrent: 4, ..HostSettings::default() };
        Sandbox::new(settings, None).expect("a sandbox")
    })
}

/// Signs, verifies and loads a component as a plugin of a world.
pub(crate) fn load(world: World, component: &[u8]) -> Result<Plugin, SandboxError> {
    let source = PluginSource {
        name: "acme/hostile".parse().expect("a name"),
        version: semver::Version::new(1, 0, 0),
        world,
        description: "An attack".into(),
        capabilities: vec!["asset:outcome".into()],
        limits: Limits { metering: freehold_core::limits::Metering::Fuel, ..LIMITS },
        settings: [].into(),
    };
    let manifest = Manifest::new(source, Digest::of(component), at(-1), at(1));
    let envelope = sign_plugin(&manifest, &keys()[PUBLISHER]).unwrap().to_bytes();
    let asked = (&manifest.name, &manifest.version);
    let verified = verify_plugin(root(), at(0), asked, &envelope, component.to_vec()).expect("it was just signed");
    sandbox().load(&verified)
}

/// An error of the sandbox can be shown and says what to do.
pub(crate) fn is_told(error: &SandboxError) {
    let text = error.to_string();
    assert!(text.contains("acme/hostile") && text.len() < 20_000, "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(!error.remedy().is_empty() && !error.code().is_empty());
    assert_ne!(error.code(), "engine", "{text}");
}

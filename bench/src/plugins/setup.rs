//! Plugins that are signed for one run, and the host that loads them.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_core::toml_text;
use freehold_sandbox::{Cache, Grants, HostSettings, Sandbox};
use freehold_trust::{
    MacKey, PublisherRule, Role, SecretKey, TrustRoot, VerifiedPlugin, VerifiedRoot, sign_plugin, verify_plugin,
};
use jiff::{SignedDuration, Timestamp};

pub(crate) type Failure = Box<dyn std::error::Error>;

/// A host and its keys.
pub(crate) struct Setup {
    components: PathBuf,
    pub(crate) sandbox: Sandbox,
    key: SecretKey,
    root: VerifiedRoot,
    _cache: tempfile::TempDir,
}

/// A plugin as it lies in a folder of plugins.
pub(crate) struct Signed {
    pub(crate) manifest: Manifest,
    pub(crate) envelope: Vec<u8>,
    pub(crate) component: Vec<u8>,
}

impl Setup {
    pub(crate) fn new(components: &Path) -> Result<Self, Failure> {
        let key = SecretKey::generate()?;
        let expires = Timestamp::now() + SignedDuration::from_hours(1);
        let mut root =
            TrustRoot::first(expires, [Role::Root, Role::Recorder, Role::Log].map(|role| (role, key.public())));
        root.publishers = vec![PublisherRule { key: key.public().id(), names: vec!["*".parse()?] }];
        let root = VerifiedRoot::first(&root.sign(&[&key])?.to_bytes())?;
        let folder = tempfile::tempdir()?;
        let cache = Cache::new(Dir::open_ambient_dir(folder.path(), ambient_authority())?, MacKey::generate()?);
        let sandbox = Sandbox::new(HostSettings::default(), Some(cache))?;
        Ok(Self { components: components.to_owned(), sandbox, key, root, _cache: folder })
    }

    /// A plugin or guest of this project, signed. `edition` makes components that differ and do the same.
    pub(crate) fn sign(&self, name: &str, edition: u32) -> Result<Signed, Failure> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let plugin = workspace.join("plugins").join(name).join("plugin.toml");
        let source =
            if plugin.is_file() { plugin } else { workspace.join("tests/guests").join(name).join("plugin.toml") };
        let source: PluginSource = toml_text::parse(&std::fs::read_to_string(source)?)?;
        let mut component = std::fs::read(self.components.join(format!("{name}.wasm")))?;
        if edition > 0 {
            // A custom section of a component: id 0, size, name, contents.
            component.extend([0, 9, 4]);
            component.extend(b"copy");
            component.extend(edition.to_le_bytes());
        }
        let now = Timestamp::now();
        let minute = SignedDuration::from_mins(50);
        let manifest = Manifest::new(source, Digest::of(&component), now - minute, now + minute);
        let envelope = sign_plugin(&manifest, &self.key)?.to_bytes();
        Ok(Signed { manifest, envelope, component })
    }

    /// Verifies a plugin as the host does before it compiles it.
    pub(crate) fn verify(&self, signed: &Signed) -> Result<VerifiedPlugin, Failure> {
        let asked = (&signed.manifest.name, &signed.manifest.version);
        Ok(verify_plugin(&self.root, Timestamp::now(), asked, &signed.envelope, signed.component.clone())?)
    }

    /// A plugin, verified and loaded.
    pub(crate) fn load(&self, name: &str) -> Result<freehold_sandbox::Plugin, Failure> {
        Ok(self.sandbox.load(&self.verify(&self.sign(name, 0)?)?)?)
    }

    /// What a plugin is given: these settings, completed with its defaults.
    pub(crate) fn grants(plugin: &freehold_sandbox::Plugin, settings: &str) -> Result<Grants, Failure> {
        Ok(Grants::new(plugin.manifest().complete(&settings.parse()?)?, std::collections::BTreeMap::new()))
    }
}

/// The smallest of several measurements: what the machine can do when nothing else disturbs it.
pub(crate) fn best<T: PartialOrd>(
    rounds: usize,
    mut measure: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut best = measure()?;
    for _ in 1..rounds {
        let next = measure()?;
        if next < best {
            best = next;
        }
    }
    Ok(best)
}

//! Runs verified plugins in wasmtime. A plugin gets what its world imports and nothing else, within limits; whatever it does
//! comes back as a value or a typed error.
//!
//! One file a world: [`Transform`], [`Metric`], [`Policy`].

mod bindings;
mod cache;
mod clock;
mod convert;
mod engines;
mod error;
mod grants;
mod host;
mod instance;
mod lineage;
mod metric;
mod nesting;
mod output;
mod platform;
mod policy;
mod stack;
mod stream;
mod transform;
mod weight;

use std::sync::Arc;

use freehold_core::limits::{LimitKind, Limits, Metering};
use freehold_core::manifest::{Manifest, World};
use freehold_core::printable::printable;
use freehold_trust::VerifiedPlugin;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use engines::Engines;
use instance::MESSAGE_CHARACTERS_MAX;
use platform::PluginState;
use weight::Refusal;

pub use cache::Cache;
pub use error::{Bound, SandboxError};
pub use grants::Grants;
pub use host::HostSettings;
pub use metric::{Metric, MetricDescription};
pub use policy::Policy;
pub use transform::{Transform, TransformDescription};

/// Compiles and runs plugins.
pub struct Sandbox {
    settings: HostSettings,
    engines: Engines,
    cache: Option<Cache>,
}

/// A compiled plugin, ready to be instantiated.
pub struct Plugin {
    /// Name and version, for messages.
    label: Arc<str>,
    manifest: Manifest,
    limits: Limits,
    engine: Engine,
    concurrent: u32,
    world: CompiledWorld,
}

enum CompiledWorld {
    Transform(InstancePre<PluginState>, bindings::transform::GuestIndices),
    Metric(InstancePre<PluginState>, bindings::metric::GuestIndices),
    Policy(bindings::policy::PolicyPluginPre<PluginState>),
}

impl Sandbox {
    /// A sandbox that caps what plugins ask for. With a `cache`, what was compiled once is loaded again.
    pub fn new(settings: HostSettings, cache: Option<Cache>) -> Result<Self, SandboxError> {
        Ok(Self { settings, engines: Engines::new(settings)?, cache })
    }

    /// Compiles a plugin, or loads it from the cache, and checks that it is of its manifest's world: it imports the platform
    /// and nothing else.
    pub fn load(&self, plugin: &VerifiedPlugin) -> Result<Plugin, SandboxError> {
        let manifest = plugin.manifest().clone();
        let name = format!("{} {}", manifest.name, manifest.version);
        if manifest.limits.metering == Metering::Time && manifest.world != World::Transform {
            return Err(SandboxError::Metering { plugin: name, world: manifest.world });
        }
        let mut limits = manifest.limits.capped(self.settings.limits);
        let passed = |kind: LimitKind, used: u64, limit: u64| {
            let bound = if manifest.limits.get(kind) >= used { Bound::Host } else { Bound::Manifest };
            SandboxError::Limit { plugin: name.clone(), kind, limit, bound }
        };
        let bytes = plugin.component().len() as u64;
        if bytes > limits.component_bytes {
            return Err(passed(LimitKind::ComponentBytes, bytes, limits.component_bytes));
        }
        // A plugin that asks for more stack than there is would overflow it one day.
        if manifest.limits.stack_bytes > limits.stack_bytes {
            return Err(passed(LimitKind::StackBytes, manifest.limits.stack_bytes, limits.stack_bytes));
        }
        limits.stack_bytes = self.engines.stack_bytes(manifest.limits.stack_bytes);
        let engine = &self.engines.get(limits.metering, limits.stack_bytes)?;
        let component = self.component(engine, plugin).map_err(|error| {
            if let Some(Refusal::TooHeavy(heavy)) = error.downcast_ref() {
                return SandboxError::TooHeavy { plugin: name.clone(), problem: heavy.to_string() };
            }
            let problem = printable(&format!("{error:#}"), MESSAGE_CHARACTERS_MAX);
            // wasmtime gives this error no public type: the component declares more than any plugin gets on this host.
            let beyond = |kind: LimitKind| {
                let (asked, host) = (manifest.limits.get(kind), self.settings.limits.get(kind));
                let bound = if asked > host { Bound::Host } else { Bound::Manifest };
                SandboxError::Limit { plugin: name.clone(), kind, limit: limits.get(kind), bound }
            };
            match problem.contains("pooling allocator") {
                true if problem.contains("core module instances") => beyond(LimitKind::Instances),
                true if problem.contains("minimum element size") => beyond(LimitKind::TableElements),
                true => SandboxError::Instantiate { plugin: name.clone(), problem },
                false => SandboxError::NotAComponent { plugin: name.clone(), problem },
            }
        })?;
        check_imports(&name, &component, engine)?;
        let world = link(&manifest, &component, engine).map_err(|error| SandboxError::WrongWorld {
            plugin: name,
            world: manifest.world,
            problem: printable(&format!("{error:#}"), MESSAGE_CHARACTERS_MAX),
        })?;
        let label = format!("{} {}", manifest.name, manifest.version).into();
        Ok(Plugin { label, manifest, limits, engine: engine.clone(), concurrent: self.settings.concurrent, world })
    }

    fn component(&self, engine: &Engine, plugin: &VerifiedPlugin) -> wasmtime::Result<Component> {
        // What was compiled before was looked at before.
        let compile = || {
            nesting::check(plugin.component()).map_err(Refusal::Malformed)?;
            weight::check(plugin.component())?;
            Component::from_binary(engine, plugin.component())
        };
        match &self.cache {
            Some(cache) => cache.component(engine, plugin.manifest().component, compile),
            None => compile(),
        }
    }
}

fn check_imports(plugin: &str, component: &Component, engine: &Engine) -> Result<(), SandboxError> {
    let known = ["freehold:platform/platform@1.", "freehold:types/types@1."];
    for (import, _) in component.component_type().imports(engine) {
        if !known.iter().any(|known| import.starts_with(known)) {
            let import = printable(import, MESSAGE_CHARACTERS_MAX);
            return Err(SandboxError::ForeignImport { plugin: plugin.into(), import });
        }
    }
    Ok(())
}

fn link(manifest: &Manifest, component: &Component, engine: &Engine) -> wasmtime::Result<CompiledWorld> {
    let mut linker: Linker<PluginState> = Linker::new(engine);
    bindings::platform::add_to_linker::<_, HasSelf<PluginState>>(&mut linker, |state| state)?;
    let pre = linker.instantiate_pre(component)?;
    Ok(match manifest.world {
        World::Transform => {
            let exports = bindings::transform::GuestIndices::new(&pre)?;
            CompiledWorld::Transform(pre, exports)
        }
        World::Metric => {
            let exports = bindings::metric::GuestIndices::new(&pre)?;
            CompiledWorld::Metric(pre, exports)
        }
        World::Policy => CompiledWorld::Policy(bindings::policy::PolicyPluginPre::new(pre)?),
    })
}

impl Plugin {
    /// What its publisher signed.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it may use up here: what it asks for, capped by the host.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    fn wrong_world(&self, wanted: World) -> SandboxError {
        SandboxError::WrongWorld {
            plugin: self.manifest.name.to_string(),
            world: wanted,
            problem: format!("its manifest says that it is a {}", self.manifest.world),
        }
    }
}

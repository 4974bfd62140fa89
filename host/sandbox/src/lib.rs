//! Runs verified plugins in wasmtime. A plugin gets what its world imports and nothing else, within limits; whatever it does
//! comes back as a value or a typed error.
//!
//! One file a world: [`Transform`], [`Metric`], [`Policy`].

mod backtrace;
mod bindings;
mod cache;
mod clock;
mod convert;
mod engines;
mod error;
mod fates;
mod grants;
mod host;
mod instance;
mod lineage;
mod metric;
mod nesting;
mod output;
mod platform;
mod policy;
mod probe;
mod settings;
mod stack;
mod stream;
mod transform;
mod turns;
mod weight;

use std::sync::Arc;

pub use freehold_cache::Cache;
use freehold_core::contract;
use freehold_core::limits::{LimitKind, Limits, Metering};
use freehold_core::manifest::{Manifest, World};
use freehold_core::printable::printable;
use freehold_trust::VerifiedPlugin;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use engines::Engines;
use instance::MESSAGE_CHARACTERS_MAX;
use platform::PluginState;
use turns::Turns;
use weight::Refusal;

pub use error::{Bound, SandboxError};
pub use grants::Grants;
pub use host::HostSettings;
pub use metric::{Metric, MetricDescription};
pub use policy::Policy;
pub use stream::{Stream, WAITING, WAITING_BYTES};
pub use transform::{Transform, TransformDescription};

/// Compiles and runs plugins.
pub struct Sandbox {
    settings: HostSettings,
    engines: Engines,
    cache: Option<Cache>,
    turns: Arc<Turns>,
}

/// A compiled plugin, ready to be instantiated.
pub struct Plugin {
    /// Name and version, for messages.
    label: Arc<str>,
    component_bytes: u64,
    manifest: Arc<Manifest>,
    limits: Limits,
    engine: Engine,
    concurrent: u32,
    turns: Arc<Turns>,
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
        let turns = Arc::new(Turns::of_this_machine());
        Ok(Self { settings, engines: Engines::new(settings)?, cache, turns })
    }

    /// Compiles a plugin, or loads it from the cache, and checks that it is of its manifest's world: it imports the platform
    /// and nothing else.
    pub fn load(&self, plugin: &VerifiedPlugin) -> Result<Plugin, SandboxError> {
        let manifest = Arc::new(plugin.manifest().clone());
        let name = format!("{} {}", manifest.name, manifest.version);
        if manifest.limits.metering == Metering::Time && manifest.world != World::Transform {
            return Err(SandboxError::Metering { plugin: name, world: manifest.world });
        }
        let mut limits = manifest.limits.capped(self.settings.limits);
        check_size(plugin, self.settings.limits)?;
        // A plugin that asks for more stack than there is would overflow it one day.
        if manifest.limits.stack_bytes > limits.stack_bytes {
            let (kind, limit) = (LimitKind::StackBytes, limits.stack_bytes);
            return Err(SandboxError::Limit { plugin: name, kind, limit, bound: Bound::Host });
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
        check_border(&name, &manifest, &component, engine)?;
        let world = link(&manifest, &component, engine).map_err(|error| SandboxError::WrongWorld {
            plugin: name,
            world: manifest.world,
            problem: printable(&format!("{error:#}"), MESSAGE_CHARACTERS_MAX),
        })?;
        let label = format!("{} {}", manifest.name, manifest.version).into();
        let (engine, turns) = (engine.clone(), self.turns.clone());
        let (component_bytes, concurrent) = (plugin.component().len() as u64, self.settings.concurrent);
        Ok(Plugin { label, component_bytes, manifest, limits, engine, concurrent, turns, world })
    }

    fn component(&self, engine: &Engine, plugin: &VerifiedPlugin) -> wasmtime::Result<Component> {
        // What was compiled before was looked at before.
        let compile = || {
            nesting::check(plugin.component()).map_err(Refusal::Malformed)?;
            weight::check(plugin.component())?;
            Component::from_binary(engine, plugin.component())
        };
        match &self.cache {
            Some(cache) => cache::component(cache, engine, plugin.manifest().component, compile),
            None => compile(),
        }
    }
}

/// An error if a component is larger than its manifest says, or than `host` allows. Nothing is compiled.
pub fn check_size(plugin: &VerifiedPlugin, host: Limits) -> Result<(), SandboxError> {
    let (manifest, bytes) = (plugin.manifest(), plugin.component().len() as u64);
    let (kind, limit) = (LimitKind::ComponentBytes, manifest.limits.capped(host).component_bytes);
    if bytes <= limit {
        return Ok(());
    }
    let bound = if manifest.limits.component_bytes >= bytes { Bound::Host } else { Bound::Manifest };
    Err(SandboxError::Limit { plugin: format!("{} {}", manifest.name, manifest.version), kind, limit, bound })
}

/// Checks that the border of a component is that of the contract in its manifest. Once it is linked, its versions no longer show.
fn check_border(plugin: &str, manifest: &Manifest, component: &Component, engine: &Engine) -> Result<(), SandboxError> {
    let component = component.component_type();
    let imports = component.imports(engine).map(|(name, _)| printable(name, MESSAGE_CHARACTERS_MAX));
    let exports = component.exports(engine).map(|(name, _)| printable(name, MESSAGE_CHARACTERS_MAX));
    contract::check_border(&manifest.contract, imports, exports)
        .map_err(|problem| SandboxError::Border { plugin: plugin.into(), problem: Box::new(problem) })
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

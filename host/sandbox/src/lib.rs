//! Runs verified plugins in wasmtime. A plugin gets what its world imports and nothing else, within limits; whatever it does
//! comes back as a value or a typed error.
//!
//! One file a world: [`Transform`], [`Metric`], [`Policy`].

mod bindings;
mod clock;
mod convert;
mod error;
mod instance;
mod lineage;
mod metric;
mod platform;
mod policy;
mod transform;

use std::collections::BTreeMap;

use freehold_core::manifest::{Limits, Manifest, World};
use freehold_core::recipe::Settings;
use freehold_trust::VerifiedPlugin;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use clock::EpochClock;
use platform::PluginState;

pub use error::SandboxError;
pub use instance::Usage;
pub use metric::{Metric, MetricDescription};
pub use policy::Policy;
pub use transform::{Transform, TransformDescription};

/// Largest component that is compiled.
const COMPONENT_LIMIT: usize = 32 << 20;
/// Instances at one time: one for each plugin that a run uses at once, with room to spare.
const INSTANCES: u32 = 32;

/// What a run gives to a plugin.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Its settings, completed with the manifest's defaults.
    pub settings: Settings,
    /// The files that it may read, by name.
    pub assets: BTreeMap<String, Vec<u8>>,
}

/// Compiles and runs plugins.
pub struct Sandbox {
    engine: Engine,
    cap: Limits,
    _clock: EpochClock,
}

/// A compiled plugin, ready to be instantiated.
pub struct Plugin {
    manifest: Manifest,
    limits: Limits,
    engine: Engine,
    world: CompiledWorld,
}

enum CompiledWorld {
    Transform(bindings::transform::TransformPluginPre<PluginState>),
    Metric(bindings::metric::MetricPluginPre<PluginState>),
    Policy(bindings::policy::PolicyPluginPre<PluginState>),
}

/// Everything that makes the same bytes give the same bytes: fuel, canonical NaN, no threads, no relaxed SIMD. Epochs are
/// the backstop of wall-clock time.
fn config(cap: Limits) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(4 * INSTANCES)
        .total_memories(INSTANCES)
        .total_tables(4 * INSTANCES)
        .max_memories_per_component(1)
        .max_memory_size(cap.memory_bytes as usize);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

impl Sandbox {
    /// A sandbox that caps what plugins ask for.
    pub fn new(cap: Limits) -> Result<Self, SandboxError> {
        let engine = Engine::new(&config(cap)).map_err(|error| SandboxError::Engine(error.to_string()))?;
        let _clock = EpochClock::start(&engine)?;
        Ok(Self { engine, cap, _clock })
    }

    /// Compiles a plugin and checks that it is of its manifest's world: it imports the platform and nothing else.
    pub fn load(&self, plugin: &VerifiedPlugin) -> Result<Plugin, SandboxError> {
        let manifest = plugin.manifest().clone();
        let name = format!("{} {}", manifest.name, manifest.version);
        if plugin.component().len() > COMPONENT_LIMIT {
            let bytes = plugin.component().len();
            return Err(SandboxError::ComponentSize { plugin: name, bytes, limit: COMPONENT_LIMIT });
        }
        let component = Component::from_binary(&self.engine, plugin.component())
            .map_err(|error| SandboxError::NotAComponent { plugin: name.clone(), problem: format!("{error:#}") })?;
        self.check_imports(&name, &component)?;
        let world = self.link(&manifest, &component).map_err(|error| SandboxError::WrongWorld {
            plugin: name,
            world: manifest.world,
            problem: format!("{error:#}"),
        })?;
        Ok(Plugin { limits: manifest.limits.capped(self.cap), manifest, engine: self.engine.clone(), world })
    }

    fn check_imports(&self, plugin: &str, component: &Component) -> Result<(), SandboxError> {
        for (import, _) in component.component_type().imports(&self.engine) {
            if !["freehold:platform/platform@1.", "freehold:types/types@1."]
                .iter()
                .any(|known| import.starts_with(known))
            {
                return Err(SandboxError::ForeignImport { plugin: plugin.into(), import: import.into() });
            }
        }
        Ok(())
    }

    fn link(&self, manifest: &Manifest, component: &Component) -> wasmtime::Result<CompiledWorld> {
        let mut linker: Linker<PluginState> = Linker::new(&self.engine);
        bindings::platform::add_to_linker::<_, HasSelf<PluginState>>(&mut linker, |state| state)?;
        let pre = linker.instantiate_pre(component)?;
        Ok(match manifest.world {
            World::Transform => CompiledWorld::Transform(bindings::transform::TransformPluginPre::new(pre)?),
            World::Metric => CompiledWorld::Metric(bindings::metric::MetricPluginPre::new(pre)?),
            World::Policy => CompiledWorld::Policy(bindings::policy::PolicyPluginPre::new(pre)?),
        })
    }
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

//! One instance of a plugin: its store, its limits, and the one place where a failure becomes a typed error.

use freehold_core::manifest::Limits;
use serde::{Deserialize, Serialize};
use wasmtime::{Engine, Store, Trap};

use crate::clock::EpochClock;
use crate::platform::{Exceeded, PluginState, printable};
use crate::{Grants, Plugin, SandboxError};

/// What an instance used, and what it was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Fuel used.
    pub fuel: u64,
    /// Fuel allowed.
    pub fuel_limit: u64,
    /// Largest memory, in bytes.
    pub memory_bytes: u64,
    /// Memory allowed.
    pub memory_limit: u64,
    /// Bytes logged.
    pub log_bytes: u64,
    /// Bytes of log allowed.
    pub log_limit: u64,
}

/// Store and limits of an instance.
pub(crate) struct Instance {
    pub(crate) store: Store<PluginState>,
}

impl Instance {
    pub(crate) fn new(plugin: &Plugin, grants: Grants) -> Result<Self, SandboxError> {
        let name = format!("{} {}", plugin.manifest.name, plugin.manifest.version);
        let limits = plugin.limits;
        let mut store = store(&plugin.engine, PluginState::new(name, limits, grants));
        store.set_fuel(limits.fuel).map_err(|error| SandboxError::Engine(error.to_string()))?;
        let mut instance = Self { store };
        instance.start_clock();
        Ok(instance)
    }

    fn start_clock(&mut self) {
        let ticks = EpochClock::ticks(self.store.data().limits.wall_time_ms);
        self.store.set_epoch_deadline(ticks);
    }

    /// Makes one call within the limits; what the plugin returns as its own error becomes [`SandboxError::Refused`].
    pub(crate) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Store<PluginState>) -> wasmtime::Result<Result<T, String>>,
    ) -> Result<T, SandboxError> {
        self.start_clock();
        match call(&mut self.store) {
            Ok(Ok(value)) => Ok(value),
            // A guest that was refused memory and says so in its own words was still refused memory.
            Ok(Err(_)) if self.store.data().exceeded == Some(Exceeded::Memory) => {
                let limit = self.store.data().limits.memory_bytes;
                Err(SandboxError::Memory { plugin: self.plugin(), limit })
            }
            Ok(Err(message)) => {
                let message = printable(&message).chars().take(2000).collect();
                Err(SandboxError::Refused { plugin: self.plugin(), message })
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    pub(crate) fn plugin(&self) -> String {
        self.store.data().plugin.clone()
    }

    /// The reason behind a failed call.
    pub(crate) fn failure(&self, error: &wasmtime::Error) -> SandboxError {
        let (plugin, state) = (self.plugin(), self.store.data());
        let Limits { fuel, wall_time_ms, memory_bytes, output_bytes, log_bytes } = state.limits;
        match state.exceeded {
            Some(Exceeded::Memory) => return SandboxError::Memory { plugin, limit: memory_bytes },
            Some(Exceeded::Log) => return SandboxError::Log { plugin, limit: log_bytes },
            None => {}
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => return SandboxError::Fuel { plugin, limit: fuel },
            Some(Trap::Interrupt) => return SandboxError::WallTime { plugin, limit_ms: wall_time_ms },
            _ => {}
        }
        if let Some((message, location)) = state.panic.clone() {
            return SandboxError::Panicked { plugin, message, location };
        }
        let problem = format!("{:#}", error.root_cause());
        // wasmtime gives this error no public type.
        if problem.contains("too much data is being copied") {
            return SandboxError::Output { plugin, limit: output_bytes };
        }
        SandboxError::Trapped { plugin, problem: problem.lines().next().unwrap_or_default().into() }
    }

    pub(crate) fn usage(&self) -> Usage {
        let state = self.store.data();
        let left = self.store.get_fuel().unwrap_or(0);
        Usage {
            fuel: state.limits.fuel.saturating_sub(left),
            fuel_limit: state.limits.fuel,
            memory_bytes: state.memory_bytes,
            memory_limit: state.limits.memory_bytes,
            log_bytes: state.log_bytes,
            log_limit: state.limits.log_bytes,
        }
    }
}

fn store(engine: &Engine, state: PluginState) -> Store<PluginState> {
    let output_bytes = state.limits.output_bytes;
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.set_hostcall_fuel(usize::try_from(output_bytes).unwrap_or(usize::MAX));
    store.epoch_deadline_trap();
    store
}

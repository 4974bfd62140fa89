//! One instance of a plugin: its store, its limits, and the one place where a failure becomes a typed error.

use std::sync::Arc;
use std::time::Instant;

use freehold_core::limits::{LimitKind, Metering, Usage};
use wasmtime::component::{self, InstancePre};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use crate::clock::EpochClock;
use crate::platform::{PluginState, printable};
use crate::turns::Turns;
use crate::{Grants, Plugin, SandboxError, backtrace};

/// Store and limits of an instance.
pub(crate) struct Instance {
    pub(crate) store: Store<PluginState>,
    metering: Metering,
    concurrent: u32,
    turns: Arc<Turns>,
}

impl Instance {
    pub(crate) fn new(plugin: &Plugin, grants: Grants) -> Result<Self, SandboxError> {
        let limits = plugin.limits;
        let mut store = Store::new(&plugin.engine, PluginState::new(plugin, grants));
        store.limiter(|state| state);
        store.set_hostcall_fuel(usize::try_from(limits.output_bytes).unwrap_or(usize::MAX));
        store.epoch_deadline_trap();
        if limits.metering == Metering::Fuel {
            store.set_fuel(limits.fuel).map_err(|error| SandboxError::Engine(error.to_string()))?;
        }
        let (metering, turns) = (limits.metering, plugin.turns.clone());
        let mut instance = Self { store, metering, concurrent: plugin.concurrent, turns };
        instance.start_clock();
        Ok(instance)
    }

    /// Starts the plugin and finds what it exports.
    pub(crate) fn start<G>(
        &mut self,
        pre: &InstancePre<PluginState>,
        exports: impl FnOnce(&mut Store<PluginState>, &component::Instance) -> wasmtime::Result<G>,
    ) -> Result<G, SandboxError> {
        let started = pre.instantiate(&mut self.store).and_then(|started| exports(&mut self.store, &started));
        started.map_err(|error| self.failure(&error))
    }

    fn start_clock(&mut self) {
        let ticks = EpochClock::ticks(self.store.data().limits.wall_time_ms);
        self.store.set_epoch_deadline(ticks);
    }

    /// Makes one call within the limits, to which `bytes` are handed; what the plugin returns as its own error becomes
    /// [`SandboxError::Refused`].
    pub(crate) fn call<T>(
        &mut self,
        bytes: u64,
        call: impl FnOnce(&mut Store<PluginState>) -> wasmtime::Result<Result<T, String>>,
    ) -> Result<T, SandboxError> {
        self.store.data_mut().begin_call(bytes)?;
        let turns = self.turns.clone();
        let turn = turns.take();
        self.start_clock();
        let started = Instant::now();
        let called = call(&mut self.store);
        drop(turn);
        let state = self.store.data_mut();
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        state.wall_time_ms_max = state.wall_time_ms_max.max(milliseconds);
        match (called, state.exceeded) {
            (Ok(Ok(value)), _) => Ok(value),
            // A guest that was refused something and says so in its own words was still refused it.
            (Ok(Err(_)), Some(kind)) => Err(state.passed(kind)),
            (Ok(Err(message)), None) => {
                let message = printable(&message).chars().take(2000).collect();
                Err(SandboxError::Refused { plugin: state.plugin(), message })
            }
            (Err(error), _) => Err(self.failure(&error)),
        }
    }

    /// Notes how much a call returned.
    pub(crate) fn returned(&mut self, bytes: u64) {
        let state = self.store.data_mut();
        state.output_bytes_max = state.output_bytes_max.max(bytes);
    }

    pub(crate) fn plugin(&self) -> String {
        self.store.data().plugin()
    }

    /// The reason behind a failed call or start.
    pub(crate) fn failure(&self, error: &wasmtime::Error) -> SandboxError {
        let (plugin, state) = (self.plugin(), self.store.data());
        if let Some(kind) = state.exceeded {
            return state.passed(kind);
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return SandboxError::Busy { plugin, limit: self.concurrent };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => return state.passed(LimitKind::Fuel),
            Some(Trap::Interrupt) => return state.passed(LimitKind::WallTimeMs),
            Some(Trap::StackOverflow) => return state.passed(LimitKind::StackBytes),
            _ => {}
        }
        let trace = backtrace::of(error);
        if let Some((message, location)) = state.panic.clone() {
            return SandboxError::Panicked { plugin, message, location, trace };
        }
        let problem = format!("{:#}", error.root_cause());
        // wasmtime gives these errors no public types.
        if problem.contains("too much data is being copied") {
            return state.passed(LimitKind::OutputBytes);
        }
        if problem.contains("instance count too high") {
            return state.passed(LimitKind::Instances);
        }
        SandboxError::Trapped { plugin, problem: printable(problem.lines().next().unwrap_or_default()), trace }
    }

    pub(crate) fn usage(&self) -> Usage {
        let mut usage = self.store.data().usage();
        if self.metering == Metering::Fuel {
            let limit = self.store.data().limits.fuel;
            let left = self.store.get_fuel().unwrap_or(0);
            usage.set(LimitKind::Fuel, limit.saturating_sub(left), limit);
        }
        usage
    }
}

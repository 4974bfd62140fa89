//! One instance of a plugin: its store, its limits, and the one place where a failure becomes a typed error.

use std::sync::Arc;
use std::time::Instant;

use freehold_core::limits::{LimitKind, Metering, Usage};
use freehold_core::printable::printable;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use crate::clock::EpochClock;
use crate::output::Lifted;
use crate::platform::PluginState;
use crate::stack::with_stack;
use crate::turns::Turns;
use crate::{Grants, Plugin, SandboxError, backtrace};

/// More of a message than anybody reads.
pub(crate) const MESSAGE_CHARACTERS_MAX: usize = 2000;

/// Store and limits of an instance.
pub(crate) struct Instance {
    store: Store<PluginState>,
    concurrent: u32,
    turns: Arc<Turns>,
}

impl Instance {
    pub(crate) fn new(plugin: &Plugin, grants: Grants) -> Result<Self, SandboxError> {
        let limits = plugin.limits;
        let mut store = Store::new(&plugin.engine, PluginState::new(plugin, grants));
        store.limiter(|state| state);
        // What the host takes out of the plugin's memory at a time: results, or a text for the log. Each has a limit of its own,
        // which is looked at when it is there; this one bounds what is there at all.
        let taken = limits.output_bytes.max(limits.log_bytes);
        store.set_hostcall_fuel(usize::try_from(taken).unwrap_or(usize::MAX));
        store.epoch_deadline_trap();
        if limits.metering == Metering::Fuel {
            store.set_fuel(limits.fuel).map_err(|error| SandboxError::Engine(error.to_string()))?;
        }
        Ok(Self { store, concurrent: plugin.concurrent, turns: plugin.turns.clone() })
    }

    /// Starts the plugin: `start` instantiates it and finds what it exports.
    pub(crate) fn start<G: Send>(
        &mut self,
        start: impl FnOnce(&mut Store<PluginState>) -> wasmtime::Result<G> + Send,
    ) -> Result<G, SandboxError> {
        let started = self.run(start)?;
        started.map_err(|error| self.failure(&error))
    }

    /// Makes one call within the limits, to which `bytes` are handed; what the plugin returns as its own error becomes
    /// [`SandboxError::Refused`].
    pub(crate) fn call<T: Lifted>(
        &mut self,
        bytes: u64,
        call: impl FnOnce(&mut Store<PluginState>) -> wasmtime::Result<Result<T, String>> + Send,
    ) -> Result<T, SandboxError> {
        self.store.data_mut().begin_call(bytes)?;
        let called = self.run(call)?;
        let called = called.map_err(|error| self.failure(&error))?;
        let state = self.store.data_mut();
        state.returned(called.as_ref().map_or_else(|message| message.len() as u64, Lifted::bytes))?;
        match (called, state.exceeded) {
            (Ok(value), _) => Ok(value),
            // A guest that was refused something and says so in its own words was still refused it.
            (Err(_), Some(kind)) => Err(state.passed(kind)),
            (Err(message), None) => {
                let message = printable(&message, MESSAGE_CHARACTERS_MAX);
                Err(SandboxError::Refused { plugin: state.plugin(), message })
            }
        }
    }

    /// Lets the plugin work, with the time of one call and the fuel that is left. What the host does for it costs fuel too: it is
    /// held against what is left while the plugin runs, and taken from it afterwards.
    fn run<T: Send>(
        &mut self,
        work: impl FnOnce(&mut Store<PluginState>) -> wasmtime::Result<T> + Send,
    ) -> Result<wasmtime::Result<T>, SandboxError> {
        let limits = self.store.data().limits;
        let turns = self.turns.clone();
        let turn = turns.take();
        self.store.set_epoch_deadline(EpochClock::ticks(limits.wall_time_ms));
        let metered = limits.metering == Metering::Fuel;
        let fuel = if metered { self.store.get_fuel().unwrap_or(0) } else { u64::MAX };
        self.store.data_mut().begin_work(fuel);
        let (store, started) = (&mut self.store, Instant::now());
        let worked = with_stack(limits.stack_bytes, move || work(store))?;
        drop(turn);
        self.store.data_mut().worked(started.elapsed());
        if metered {
            let left = self.store.get_fuel().unwrap_or(0).checked_sub(self.store.data().work);
            self.store.set_fuel(left.unwrap_or(0)).map_err(|error| SandboxError::Engine(error.to_string()))?;
            if left.is_none() {
                return Err(self.store.data().passed(LimitKind::Fuel));
            }
        }
        Ok(worked)
    }

    pub(crate) fn keep_quiet(&mut self) {
        self.store.data_mut().quiet = true;
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
            // While the plugin runs, the one thing that it hands over in bulk is what it logs.
            let kind = if trace.is_some() { LimitKind::LogBytes } else { LimitKind::OutputBytes };
            return state.passed(kind);
        }
        if problem.contains("instance count too high") {
            return state.passed(LimitKind::Instances);
        }
        let problem = printable(problem.lines().next().unwrap_or_default(), MESSAGE_CHARACTERS_MAX);
        SandboxError::Trapped { plugin, problem, trace }
    }

    pub(crate) fn usage(&self) -> Usage {
        let mut usage = self.store.data().usage();
        if self.store.data().limits.metering == Metering::Fuel {
            let limit = self.store.data().limits.fuel;
            let left = self.store.get_fuel().unwrap_or(0);
            usage.set(LimitKind::Fuel, limit.saturating_sub(left), limit);
        }
        usage
    }
}

//! wasmtime bounds the stack for all that an engine runs, and counts instructions for all or for none: so there is an engine for
//! each metering and size of stack, made when a plugin first asks for it. What is compiled runs in any engine of its metering.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use freehold_core::limits::{LimitKind, Metering};
use wasmtime::Engine;

use crate::clock::EpochClock;
use crate::{HostSettings, SandboxError, host};

/// Stacks are as large as what is asked for, rounded up to this: each size costs address space.
const STEP_BYTES: u64 = 64 << 10;
/// The most stack that wasmtime gives to synchronous code.
pub(crate) const STACK_BYTES_MAX: u64 = 2 << 20;

pub(crate) struct Engines {
    settings: HostSettings,
    made: Mutex<BTreeMap<(bool, u64), Engine>>,
    clock: EpochClock,
}

impl Engines {
    /// No engine yet. Settings that no engine could have are refused here, not with the first plugin.
    pub(crate) fn new(settings: HostSettings) -> Result<Self, SandboxError> {
        let stack = settings.limits.stack_bytes;
        if !(1..=STACK_BYTES_MAX).contains(&stack) {
            let (kind, least, most) = (LimitKind::StackBytes, 1, STACK_BYTES_MAX);
            return Err(SandboxError::HostLimit { kind, limit: stack, least, most });
        }
        Ok(Self { settings, made: Mutex::default(), clock: EpochClock::start()? })
    }

    /// The bytes of stack that a plugin gets which asks for so many, within what the host allows.
    pub(crate) fn stack_bytes(&self, asked: u64) -> u64 {
        let cap = self.settings.limits.stack_bytes;
        asked.min(cap).max(1).next_multiple_of(STEP_BYTES).min(cap)
    }

    /// The engine of a metering whose stacks have so many bytes.
    pub(crate) fn get(&self, metering: Metering, stack_bytes: u64) -> Result<Engine, SandboxError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (metering == Metering::Fuel, stack_bytes);
        if let Some(engine) = made.get(&key) {
            return Ok(engine.clone());
        }
        let engine = host::engine(&self.settings, metering, stack_bytes)?;
        self.clock.moves(&engine);
        made.insert(key, engine.clone());
        Ok(engine)
    }
}

#[cfg(test)]
mod tests {
    use freehold_core::limits::Limits;

    use super::*;

    fn engines(stack_bytes: u64) -> Result<Engines, SandboxError> {
        let limits = Limits { stack_bytes, ..Limits::HOST };
        Engines::new(HostSettings { limits, ..HostSettings::default() })
    }

    #[test]
    fn a_stack_is_what_was_asked_for_and_no_more_than_the_host_allows() {
        let some = engines(100_000).unwrap();
        for (asked, gets) in [(0, 65_536), (1, 65_536), (65_536, 65_536), (65_537, 100_000), (u64::MAX, 100_000)] {
            assert_eq!(some.stack_bytes(asked), gets, "{asked}");
        }
        assert_eq!(engines(1 << 20).unwrap().stack_bytes(512 << 10), 512 << 10);
    }

    #[test]
    fn a_host_that_allows_an_impossible_stack_is_told_so() {
        for stack in [0, STACK_BYTES_MAX + 1, u64::MAX] {
            let error = engines(stack).err().unwrap();
            assert!(matches!(error, SandboxError::HostLimit { limit, .. } if limit == stack), "{error}");
            assert!(error.to_string().contains("from 1 to 2097152"), "{error}");
            assert!(error.remedy().contains("`stack_bytes`") && error.remedy().contains("host.toml"));
        }
        for stack in [1, STACK_BYTES_MAX] {
            let some = engines(stack).unwrap();
            some.get(Metering::Time, some.stack_bytes(stack)).unwrap();
        }
    }
}

//! What the host gives to plugins: engines, and the most that any plugin may use up.

use freehold_core::limits::{Limits, Metering};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::SandboxError;

/// What the operator of a host allows plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSettings {
    /// How many plugins run at one time.
    pub concurrent: u32,
    /// The most that any plugin may use up, whatever it asks for.
    pub limits: Limits,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self { concurrent: 512, limits: Limits::HOST }
    }
}

/// What stays in memory of a slot that an instance has left.
const WARM_BYTES: usize = 256 << 10;

/// Tables of one plugin; compilers make one or two.
const TABLES: u32 = 16;

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Everything that makes the same bytes give the same bytes: canonical NaN, no threads, no relaxed SIMD, and fuel where the
/// metering asks for it. Epochs are the backstop of wall-clock time in both.
pub(crate) fn engine(settings: &HostSettings, metering: Metering, stack_bytes: u64) -> Result<Engine, SandboxError> {
    let cap = settings.limits;
    let concurrent = settings.concurrent.max(1);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(concurrent)
        .total_core_instances(concurrent.saturating_mul(4))
        .total_memories(concurrent)
        .total_tables(concurrent.saturating_mul(4).max(TABLES))
        .max_core_instances_per_component(narrow(cap.instances))
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(usize::try_from(cap.table_elements).unwrap_or(usize::MAX))
        // Address space only: what a plugin may use is looked at when its memory is made and when it grows.
        .max_memory_size(4 << 30);
    // Where the kernel says which pages were written, they are reset in place: an instance after another then takes no page
    // faults. Elsewhere pages are given back, which costs less than to write over those that nobody touched.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(WARM_BYTES).table_keep_resident(WARM_BYTES);
    }
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .consume_fuel(metering == Metering::Fuel)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        // What only debuggers and native unwinders read would be half of what a loaded plugin takes. Backtraces of guests name
        // functions without it.
        .generate_address_map(false)
        .native_unwind_info(false)
        .debug_symbols(false)
        .wasm_relaxed_simd(false)
        .max_wasm_stack(usize::try_from(stack_bytes).unwrap_or(usize::MAX))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| SandboxError::Engine(error.to_string()))
}

//! What a plugin can ask of the host, and the account of what it used.

use std::sync::Arc;
use std::time::Duration;

use freehold_core::limits::{LimitKind, Limits, Usage};
use freehold_core::manifest::Manifest;
use freehold_core::printable::printable;
use wasmtime::ResourceLimiter;

use crate::bindings::platform::{Host, Level, Setting};
use crate::error::Bound;
use crate::instance::MESSAGE_CHARACTERS_MAX;
use crate::{Grants, Plugin, SandboxError, settings};

/// Fuel for each call of the host, beside one unit for each byte that it carries: about what the call takes, in instructions.
const CALL_FUEL: u64 = 500;
/// Longest name of an asset, in bytes.
const ASSET_NAME_BYTES_MAX: usize = 256;

/// The host's side of one instance.
pub(crate) struct PluginState {
    plugin: Arc<str>,
    manifest: Arc<Manifest>,
    /// What it gets of what the manifest asks for: no more than the host allows.
    pub(crate) limits: Limits,
    grants: Grants,
    component_bytes: u64,
    memory_bytes: u64,
    table_elements: u64,
    log_bytes: u64,
    /// Log lines are counted and shown to nobody.
    pub(crate) quiet: bool,
    /// Handed over in the current call.
    input_bytes: u64,
    input_bytes_max: u64,
    output_bytes_max: u64,
    pub(crate) wall_time_ms_max: u64,
    /// What the host did for the plugin while it works, in units of fuel, and how much it may do.
    pub(crate) work: u64,
    work_max: u64,
    /// A limit that the host enforced itself. Kept because the guest sees only a failed call or allocation.
    pub(crate) exceeded: Option<LimitKind>,
    pub(crate) panic: Option<(String, String)>,
}

impl PluginState {
    pub(crate) fn new(plugin: &Plugin, grants: Grants) -> Self {
        Self {
            plugin: plugin.label.clone(),
            manifest: plugin.manifest.clone(),
            limits: plugin.limits,
            grants,
            component_bytes: plugin.component_bytes,
            memory_bytes: 0,
            table_elements: 0,
            log_bytes: 0,
            quiet: false,
            input_bytes: 0,
            input_bytes_max: 0,
            output_bytes_max: 0,
            wall_time_ms_max: 0,
            work: 0,
            work_max: 0,
            exceeded: None,
            panic: None,
        }
    }

    pub(crate) fn plugin(&self) -> String {
        self.plugin.to_string()
    }

    /// The error for a limit that was passed.
    pub(crate) fn passed(&self, kind: LimitKind) -> SandboxError {
        let limit = self.limits.get(kind);
        let bound = if self.manifest.limits.get(kind) > limit { Bound::Host } else { Bound::Manifest };
        SandboxError::Limit { plugin: self.plugin(), kind, limit, bound }
    }

    /// A call begins, to which `bytes` are handed.
    pub(crate) fn begin_call(&mut self, bytes: u64) -> Result<(), SandboxError> {
        self.input_bytes = 0;
        // What happened in a call before, and was borne with, explains nothing that happens in this one.
        (self.exceeded, self.panic) = (None, None);
        self.hand_over(bytes).map_err(|_| self.passed(LimitKind::InputBytes))
    }

    /// The plugin begins to work, with so much fuel.
    pub(crate) fn begin_work(&mut self, fuel: u64) {
        (self.work, self.work_max) = (0, fuel);
    }

    /// The plugin worked for so long.
    pub(crate) fn worked(&mut self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.wall_time_ms_max = self.wall_time_ms_max.max(milliseconds);
    }

    /// A call of the host that carries `bytes`: work that the plugin's own instructions do not show.
    fn call(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.work = self.work.saturating_add(CALL_FUEL).saturating_add(bytes as u64);
        if self.work <= self.work_max {
            return Ok(());
        }
        self.exceeded = Some(LimitKind::Fuel);
        Err(wasmtime::Error::msg(LimitKind::Fuel.code()))
    }

    fn logs(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.log_bytes = self.log_bytes.saturating_add(bytes as u64);
        self.within(LimitKind::LogBytes, self.log_bytes)
    }

    /// A call returned so many bytes.
    pub(crate) fn returned(&mut self, bytes: u64) -> Result<(), SandboxError> {
        if bytes > self.limits.output_bytes {
            return Err(self.passed(LimitKind::OutputBytes));
        }
        self.output_bytes_max = self.output_bytes_max.max(bytes);
        Ok(())
    }

    fn hand_over(&mut self, bytes: u64) -> wasmtime::Result<()> {
        self.input_bytes = self.input_bytes.saturating_add(bytes);
        self.input_bytes_max = self.input_bytes_max.max(self.input_bytes);
        self.within(LimitKind::InputBytes, self.input_bytes)
    }

    fn within(&mut self, kind: LimitKind, used: u64) -> wasmtime::Result<()> {
        if used <= self.limits.get(kind) {
            return Ok(());
        }
        self.exceeded = Some(kind);
        Err(wasmtime::Error::msg(kind.code()))
    }

    /// What was used of the limits that the state counts.
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for (kind, used) in [
            (LimitKind::WallTimeMs, self.wall_time_ms_max),
            (LimitKind::MemoryBytes, self.memory_bytes),
            (LimitKind::TableElements, self.table_elements),
            (LimitKind::InputBytes, self.input_bytes_max),
            (LimitKind::OutputBytes, self.output_bytes_max),
            (LimitKind::LogBytes, self.log_bytes),
            (LimitKind::ComponentBytes, self.component_bytes),
        ] {
            usage.set(kind, used, self.limits.get(kind));
        }
        usage
    }
}

impl Host for PluginState {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.call(message.len())?;
        // Empty lines have to count too.
        self.logs(message.len() + 1)?;
        if self.quiet {
            return Ok(());
        }
        let (plugin, message) = (&self.plugin, printable(&message, usize::MAX));
        match level {
            Level::Debug => tracing::debug!(%plugin, "{message}"),
            Level::Info => tracing::info!(%plugin, "{message}"),
            Level::Warn => tracing::warn!(%plugin, "{message}"),
            Level::Error => tracing::error!(%plugin, "{message}"),
        }
        Ok(())
    }

    fn panicked(&mut self, message: String, location: String) -> wasmtime::Result<()> {
        self.call(message.len() + location.len())?;
        let (message, location) = (printable(&message, MESSAGE_CHARACTERS_MAX), printable(&location, 200));
        self.logs(message.len() + location.len() + 1)?;
        self.panic = Some((message, location));
        Ok(())
    }

    fn settings(&mut self) -> wasmtime::Result<String> {
        let bytes = self.grants.document().len();
        self.call(bytes)?;
        self.hand_over(bytes as u64)?;
        Ok(self.grants.document().to_owned())
    }

    fn typed_settings(&mut self) -> wasmtime::Result<Vec<Setting>> {
        let settings = settings::typed(self.grants.settings(), &self.manifest.settings)?;
        let bytes = settings::bytes(&settings);
        self.call(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        self.hand_over(bytes)?;
        Ok(settings)
    }

    fn asset(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.call(name.len())?;
        if name.len() > ASSET_NAME_BYTES_MAX {
            return Err(wasmtime::Error::msg(format!("it asked for an asset by a name of {} bytes", name.len())));
        }
        let grants = self.grants.clone();
        let Some(bytes) = grants.asset(&name) else { return Ok(None) };
        self.call(bytes.len())?;
        self.hand_over(bytes.len() as u64)?;
        Ok(Some(bytes.to_vec()))
    }
}

impl ResourceLimiter for PluginState {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes + (desired - current) as u64;
        if total > self.limits.memory_bytes {
            self.exceeded = Some(LimitKind::MemoryBytes);
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements + (desired - current) as u64;
        if total > self.limits.table_elements {
            self.exceeded = Some(LimitKind::TableElements);
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        usize::try_from(self.limits.instances).unwrap_or(usize::MAX)
    }
}

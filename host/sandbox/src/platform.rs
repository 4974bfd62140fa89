//! What a plugin can ask of the host, and the account of what it used.

use std::sync::Arc;

use freehold_core::limits::{LimitKind, Limits, Usage};
use freehold_core::manifest::Manifest;
use wasmtime::ResourceLimiter;

use crate::bindings::platform::{Host, Level, Setting};
use crate::error::Bound;
use crate::{Grants, Plugin, SandboxError, settings};

/// The host's side of one instance.
pub(crate) struct PluginState {
    plugin: Arc<str>,
    manifest: Arc<Manifest>,
    /// What it gets of what the manifest asks for: no more than the host allows.
    pub(crate) limits: Limits,
    grants: Grants,
    memory_bytes: u64,
    table_elements: u64,
    log_bytes: u64,
    /// Handed over in the current call.
    input_bytes: u64,
    input_bytes_max: u64,
    pub(crate) output_bytes_max: u64,
    pub(crate) wall_time_ms_max: u64,
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
            memory_bytes: 0,
            table_elements: 0,
            log_bytes: 0,
            input_bytes: 0,
            input_bytes_max: 0,
            output_bytes_max: 0,
            wall_time_ms_max: 0,
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
        self.hand_over(bytes).map_err(|_| self.passed(LimitKind::InputBytes))
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
        ] {
            usage.set(kind, used, self.limits.get(kind));
        }
        usage
    }
}

/// What a plugin says is shown on one line, whatever it holds.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Host for PluginState {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        // Empty lines have to count too.
        self.log_bytes = self.log_bytes.saturating_add(message.len() as u64 + 1);
        self.within(LimitKind::LogBytes, self.log_bytes)?;
        let (plugin, message) = (&self.plugin, printable(&message));
        match level {
            Level::Debug => tracing::debug!(%plugin, "{message}"),
            Level::Info => tracing::info!(%plugin, "{message}"),
            Level::Warn => tracing::warn!(%plugin, "{message}"),
            Level::Error => tracing::error!(%plugin, "{message}"),
        }
        Ok(())
    }

    fn panicked(&mut self, message: String, location: String) -> wasmtime::Result<()> {
        let short = |text: &str, limit: usize| printable(text).chars().take(limit).collect();
        self.panic = Some((short(&message, 2000), short(&location, 200)));
        Ok(())
    }

    fn settings(&mut self) -> wasmtime::Result<String> {
        self.hand_over(self.grants.document().len() as u64)?;
        Ok(self.grants.document().to_owned())
    }

    fn typed_settings(&mut self) -> wasmtime::Result<Vec<Setting>> {
        let settings = settings::typed(self.grants.settings(), &self.manifest.settings)?;
        self.hand_over(settings::bytes(&settings))?;
        Ok(settings)
    }

    fn asset(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let grants = self.grants.clone();
        let Some(bytes) = grants.asset(&name) else { return Ok(None) };
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

//! What a plugin can ask of the host, and the account of what it used.

use freehold_core::manifest::Limits;
use wasmtime::ResourceLimiter;

use crate::Grants;
use crate::bindings::platform::{Host, Level};

/// The host's side of one instance.
pub(crate) struct PluginState {
    pub(crate) plugin: String,
    pub(crate) limits: Limits,
    pub(crate) settings: String,
    pub(crate) grants: Grants,
    pub(crate) log_bytes: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) exceeded: Option<Exceeded>,
    pub(crate) panic: Option<(String, String)>,
}

/// A limit that the host enforced itself. Kept because the guest sees only a failed call or allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Memory,
    Log,
}

impl PluginState {
    pub(crate) fn new(plugin: String, limits: Limits, grants: Grants) -> Self {
        let settings = grants.settings.to_string();
        Self { plugin, limits, settings, grants, log_bytes: 0, memory_bytes: 0, exceeded: None, panic: None }
    }

    fn take_log_bytes(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.log_bytes += bytes as u64;
        if self.log_bytes > self.limits.log_bytes {
            self.exceeded = Some(Exceeded::Log);
            return Err(wasmtime::Error::msg("log limit"));
        }
        Ok(())
    }
}

/// What a plugin says is shown on one line, whatever it holds.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Host for PluginState {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.take_log_bytes(message.len())?;
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
        let short = |text: &str| printable(text).chars().take(2000).collect();
        self.panic = Some((short(&message), short(&location)));
        Ok(())
    }

    fn settings(&mut self) -> wasmtime::Result<String> {
        Ok(self.settings.clone())
    }

    fn asset(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.grants.assets.get(&name).cloned())
    }
}

impl ResourceLimiter for PluginState {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired as u64 <= self.limits.memory_bytes;
        if allowed {
            self.memory_bytes = self.memory_bytes.max(desired as u64);
        } else {
            self.exceeded = Some(Exceeded::Memory);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000)
    }
}

//! `host.toml` in a home: what its operator lets plugins use up, whatever they ask for.

use std::collections::BTreeMap;

use freehold_core::limits::{LimitKind, Limits, Metering};
use freehold_core::toml_text;
use freehold_sandbox::{Cache, HostSettings, Sandbox};
use freehold_trust::MacKey;
use serde::Deserialize;

use crate::{Home, WorkflowError};

const FILE: &str = "host.toml";
const FILE_LIMIT: u64 = 1 << 20;
const CACHE: &str = "cache";
const SECRET: &str = "cache/secret";

/// The whole file. What it leaves out is as it would be without it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HostFile {
    plugins: PluginsTable,
}

/// `[plugins]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PluginsTable {
    /// How many plugins run at one time.
    concurrent: u32,
    /// `fuel` counts the instructions of every plugin, also of those that ask for time alone.
    metering: Metering,
    /// `[plugins.limits]`: the most that any plugin may use up.
    limits: BTreeMap<LimitKind, u64>,
}

impl Default for PluginsTable {
    fn default() -> Self {
        let HostSettings { concurrent, limits } = HostSettings::default();
        Self { concurrent, metering: limits.metering, limits: BTreeMap::new() }
    }
}

impl From<PluginsTable> for HostSettings {
    fn from(table: PluginsTable) -> Self {
        let mut limits = Limits { metering: table.metering, ..Limits::HOST };
        for (kind, limit) in table.limits {
            limits.set(kind, limit);
        }
        Self { concurrent: table.concurrent, limits }
    }
}

impl Home {
    /// What the operator allows.
    pub fn host_settings(&self) -> Result<HostSettings, WorkflowError> {
        let bytes = match freehold_files::read(&self.dir, FILE, FILE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return Ok(HostSettings::default()),
            Err(error) => return Err(error.into()),
        };
        let document = String::from_utf8_lossy(&bytes).into_owned();
        match toml_text::parse::<HostFile>(&document) {
            Ok(file) => Ok(file.plugins.into()),
            Err(error) => Err(WorkflowError::Toml { file: FILE.into(), document, error }),
        }
    }

    /// A sandbox as the operator allows it, with the home's cache of compiled plugins.
    pub fn sandbox(&self) -> Result<Sandbox, WorkflowError> {
        Ok(Sandbox::new(self.host_settings()?, Some(self.plugin_cache()?))?)
    }

    /// The secret is made with the first plugin; one that is lost costs a compilation.
    fn plugin_cache(&self) -> Result<Cache, WorkflowError> {
        let _lock = self.lock(CACHE)?;
        let known = match freehold_files::read(&self.dir, SECRET, 32) {
            Ok(bytes) => MacKey::from_bytes(&bytes),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        let key = match known {
            Some(key) => key,
            None => {
                let failed = |source| WorkflowError::Key { name: SECRET.into(), source };
                let key = MacKey::generate().map_err(failed)?;
                freehold_files::write_secret(&self.dir, SECRET, key.as_bytes())?;
                key
            }
        };
        Ok(Cache::new(self.folder(CACHE)?, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(document: &str) -> Result<HostSettings, String> {
        let file = toml_text::parse::<HostFile>(document);
        file.map(|file| file.plugins.into()).map_err(|error| error.message + &error.remedy.unwrap_or_default())
    }

    #[test]
    fn what_is_left_out_is_as_without_a_file() {
        assert_eq!(settings("").unwrap(), HostSettings::default());
        assert_eq!(settings("[plugins]\n").unwrap(), HostSettings::default());
        let some = settings("[plugins]\nconcurrent = 3\nmetering = \"fuel\"\n[plugins.limits]\nfuel = 7\n").unwrap();
        assert_eq!((some.concurrent, some.limits.fuel, some.limits.metering), (3, 7, Metering::Fuel));
        assert_eq!(some.limits.memory_bytes, Limits::HOST.memory_bytes);
    }

    #[test]
    fn unknown_keys_are_errors_with_a_suggestion() {
        assert!(settings("[plugins]\nconcurent = 3").unwrap_err().contains("concurrent"));
        assert!(settings("[plugins.limits]\nfeul = 3").unwrap_err().contains("fuel"));
        assert!(settings("[plugins.limits]\nfuel = -3").is_err());
        assert!(settings("[plugin]\n").unwrap_err().contains("plugins"));
    }
}

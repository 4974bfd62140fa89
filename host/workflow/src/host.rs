//! `host.toml` in a home: what its operator lets plugins use up, whatever they ask for; how it serves; what energy costs; which
//! data may be where.

use std::collections::BTreeMap;

use freehold_cache::Cache;
use freehold_core::digest::Digest;
use freehold_core::limits::{LimitKind, Limits, Metering};
use freehold_core::name::Alias;
use freehold_core::toml_text::{self, TomlError, span_of};
use freehold_sandbox::{HostSettings, Sandbox};
use freehold_trust::MacKey;
use serde::Deserialize;

use crate::energy::{CostTable, EnergySettings, EnergyTable};
use crate::labels::{AliasTable, LabelRules, LicensesTable, ResidencyTable};
use crate::serving::{self, ServeSettings};
use crate::{Home, WorkflowError};

/// A key of the file that cannot be used: its path, what is wrong, and what to do.
pub(crate) type Wrong = (&'static [&'static str], String, &'static str);

/// What the operator of a home allows, in a file of it.
pub const HOST_FILE: &str = "host.toml";
const FILE_LIMIT: u64 = 1 << 20;
const CACHE: &str = "cache";
const SECRET: &str = "cache/secret";
/// Each plugin that may run at a time takes 4 GiB of address space in each of two engines, and there are 128 TiB of it.
const CONCURRENT_MAX: u32 = 8_192;

/// The whole file. What it leaves out is as it would be without it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HostFile {
    plugins: PluginsTable,
    serve: ServeSettings,
    energy: EnergyTable,
    cost: CostTable,
    residency: ResidencyTable,
    licenses: LicensesTable,
    aliases: BTreeMap<Alias, AliasTable>,
}

/// All that the operator says.
#[derive(Debug)]
struct HostRules {
    plugins: HostSettings,
    serve: ServeSettings,
    energy: EnergySettings,
    labels: LabelRules,
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

/// Reads the file. What would let no plugin run or nothing be served, or makes no sense, is an error that names the key.
fn parse(document: &str) -> Result<HostRules, TomlError> {
    let HostFile { plugins, serve, energy, cost, residency, licenses, aliases } = toml_text::parse(document)?;
    serving::check_settings(document, &serve)?;
    let refused = |path: &[&str], message: String, remedy: &str| {
        Err(TomlError { message, span: span_of(document, path), remedy: Some(remedy.into()) })
    };
    let concurrent = plugins.concurrent;
    if !(1..=CONCURRENT_MAX).contains(&concurrent) {
        let message = format!("`plugins.concurrent` is {concurrent}; it must be from 1 to {CONCURRENT_MAX}");
        return refused(
            &["plugins", "concurrent"],
            message,
            "write how many plugins may run at a time, or leave it out",
        );
    }
    if let Some(kind) = plugins.limits.iter().find_map(|(kind, limit)| (*limit == 0).then_some(*kind)) {
        let message = format!("`plugins.limits.{kind}` is 0, so that no plugin could run");
        let remedy = "write the most that a plugin may use, or leave it out for this program's own limit";
        return refused(&["plugins", "limits", kind.key()], message, remedy);
    }
    let wrong = |(path, message, remedy): Wrong| TomlError {
        message,
        span: span_of(document, path),
        remedy: Some(remedy.into()),
    };
    let energy = EnergySettings::of(energy, cost).map_err(wrong)?;
    let labels = LabelRules::of(residency, licenses, aliases).map_err(wrong)?;
    Ok(HostRules { plugins: plugins.into(), serve, energy, labels })
}

impl Home {
    /// What the operator allows plugins.
    pub fn host_settings(&self) -> Result<HostSettings, WorkflowError> {
        Ok(self.host_rules()?.plugins)
    }

    /// How the operator serves.
    pub fn serve_settings(&self) -> Result<ServeSettings, WorkflowError> {
        Ok(self.host_rules()?.serve)
    }

    /// How energy is known here, and what it costs.
    pub(crate) fn energy_settings(&self) -> Result<EnergySettings, WorkflowError> {
        Ok(self.host_rules()?.energy)
    }

    /// Which data, and what is made of them, may be here and be used.
    pub(crate) fn label_rules(&self) -> Result<LabelRules, WorkflowError> {
        Ok(self.host_rules()?.labels)
    }

    /// The digest of the file; `None` if it is missing.
    pub(crate) fn host_file_digest(&self) -> Result<Option<Digest>, WorkflowError> {
        match freehold_files::read(&self.dir, HOST_FILE, FILE_LIMIT) {
            Ok(bytes) => Ok(Some(Digest::of(&bytes))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The whole file; one that is missing says nothing.
    fn host_rules(&self) -> Result<HostRules, WorkflowError> {
        let bytes = match freehold_files::read(&self.dir, HOST_FILE, FILE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let document = String::from_utf8_lossy(&bytes).into_owned();
        parse(&document).map_err(|error| WorkflowError::Toml { file: HOST_FILE.into(), document, error })
    }

    /// Whether the operator has said what is allowed.
    pub fn has_host_file(&self) -> Result<bool, WorkflowError> {
        Ok(freehold_files::exists(&self.dir, HOST_FILE)?)
    }

    /// A sandbox as the operator allows it, with the home's cache.
    pub fn sandbox(&self) -> Result<Sandbox, WorkflowError> {
        Ok(Sandbox::new(self.host_settings()?, Some(self.cache()?))?)
    }

    /// What this home need not do twice. The secret is made when it is first needed; one that is lost costs doing it again.
    pub(crate) fn cache(&self) -> Result<Cache, WorkflowError> {
        let _lock = self.lock(CACHE)?;
        let known = match freehold_files::read_secret(&self.dir, SECRET, 32) {
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
        parse(document).map(|rules| rules.plugins).map_err(|error| {
            let line = error.line(document).unwrap_or_default();
            format!("{line}: {}; {}", error.message, error.remedy.unwrap_or_default())
        })
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

    #[test]
    fn what_would_let_no_plugin_run_is_named() {
        for (document, parts) in [
            ("[plugins]\nconcurrent = 0", ["2: `plugins.concurrent` is 0", "from 1 to 8192", "leave it out"]),
            ("[plugins]\nconcurrent = 8193", ["2: `plugins.concurrent` is 8193", "from 1 to 8192", "leave it out"]),
            ("[plugins.limits]\nfuel = 1\nlog_bytes = 0", ["3: `plugins.limits.log_bytes` is 0", "no plugin", "leave"]),
            ("[plugins]\nmetering = \"feul\"", ["2: unknown variant `feul`", "did you mean", "`fuel`"]),
            ("[plugins]\nmetering = \"none\"", ["2: unknown variant `none`", "known here", "fuel, time"]),
        ] {
            let error = settings(document).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{document}: {error}");
        }
        for kind in LimitKind::ALL {
            let error = settings(&format!("[plugins.limits]\n{kind} = 0")).unwrap_err();
            assert!(error.starts_with(&format!("2: `plugins.limits.{kind}` is 0")), "{error}");
            settings(&format!("[plugins.limits]\n{kind} = 1")).unwrap();
        }
        assert_eq!(settings("[plugins]\nconcurrent = 1").unwrap().concurrent, 1);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (document, parts) in [
            ("[energy]\nwatts = 0", ["2: `energy.watts` is 0", "above 0"]),
            ("[energy]\nwatts = nan", ["2: `energy.watts` is NaN", "above 0"]),
            ("[energy]\nwatts = 1\nwatts_per_core = 1", ["3: `energy.watts` and `energy.watts_per_core`", "leave one"]),
            ("[energy]\npowercap = \"sys\"", ["2: `energy.powercap` must be the whole path", "leave it out"]),
            ("[energy]\nwats = 1", ["2: unknown field `wats`", "`watts`"]),
            ("[cost]\nper_kwh = 0.3", ["`cost` needs a `currency`", "such as"]),
            ("[cost]\ncurrency = \"EUR\"", ["`cost` needs a `currency`, and", "such as"]),
            ("[cost]\ncurrency = \" \"\nper_hour = 1", ["`cost` needs a `currency`", "such as"]),
            ("[cost]\ncurrency = \"EUR\"\nper_hour = -1", ["3: `cost.per_hour` is -1", "above 0"]),
            ("[residency.rules]\neu = [\"eu\"]", ["`residency.rules`", "such as `place"]),
            ("[residency]\nplace = \"\"\nrules.eu = [\"eu\"]", ["nobody says at which place", "such as `place"]),
            ("[aliases.nothing]\nlicenses = []", ["1: ", "nothing"]),
            ("[aliases.\"a@b\"]\nlicences = []", ["2: unknown field `licences`", "`licenses`"]),
        ] {
            let error = settings(document).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{document}: {error}");
        }
    }
}

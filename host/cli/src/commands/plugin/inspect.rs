//! `freehold plugin inspect`

use std::path::Path;

use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use freehold_trust::VerifiedPlugin;
use freehold_workflow::{Catalog, ExitCode, Home};
use semver::{Version, VersionReq};
use serde_json::json;

use crate::commands::open_folder;
use crate::failure::Failure;
use crate::page::{Terminal, pairs, table};

pub(super) fn run(home: &Home, plugin: &str, from: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let plugin = load(home, plugin, from)?;
    let value = json!({ "manifest": plugin.manifest(), "signer": plugin.signer(), "bytes": plugin.component().len() });
    terminal.print(&value, |_| show(&plugin));
    Ok(())
}

fn load(home: &Home, plugin: &str, from: &Path) -> Result<VerifiedPlugin, Failure> {
    let (name, version) = plugin.split_once('@').unwrap_or((plugin, "*"));
    let usage = |error: &dyn std::fmt::Display| {
        Failure::new(ExitCode::Usage, error.to_string(), "write publisher/name or publisher/name@version")
    };
    let name: PluginName = name.parse().map_err(|error| usage(&error))?;
    let wanted = match version {
        "*" => VersionReq::STAR,
        exact => format!("={}", exact.parse::<Version>().map_err(|error| usage(&error))?)
            .parse()
            .map_err(|error| usage(&error))?,
    };
    let catalog = Catalog::new(open_folder(from)?, &from.display().to_string());
    let version = catalog.choose(&name, &wanted, None)?;
    Ok(catalog.load(&home.trust_root()?, &name, &version)?)
}

fn show(plugin: &VerifiedPlugin) {
    let Manifest { name, version, world, contract, description, component, limits, created, expires, .. } =
        plugin.manifest();
    pairs(&[
        ("plugin", format!("{name} {version}")),
        ("what", description.clone()),
        ("world", format!("{world}, contract {contract}")),
        ("component", format!("{component}, {} bytes", plugin.component().len())),
        ("signed", format!("by {} at {created}, expires {expires}", plugin.signer().short())),
        (
            "capabilities",
            match plugin.manifest().capabilities.is_empty() {
                true => "none".into(),
                false => plugin.manifest().capabilities.join(", "),
            },
        ),
        (
            "limits",
            format!(
                "fuel {}, {} MiB of memory, {} ms a call",
                limits.fuel,
                limits.memory_bytes >> 20,
                limits.wall_time_ms
            ),
        ),
    ]);
    let settings = &plugin.manifest().settings;
    if settings.is_empty() {
        return;
    }
    let row = |(key, schema): (&String, &freehold_core::manifest::SettingSchema)| {
        let default = match (&schema.default, schema.optional) {
            (Some(default), _) => default.to_string(),
            (None, true) => "optional".into(),
            (None, false) => "required".into(),
        };
        vec![key.clone(), format!("{:?}", schema.kind).to_lowercase(), default, schema.description.clone()]
    };
    table(&["Setting", "Type", "Default", "What it does"], settings.iter().map(row).collect());
}

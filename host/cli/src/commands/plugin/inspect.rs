//! `freehold plugin inspect`

use std::path::Path;

use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use freehold_trust::VerifiedPlugin;
use freehold_workflow::{Catalog, ExitCode, Home, Wanted};
use semver::{Version, VersionReq};
use serde_json::json;

use crate::commands::open_folder;
use crate::failure::Failure;
use crate::page::{Terminal, pairs, table};

pub(super) fn run(home: &Home, plugin: &str, from: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let (plugin, yanked) = load(home, plugin, from)?;
    let (signer, bytes) = (plugin.signer(), plugin.component().len());
    let value = json!({ "manifest": plugin.manifest(), "signer": signer, "bytes": bytes, "yanked": yanked });
    terminal.print(&value, |_| show(&plugin, yanked.as_deref()));
    Ok(())
}

fn load(home: &Home, plugin: &str, from: &Path) -> Result<(VerifiedPlugin, Option<String>), Failure> {
    let (name, version) = plugin.split_once('@').unwrap_or((plugin, "*"));
    let usage = |error: &dyn std::fmt::Display| {
        Failure::new(ExitCode::Usage, error.to_string(), "write publisher/name or publisher/name@version")
    };
    let name: PluginName = name.parse().map_err(|error| usage(&error))?;
    let exact: Option<Version> = match version {
        "*" => None,
        exact => Some(exact.parse().map_err(|error| usage(&error))?),
    };
    let range = match &exact {
        None => VersionReq::STAR,
        Some(exact) => format!("={exact}").parse().map_err(|error| usage(&error))?,
    };
    let catalog = Catalog::new(open_folder(from)?, &from.display().to_string());
    let root = home.trust_root()?;
    // One that is asked for by its version is shown, yanked or not.
    let locked = exact.as_ref().filter(|exact| catalog.versions(&name).is_ok_and(|versions| versions.contains(exact)));
    let wanted = Wanted { plugin: &name, range: &range, locked, strict: false };
    let choice = catalog.choose(home, &root, &wanted)?;
    Ok((catalog.load(home, &root, &name, &choice.version)?, choice.yanked))
}

fn show(plugin: &VerifiedPlugin, yanked: Option<&str>) {
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
    if let Some(reason) = yanked {
        pairs(&[("yanked", reason.into())]);
    }
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

//! `freehold plugin`

use std::path::Path;

use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use freehold_trust::VerifiedPlugin;
use freehold_workflow::{Catalog, ExitCode, Home, publish};
use semver::{Version, VersionReq};
use serde_json::json;

use super::{Place, make_folder, open_folder, read_file};
use crate::args::PluginCommand;
use crate::failure::Failure;
use crate::page::{Terminal, pairs, say, table};

const COMPONENT_LIMIT: u64 = 64 << 20;
const SOURCE_LIMIT: u64 = 1 << 20;

pub(super) fn run(place: &Place<'_>, command: PluginCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    match command {
        PluginCommand::Sign { component, source, key, into, days } => {
            let bytes = read_file(&component, COMPONENT_LIMIT)?;
            let text = String::from_utf8_lossy(&read_file(&source, SOURCE_LIMIT)?).into_owned();
            let file = source.display().to_string();
            let key = home.secret_key(&key)?;
            let published = publish(&make_folder(&into)?, (&file, &text), &bytes, &key, days)?;
            let value =
                json!({ "manifest": published.manifest, "signer": published.signer, "folder": published.folder });
            terminal.print(&value, |_| {
                let manifest = &published.manifest;
                let signer = published.signer.short();
                say(&format!(
                    "{} {} signed by {signer} in {}/{}",
                    manifest.name,
                    manifest.version,
                    into.display(),
                    published.folder
                ));
            });
        }
        PluginCommand::Inspect { plugin, from } => {
            let plugin = load(&home, &plugin, &from)?;
            let value =
                json!({ "manifest": plugin.manifest(), "signer": plugin.signer(), "bytes": plugin.component().len() });
            terminal.print(&value, |_| show(&plugin));
        }
        PluginCommand::List { from } => list(&home, &from, terminal)?,
    }
    Ok(ExitCode::Done)
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

/// One that cannot be used is listed with the reason; the others are not hidden by it.
fn list(home: &Home, from: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let catalog = Catalog::new(open_folder(from)?, &from.display().to_string());
    let root = home.trust_root()?;
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for entry in catalog.entries()? {
        let loaded = catalog.load(&root, &entry.name, &entry.version);
        let (world, state) = match &loaded {
            Ok(plugin) => (plugin.manifest().world.to_string(), format!("signed by {}", plugin.signer().short())),
            Err(error) => (String::new(), error.to_string()),
        };
        values.push(json!({ "name": entry.name, "version": entry.version, "usable": loaded.is_ok(), "state": state }));
        rows.push(vec![entry.name.to_string(), entry.version.to_string(), world, state]);
    }
    terminal.print(&values, |_| table(&["Plugin", "Version", "World", "State"], rows));
    Ok(())
}

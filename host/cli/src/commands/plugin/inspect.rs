//! `freehold plugin inspect`

use std::path::Path;

use freehold_authoring::SOURCE_FILE;
use freehold_component::Interface;
use freehold_core::contract::{self, BorderError};
use freehold_core::digest::Digest;
use freehold_core::limits::Limits;
use freehold_core::manifest::{Manifest, PluginSource, SettingsSchema};
use freehold_core::name::PluginName;
use freehold_trust::VerifiedPlugin;
use semver::Version;
use serde_json::{Value, json};

use super::author::{self, COMPONENT_LIMIT};
use super::chosen::{Chosen, choose};
use crate::commands::{Place, read_file};
use crate::failure::Failure;
use crate::page::{Terminal, pairs, table};

/// What reads like a name is looked for in the folder of plugins, and verified; anything else is a path.
pub(super) fn run(place: &Place<'_>, plugin: &str, from: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let path = Path::new(plugin);
    let (name, _) = plugin.split_once('@').unwrap_or((plugin, ""));
    if name.parse::<PluginName>().is_err() && path.exists() {
        return if path.is_dir() { folder(path, terminal) } else { component(path, terminal) };
    }
    let (plugin, yanked) = load(place, plugin, from)?;
    let interface = Interface::of(plugin.component()).unwrap_or_default();
    let fit = Fit::of_signed(&plugin.manifest().contract, &interface);
    let value = json!({
        "manifest": plugin.manifest(),
        "contract": fit.in_json(),
        "signer": plugin.signer(),
        "bytes": plugin.component().len(),
        "imports": interface.imports,
        "exports": interface.exports,
        "yanked": yanked,
    });
    terminal.print(&value, |_| show(&plugin, &interface, &fit, yanked.as_deref()));
    Ok(())
}

/// The newest version of a plugin, or the one that is named, verified; and why it was yanked, if it was.
pub(super) fn load(place: &Place<'_>, plugin: &str, from: &Path) -> Result<(VerifiedPlugin, Option<String>), Failure> {
    let remedy = "write publisher/name, publisher/name@version, or the path of a component or of a plugin's folder";
    let Chosen { home, root, catalog, name, choice } = choose(place, plugin, from, remedy)?;
    Ok((catalog.load(&home, &root, &name, &choice.version)?, choice.yanked))
}

/// The contract that a plugin was built for, and whether this host accepts it.
struct Fit {
    contract: Option<Version>,
    problem: Option<BorderError>,
}

impl Fit {
    /// What the manifest says, held against the component.
    fn of_signed(contract: &Version, interface: &Interface) -> Self {
        let problem = contract::check_border(contract, &interface.imports, &interface.exports).err();
        Self { contract: Some(contract.clone()), problem }
    }

    /// What the component tells by itself.
    fn of_component(interface: &Interface) -> Self {
        match contract::contract_of(&interface.imports, &interface.exports) {
            Ok(contract) => Self { contract: Some(contract), problem: None },
            Err(problem) => Self { contract: None, problem: Some(problem) },
        }
    }

    fn in_json(&self) -> Value {
        json!({
            "version": self.contract,
            "accepted": self.problem.is_none(),
            "accepted_versions": contract::accepted().map(|(version, _)| version).collect::<Vec<_>>(),
            "problem": self.problem.as_ref().map(ToString::to_string),
            "remedy": self.problem.as_ref().map(BorderError::remedy),
        })
    }

    fn in_words(&self) -> String {
        let contract = self.contract.as_ref().map_or_else(|| "unknown".into(), Version::to_string);
        match &self.problem {
            None => format!("{contract}; this host accepts {}", contract::accepted_range()),
            Some(problem) => format!("{contract}; not accepted: it {problem}; {}", problem.remedy()),
        }
    }
}

/// A component on its own: nothing is known of it but its bytes.
fn component(path: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let bytes = read_file(path, COMPONENT_LIMIT)?;
    let interface = Interface::of(&bytes)?;
    let fit = Fit::of_component(&interface);
    let digest = Digest::of(&bytes);
    let value = json!({
        "signed": false,
        "component": digest.to_string(),
        "bytes": bytes.len(),
        "contract": fit.in_json(),
        "worlds": interface.worlds(),
        "imports": interface.imports,
        "exports": interface.exports,
    });
    terminal.print(&value, |_| {
        pairs(&[
            ("component", format!("{digest}, {} bytes", bytes.len())),
            ("world", interface.worlds().join(", ")),
            ("contract", fit.in_words()),
            ("imports", listed(&interface.imports)),
            ("exports", listed(&interface.exports)),
            ("signed", "no".into()),
        ]);
    });
    Ok(())
}

/// The folder of a plugin: what its author says, and the component if there is one.
fn folder(path: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let folder = author::open(path)?;
    let PluginSource { name, version, world, description, capabilities, limits, settings } = folder.source();
    let built = folder.component();
    let component = match &built {
        Ok(bytes) => Some((bytes.len(), Digest::of(bytes), Interface::of(bytes)?)),
        Err(_) => None,
    };
    let interface = component.as_ref().map(|(_, _, interface)| interface);
    let fit = interface.map(Fit::of_component);
    let value = json!({
        "signed": false,
        "source": folder.source(),
        "component": component.as_ref().map(|(_, digest, _)| digest.to_string()),
        "bytes": component.as_ref().map(|(bytes, _, _)| bytes),
        "contract": fit.as_ref().map(Fit::in_json),
        "worlds": interface.map(Interface::worlds),
        "imports": interface.map(|interface| &interface.imports),
        "exports": interface.map(|interface| &interface.exports),
    });
    terminal.print(&value, |_| {
        let mut lines = vec![
            ("plugin", format!("{name} {version}")),
            ("what", description.clone()),
            ("world", format!("{world}, as {SOURCE_FILE} says")),
        ];
        match (&component, &built) {
            (Some((bytes, digest, interface)), _) => lines.extend([
                ("component", format!("{digest}, {bytes} bytes")),
                ("contract", fit.as_ref().map(Fit::in_words).unwrap_or_default()),
                ("imports", listed(&interface.imports)),
                ("exports", listed(&interface.exports)),
            ]),
            (None, Err(why)) => lines.push(("component", format!("none: {why}"))),
            (None, Ok(_)) => {}
        }
        lines.extend([
            ("signed", "no".into()),
            ("capabilities", listed(capabilities)),
            ("limits", limits_line(limits)),
        ]);
        pairs(&lines);
        settings_table(settings);
    });
    Ok(())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn limits_line(limits: &Limits) -> String {
    let Limits { fuel, wall_time_ms, memory_bytes, .. } = limits;
    format!("fuel {fuel}, {} MiB of memory, {wall_time_ms} ms a call", memory_bytes >> 20)
}

fn show(plugin: &VerifiedPlugin, interface: &Interface, fit: &Fit, yanked: Option<&str>) {
    let Manifest { name, version, world, description, component, limits, created, expires, .. } = plugin.manifest();
    pairs(&[
        ("plugin", format!("{name} {version}")),
        ("what", description.clone()),
        ("world", world.to_string()),
        ("contract", fit.in_words()),
        ("component", format!("{component}, {} bytes", plugin.component().len())),
        ("imports", listed(&interface.imports)),
        ("exports", listed(&interface.exports)),
        ("signed", format!("by {} at {created}, expires {expires}", plugin.signer().short())),
        ("capabilities", listed(&plugin.manifest().capabilities)),
        ("limits", limits_line(limits)),
    ]);
    if let Some(reason) = yanked {
        pairs(&[("yanked", reason.into())]);
    }
    settings_table(&plugin.manifest().settings);
}

fn settings_table(settings: &SettingsSchema) {
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

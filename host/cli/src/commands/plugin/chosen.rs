//! A plugin of a folder of plugins, as the command line names it: publisher/name, or publisher/name@version.

use std::fmt;
use std::path::Path;

use freehold_core::name::PluginName;
use freehold_trust::VerifiedRoot;
use freehold_workflow::{Catalog, Choice, ExitCode, Home, Wanted};
use semver::{Version, VersionReq};

use crate::commands::{Place, open_folder};
use crate::failure::Failure;

/// Where it lies, and which version it is. It is not yet verified.
pub(super) struct Chosen {
    pub(super) home: Home,
    pub(super) root: VerifiedRoot,
    pub(super) catalog: Catalog,
    pub(super) name: PluginName,
    pub(super) choice: Choice,
}

/// The version that was asked for, yanked or not; without one, the newest that is not yanked. `remedy` says how to ask.
pub(super) fn choose(place: &Place<'_>, plugin: &str, from: &Path, remedy: &str) -> Result<Chosen, Failure> {
    let (name, version) = plugin.split_once('@').unwrap_or((plugin, "*"));
    let usage = |error: &dyn fmt::Display| Failure::new(ExitCode::Usage, error.to_string(), remedy);
    let name: PluginName = name.parse().map_err(|error| usage(&error))?;
    let exact: Option<Version> = match version {
        "*" => None,
        exact => Some(exact.parse().map_err(|error| usage(&error))?),
    };
    let range = match &exact {
        None => VersionReq::STAR,
        Some(exact) => format!("={exact}").parse().map_err(|error| usage(&error))?,
    };
    let home = place.open()?;
    let catalog = Catalog::new(open_folder(from)?, &from.display().to_string());
    let root = home.trust_root()?;
    let locked = exact.as_ref().filter(|exact| catalog.versions(&name).is_ok_and(|versions| versions.contains(exact)));
    let wanted = Wanted { plugin: &name, range: &range, locked, strict: false };
    let choice = catalog.choose(&home, &root, &wanted)?;
    Ok(Chosen { home, root, catalog, name, choice })
}

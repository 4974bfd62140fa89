//! `freehold plugin yank` and `freehold plugin unyank`

use std::path::Path;

use freehold_core::name::PluginName;
use freehold_workflow::{Catalog, ExitCode, Home, yank};
use semver::Version;
use serde_json::json;

use crate::commands::open_folder;
use crate::failure::Failure;
use crate::page::{Terminal, say};

/// Why a version is offered again, if nothing is said.
const AGAIN: &str = "offered again";

/// Says of a version that it is yanked, for a reason; without one, that it is no longer.
pub(super) fn run(
    home: &Home,
    (plugin, reason): (&str, Option<&str>),
    (key, from): (&str, &Path),
    terminal: &Terminal,
) -> Result<(), Failure> {
    let (name, version) = parse(plugin)?;
    let catalog = Catalog::new(open_folder(from)?, &from.display().to_string());
    let key = home.secret_key(key)?;
    let yanked = yank(home, &catalog, (&name, &version), (reason.is_some(), reason.unwrap_or(AGAIN)), &key)?;
    let value = json!({ "yank": *yanked, "signer": yanked.signer() });
    terminal.print(&value, |_| {
        let signer = yanked.signer().short();
        say(&match yanked.yanked {
            true => format!("{name} {version} is yanked by {signer}: {}", yanked.reason),
            false => format!("{name} {version} is no longer yanked, by {signer}"),
        });
    });
    Ok(())
}

fn parse(plugin: &str) -> Result<(PluginName, Version), Failure> {
    let usage = |problem: String| Failure::new(ExitCode::Usage, problem, "write publisher/name@version");
    let (name, version) = plugin.split_once('@').ok_or_else(|| usage(format!("`{plugin}` names no version")))?;
    let name = name.parse().map_err(|error| usage(format!("{error}")))?;
    let version = version.parse().map_err(|error| usage(format!("`{version}` is not a version: {error}")))?;
    Ok((name, version))
}

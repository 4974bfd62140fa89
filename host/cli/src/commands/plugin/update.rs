//! `freehold plugin update`

use std::path::{Path, PathBuf};

use freehold_workflow::{Home, PluginUpdate, Project, UpdateReport, update};

use super::diff::show as show_difference;
use crate::commands::{open_folder, run::roots, split};
use crate::failure::Failure;
use crate::page::{Terminal, headline, say, table};

pub(super) fn run(
    home: &Home,
    recipe: &Path,
    allowed: &[PathBuf],
    write: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let (folder, name) = split(recipe)?;
    let project = Project::open(open_folder(folder)?, name, roots(allowed)?)?;
    terminal.print(&update(home, &project, write)?, |report| show(report, write));
    Ok(())
}

fn show(report: &UpdateReport, write: bool) {
    let row = |plugin: &PluginUpdate| {
        let locked = plugin.locked.as_ref().map_or_else(|| "-".into(), ToString::to_string);
        let (fits, newest) = (plugin.fits.to_string(), plugin.newest.to_string());
        vec![plugin.plugin.to_string(), plugin.range.to_string(), locked, fits, newest, state(plugin)]
    };
    table(&["Plugin", "Range", "Locked", "Fits", "Newest", "Yanked"], report.plugins.iter().map(row).collect());
    report.plugins.iter().for_each(differences);
    if report.moved.is_empty() {
        return say(&format!("\nNothing moves in {}.", report.lockfile));
    }
    headline(&format!("{} in {}", if report.written { "Moved" } else { "Would move" }, report.lockfile));
    report.moved.iter().for_each(|line| say(&format!("  {line}")));
    if !write {
        say("\nWith --write these versions are locked; the next run uses them.");
    }
}

fn state(plugin: &PluginUpdate) -> String {
    let locked = plugin.locked.iter().zip(&plugin.locked_yanked);
    let all = locked.chain(plugin.yanked.iter().filter(|(version, _)| plugin.locked.as_ref() != Some(version)));
    all.map(|(version, reason)| format!("{version}: {reason}")).collect::<Vec<_>>().join("; ")
}

/// How the manifests differ, apart from what every new version changes.
fn differences(plugin: &PluginUpdate) {
    let Some(locked) = plugin.locked.as_ref().filter(|locked| **locked != plugin.fits) else { return };
    headline(&format!("{} {locked} -> {}", plugin.plugin, plugin.fits));
    let Some(differences) = &plugin.differences else {
        return say(&format!("  the manifest of {locked} is no longer known, so that it cannot be compared"));
    };
    let told = |what: &str| !matches!(what, "version" | "component");
    let mut same = true;
    for one in differences.iter().filter(|one| told(&one.what)) {
        show_difference(one);
        same = false;
    }
    if same {
        say("  the manifests ask for the same");
    }
}

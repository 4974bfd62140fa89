//! `freehold plugin add`

use std::path::{Path, PathBuf};

use freehold_workflow::{Addition, AdditionState, BUNDLE_LIMIT, Catalog, Home, add, unpack};
use serde_json::{Value, json};

use crate::commands::{make_folder, open_folder, read_file};
use crate::failure::Failure;
use crate::page::{Terminal, say};

/// All are verified before anything is put into the folder, or the folder itself made.
pub(super) fn run(home: &Home, files: &[PathBuf], plugins: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let root = home.trust_root()?;
    let catalog = |dir| Catalog::new(dir, &plugins.display().to_string());
    let there = if plugins.exists() { Some(catalog(open_folder(plugins)?)) } else { None };
    let mut bundled = Vec::new();
    for file in files {
        let unpacked = unpack(home, &root, there.as_ref(), &read_file(file, BUNDLE_LIMIT)?);
        bundled.push((file, unpacked.map_err(|error| Failure::from(error).about(file))?));
    }
    let catalog = catalog(make_folder(plugins)?);
    let mut added = Vec::new();
    for (file, bundled) in bundled {
        let addition = add(home, &root, &catalog, bundled).map_err(|error| Failure::from(error).about(file))?;
        added.push((file, addition));
    }
    let values: Vec<Value> = added.iter().map(|(file, addition)| in_json(file, addition)).collect();
    terminal.print(&values, |_| added.iter().for_each(|(_, addition)| show(addition, plugins)));
    Ok(())
}

fn in_json(file: &Path, addition: &Addition) -> Value {
    json!({
        "file": file,
        "manifest": addition.plugin.manifest(),
        "signer": addition.plugin.signer(),
        "folder": addition.folder,
        "state": addition.state,
        "yanked": addition.yanked,
        "yank_written": addition.yank_written,
    })
}

fn show(addition: &Addition, plugins: &Path) {
    let (manifest, signer) = (addition.plugin.manifest(), addition.plugin.signer().short());
    let plugin = format!("{} {}", manifest.name, manifest.version);
    let folder = plugins.join(&addition.folder);
    let folder = folder.display();
    say(&match (addition.state, addition.yank_written) {
        (AdditionState::Added, _) => format!("{plugin}, signed by {signer}, added to {folder}"),
        (AdditionState::Renewed, _) => {
            format!("{plugin} was in {folder}; its signature is now the one of this file, by {signer}")
        }
        (AdditionState::AlreadyThere, true) => format!("{plugin} is in {folder} already"),
        (AdditionState::AlreadyThere, false) => format!("{plugin} is in {folder} already; nothing was changed"),
    });
    if let Some(reason) = &addition.yanked {
        say(&format!("{plugin} is yanked: {reason}"));
    }
}

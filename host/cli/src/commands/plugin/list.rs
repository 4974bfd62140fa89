//! `freehold plugin list`

use std::path::Path;

use freehold_workflow::{Catalog, Home};
use serde_json::json;

use crate::commands::open_folder;
use crate::failure::Failure;
use crate::page::{Terminal, table};

/// One that cannot be used is listed with the reason; the others are not hidden by it.
pub(super) fn run(home: &Home, from: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let catalog = Catalog::new(open_folder(from)?, &from.display().to_string());
    let root = home.trust_root()?;
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for entry in catalog.entries()? {
        let loaded = catalog.load(home, &root, &entry.name, &entry.version);
        let yank = catalog.yank(home, &root, &entry.name, &entry.version);
        let (world, mut state) = match &loaded {
            Ok(plugin) => (plugin.manifest().world.to_string(), format!("signed by {}", plugin.signer().short())),
            Err(error) => (String::new(), error.to_string()),
        };
        let yanked = match &yank {
            Ok(yank) => yank.as_ref().map(|yank| yank.reason.clone()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = &yanked {
            state = format!("{state}; {}{reason}", if yank.is_ok() { "yanked: " } else { "" });
        }
        let usable = loaded.is_ok() && yank.is_ok();
        values.push(json!({
            "name": entry.name, "version": entry.version, "usable": usable, "state": state, "yanked": yanked,
        }));
        rows.push(vec![entry.name.to_string(), entry.version.to_string(), world, state]);
    }
    terminal.print(&values, |_| table(&["Plugin", "Version", "World", "State"], rows));
    Ok(())
}

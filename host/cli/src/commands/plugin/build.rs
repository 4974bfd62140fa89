//! `freehold plugin build`

use std::path::Path;

use freehold_authoring::COMPONENT_FILE;
use freehold_component::{Toolchain, Tools, compile, encode};
use freehold_core::digest::Digest;
use serde_json::json;

use super::author::{self, COMPONENT_LIMIT};
use crate::commands::read_file;
use crate::failure::Failure;
use crate::page::{Terminal, pairs};

pub(super) fn run(folder: &Path, target_dir: Option<&Path>, tools: Tools, terminal: &Terminal) -> Result<(), Failure> {
    let plugin = author::open(folder)?;
    // cargo runs in the folder, and names its files with links followed.
    let absolute = |path: &Path| path.canonicalize().map_err(|error| Failure::file("open", path, &error));
    let target_dir = target_dir.map(std::path::absolute).transpose();
    let target_dir = target_dir.map_err(|error| Failure::file("use", folder, &error))?;
    let root = absolute(folder)?;
    let module = compile(&Toolchain::find(tools, &root)?, &root, target_dir.as_deref())?;
    let component = encode(&read_file(&module, COMPONENT_LIMIT)?)?;
    plugin.write_component(&component)?;
    let (source, digest) = (plugin.source(), Digest::of(&component));
    let path = folder.join(COMPONENT_FILE);
    let value = json!({
        "plugin": source.name.to_string(),
        "version": source.version,
        "component": path,
        "bytes": component.len(),
        "digest": digest.to_string(),
    });
    terminal.print(&value, |_| {
        pairs(&[
            ("plugin", format!("{} {}", source.name, source.version)),
            ("component", path.display().to_string()),
            ("size", format!("{} bytes", component.len())),
            ("digest", digest.to_string()),
        ]);
    });
    Ok(())
}

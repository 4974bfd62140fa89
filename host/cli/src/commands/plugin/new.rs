//! `freehold plugin new`

use std::path::Path;

use freehold_authoring::new_plugin;
use freehold_core::manifest::World;
use freehold_core::name::PluginName;
use serde_json::json;

use crate::commands::{make_folder, split};
use crate::failure::Failure;
use crate::page::{Terminal, say};

pub(super) fn run(world: World, name: &PluginName, into: Option<&Path>, terminal: &Terminal) -> Result<(), Failure> {
    let path = into.unwrap_or(Path::new(name.name()));
    let (parent, folder) = split(path)?;
    let written = new_plugin(&make_folder(parent)?, folder, world, name)?;
    let value = json!({ "plugin": name.to_string(), "world": world, "folder": path, "files": written });
    terminal.print(&value, |_| {
        let path = path.display();
        say(&format!("{name}, a {world}, in {path}: {}, and the SDK in vendor", written.join(", ")));
        say(&format!("Next: freehold plugin build {path} && freehold plugin test {path}"));
    });
    Ok(())
}

//! Builds the plugins and the test guests, and makes components of the modules.

use std::path::{Path, PathBuf};

use freehold_component::TARGET;

use crate::command::{run, step, target, workspace};
use crate::failure::Failure;
use crate::toolchain;

const PROFILE: &str = "component";

/// A component, and what its author says of it.
pub(crate) struct Built {
    pub(crate) component: PathBuf,
    pub(crate) source: PathBuf,
    /// Whether it is a plugin of the project, or a guest that only tests use.
    pub(crate) is_plugin: bool,
}

/// The folders that hold a `plugin.toml`.
fn folders() -> Result<Vec<(PathBuf, bool)>, Failure> {
    let mut folders = Vec::new();
    for (parent, is_plugin) in [("plugins", true), ("tests/guests", false)] {
        let parent = workspace().join(parent);
        for entry in std::fs::read_dir(&parent).map_err(Failure::file("list", &parent))? {
            let folder = entry.map_err(Failure::file("list", &parent))?.path();
            if folder.join("plugin.toml").is_file() {
                folders.push((folder, is_plugin));
            }
        }
    }
    folders.sort();
    Ok(folders)
}

/// Builds all of them into `target/components`.
pub(crate) fn build_all() -> Result<Vec<Built>, Failure> {
    let toolchain = toolchain::find()?;
    let folders = folders()?;
    step(&format!("Building {} plugins and test guests for {TARGET}", folders.len()));
    let mut cargo = toolchain.cargo_build(&workspace());
    cargo.args(["--locked", "--profile", PROFILE]);
    for (folder, _) in &folders {
        cargo.args(["--package", name_of(folder)]);
    }
    run(&mut cargo)?;
    let components = target().join("components");
    std::fs::create_dir_all(&components).map_err(Failure::file("create", &components))?;
    let modules = target().join(TARGET).join(PROFILE);
    let mut built = Vec::new();
    for (folder, is_plugin) in folders {
        let name = name_of(&folder);
        let module = modules.join(format!("{}.wasm", name.replace('-', "_")));
        let component = components.join(format!("{name}.wasm"));
        write_if_other(&component, &encode(&module)?)?;
        built.push(Built { component, source: folder.join("plugin.toml"), is_plugin });
    }
    Ok(built)
}

fn name_of(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn encode(module: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(module).map_err(Failure::file("read", module))?;
    freehold_component::encode(&bytes).map_err(|error| Failure::new(format!("{}: {error}", module.display())))
}

/// Leaves the file alone if it is the same, so that nothing that depends on its time is done again.
fn write_if_other(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes).map_err(Failure::file("write", path))
}

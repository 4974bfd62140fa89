//! Lists the files of the SDK and of the contract, so that `plugin new` can write them where neither is published.

use std::path::{Path, PathBuf};

/// Versions of the contract as they were released; a new plugin is made for the newest.
const RELEASED: &str = "released";

fn files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with(RELEASED) {
                files(&path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "wit") {
            println!("cargo:rerun-if-changed={}", path.display());
            found.push(path);
        }
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    // As it is said when this runs: a build folder that was moved knows another one.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| std::io::Error::other("not run by cargo"))?;
    let workspace = Path::new(&manifest).join("../..").canonicalize()?;
    let mut found = Vec::new();
    files(&workspace.join("sdk/src"), &mut found)?;
    files(&workspace.join("wit"), &mut found)?;
    found.sort();
    let mut list = String::from("&[\n");
    for path in found {
        let name = path.strip_prefix(&workspace).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        list += &format!("    ({:?}, include_str!({:?})),\n", format!("vendor/{name}"), path.display().to_string());
    }
    list.push(']');
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("sdk_files.rs"), list)
}

//! `freehold plugin sign`

use std::path::Path;

use freehold_workflow::{Home, publish};
use serde_json::json;

use crate::commands::{make_folder, read_file};
use crate::failure::Failure;
use crate::page::{Terminal, say};

const COMPONENT_LIMIT: u64 = 64 << 20;
const SOURCE_LIMIT: u64 = 1 << 20;

pub(super) fn run(
    home: &Home,
    (component, source): (&Path, &Path),
    (key, days): (&str, u32),
    into: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let bytes = read_file(component, COMPONENT_LIMIT)?;
    let text = String::from_utf8_lossy(&read_file(source, SOURCE_LIMIT)?).into_owned();
    let file = source.display().to_string();
    let key = home.secret_key(key)?;
    let published = publish(&make_folder(into)?, (&file, &text), &bytes, &key, days)?;
    let value = json!({ "manifest": published.manifest, "signer": published.signer, "folder": published.folder });
    terminal.print(&value, |_| {
        let (name, version) = (&published.manifest.name, &published.manifest.version);
        let (signer, folder) = (published.signer.short(), &published.folder);
        say(&format!("{name} {version} signed by {signer} in {}/{folder}", into.display()));
    });
    Ok(())
}

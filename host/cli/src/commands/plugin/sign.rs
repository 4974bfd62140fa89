//! `freehold plugin sign`

use std::path::Path;

use freehold_workflow::{Home, Signing, publish};
use serde_json::json;

use crate::commands::{make_folder, read_file};
use crate::failure::Failure;
use crate::page::{Terminal, say};

const COMPONENT_LIMIT: u64 = 64 << 20;
const SOURCE_LIMIT: u64 = 1 << 20;

pub(super) fn run(
    home: &Home,
    (component, source): (&Path, &Path),
    (key, days, renew): (&str, u32, bool),
    into: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let bytes = read_file(component, COMPONENT_LIMIT)?;
    let text = String::from_utf8_lossy(&read_file(source, SOURCE_LIMIT)?).into_owned();
    let file = source.display().to_string();
    let key = home.secret_key(key)?;
    let signing = Signing { key: &key, days, renew };
    let published = publish(home, &make_folder(into)?, (&file, &text), &bytes, signing)?;
    let value = json!({
        "manifest": published.manifest, "signer": published.signer, "folder": published.folder, "earlier": published.earlier,
    });
    terminal.print(&value, |_| {
        let (name, version) = (&published.manifest.name, &published.manifest.version);
        let (signer, folder) = (published.signer.short(), &published.folder);
        let already = if published.earlier { "already " } else { "" };
        say(&format!("{name} {version} {already}signed by {signer} in {}/{folder}", into.display()));
    });
    Ok(())
}

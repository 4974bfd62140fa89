//! `freehold plugin sign`

use std::path::Path;

use freehold_authoring::SOURCE_FILE;
use freehold_component::Interface;
use freehold_core::contract;
use freehold_workflow::{ExitCode, Home, Signing, publish};
use serde_json::json;

use super::author::{self, COMPONENT_LIMIT};
use crate::commands::{make_folder, read_file};
use crate::failure::Failure;
use crate::page::{Terminal, say};

const SOURCE_LIMIT: u64 = 1 << 20;

/// What is signed: the bytes of a component, the name of its `plugin.toml`, and the text of that.
type Signed = (Vec<u8>, String, String);

pub(super) fn run(
    home: &Home,
    (component, source): (Option<&Path>, Option<&Path>),
    (key, days, renew): (&str, u32, bool),
    into: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let (bytes, file, text) = read(component, source)?;
    // What the component asks for and not what this program speaks: signing it again with a newer one changes nothing.
    let interface = Interface::of(&bytes)?;
    let contract = contract::contract_of(&interface.imports, &interface.exports)
        .map_err(|problem| Failure::new(ExitCode::Broken, format!("the component {problem}"), problem.remedy()))?;
    let key = home.secret_key(key)?;
    let signing = Signing { key: &key, days, renew };
    let published = publish(home, &make_folder(into)?, (&file, &text), (&bytes, contract), signing)?;
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

/// Of a plugin's folder, the component that was built last, if it is of the source that is there now.
fn read(component: Option<&Path>, source: Option<&Path>) -> Result<Signed, Failure> {
    let here = Path::new(".");
    let beside = || source.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(here);
    let (bytes, folder) = match component {
        Some(file) if !file.is_dir() => (read_file(file, COMPONENT_LIMIT)?, here),
        folder => {
            let folder = folder.unwrap_or_else(beside);
            (author::open(folder)?.component()?, folder)
        }
    };
    let source = source.map_or_else(|| folder.join(SOURCE_FILE), Path::to_owned);
    let text = String::from_utf8_lossy(&read_file(&source, SOURCE_LIMIT)?).into_owned();
    Ok((bytes, source.display().to_string(), text))
}

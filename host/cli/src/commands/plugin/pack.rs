//! `freehold plugin pack`

use std::path::Path;

use freehold_core::digest::Digest;
use freehold_workflow::pack;
use serde_json::json;

use super::chosen::{Chosen, choose};
use crate::commands::{Place, open_folder, split};
use crate::failure::Failure;
use crate::page::{Terminal, pairs};

pub(super) fn run(
    place: &Place<'_>,
    plugin: &str,
    (plugins, out): (&Path, Option<&Path>),
    terminal: &Terminal,
) -> Result<(), Failure> {
    let Chosen { home, root, catalog, name, choice } =
        choose(place, plugin, plugins, "write publisher/name or publisher/name@version")?;
    let packed = pack(&home, &root, &catalog, (&name, &choice.version))?;
    let out = out.unwrap_or(Path::new(&packed.file));
    let (folder, file) = split(out)?;
    freehold_files::write(&open_folder(folder)?, file, &packed.bytes)
        .map_err(|error| Failure::file("write", out, &error))?;
    let (bytes, digest) = (packed.bytes.len(), Digest::of(&packed.bytes));
    let (manifest, signer) = (packed.plugin.manifest(), packed.plugin.signer());
    let value = json!({
        "manifest": manifest, "signer": signer, "yanked": packed.yanked,
        "file": out, "bytes": bytes, "digest": digest,
    });
    terminal.print(&value, |_| {
        let mut lines = vec![
            ("plugin", format!("{name} {}, signed by {}", choice.version, signer.short())),
            ("file", format!("{}, {bytes} bytes", out.display())),
            ("digest", digest.to_string()),
        ];
        lines.extend(packed.yanked.as_ref().map(|reason| ("yanked", reason.clone())));
        pairs(&lines);
    });
    Ok(())
}

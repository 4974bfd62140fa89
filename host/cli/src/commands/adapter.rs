//! `freehold adapter`

use std::path::Path;

use freehold_engine::WeightType;
use freehold_workflow::audit;
use freehold_workflow::{ExitCode, WorkflowError};
use serde_json::json;

use super::generate::load_adapter;
use super::model::load;
use super::{Place, make_folder, open_folder, split};
use crate::args::AdapterCommand;
use crate::failure::Failure;
use crate::page::{Terminal, pairs};

pub(super) fn run(place: &Place<'_>, command: AdapterCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match command {
        AdapterCommand::Export { run, out } => export(place, &run, &out, terminal)?,
        AdapterCommand::Merge { adapter, model, out, dtype } => merge(&adapter, &model, &out, dtype.into(), terminal)?,
    }
    Ok(ExitCode::Done)
}

fn export(place: &Place<'_>, run: &str, out: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let adapter = audit::adapter(&place.open()?, run)?;
    let files: Vec<_> = adapter.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let (beside, name) = split(out)?;
    freehold_files::write_folder(&open_folder(beside)?, name, &files)
        .map_err(|error| Failure::file("write", out, &error))?;
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    let (folder, digest, decision) = (out.display().to_string(), adapter.digest, adapter.decision);
    let value = json!({ "run": run, "decision": decision, "folder": folder, "files": names, "digest": digest });
    terminal.print(&value, |_| {
        pairs(&[
            ("adapter", format!("{folder}: {}", names.join(", "))),
            ("digest", digest.to_string()),
            ("decision", decision.as_str().to_owned()),
        ]);
    });
    Ok(())
}

fn merge(adapter: &Path, model: &Path, out: &Path, kind: WeightType, terminal: &Terminal) -> Result<(), Failure> {
    let (_, base) = load(model)?;
    let adapter = load_adapter(adapter, &base)?;
    let merged = base.merged(&adapter, kind).map_err(WorkflowError::from)?;
    let files = merged.to_files(kind).map_err(WorkflowError::from)?;
    drop((merged, adapter));
    let folder = make_folder(out)?;
    let failed = |error: &dyn std::fmt::Display| Failure::file("write", out, error);
    if folder.entries().map_err(|error| failed(&error))?.next().is_some() {
        return Err(failed(&"the folder is not empty; name one that is not there"));
    }
    for (name, bytes) in &files {
        freehold_files::write(&folder, name, bytes).map_err(|error| failed(&error))?;
    }
    let (written, _) = load(out)?;
    let value = json!({ "base": base.digest(), "digest": written.digest(), "folder": out.display().to_string() });
    terminal.print(&value, |_| {
        pairs(&[
            ("model", out.display().to_string()),
            ("digest", written.digest().to_string()),
            ("base", base.digest().to_string()),
        ]);
    });
    Ok(())
}

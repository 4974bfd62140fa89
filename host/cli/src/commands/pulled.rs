//! `freehold model pull`, `list`, and `inspect` of what was pulled

use freehold_core::hub::HubModel;
use freehold_engine::Model;
use freehold_workflow::{ExitCode, HubAccess, HubEndpoint, ListedModel, PulledModel, WorkflowError};
use indicatif::HumanBytes;
use serde_json::json;

use super::Place;
use super::model::files_table;
use crate::args::hub_token;
use crate::failure::Failure;
use crate::page::{Terminal, pairs, say, table};
use crate::progress::RunProgress;

pub(super) fn pull(
    place: &Place<'_>,
    model: &HubModel,
    endpoint: &str,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let endpoint: HubEndpoint = endpoint.parse().map_err(WorkflowError::Hub)?;
    let token = hub_token().map(|token| token.parse()).transpose().map_err(WorkflowError::Hub)?;
    let access = HubAccess::new(endpoint, token).map_err(WorkflowError::Hub)?;
    let home = place.open()?;
    let mut progress = RunProgress::new(terminal);
    let result = home.pull_model(&access, model, &mut progress);
    progress.finish();
    terminal.print(&result?, |pull| {
        page(model, &pull.pulled);
        let state = if pull.unchanged { "It was there already, unchanged." } else { "Pulled." };
        say(&format!("{state} In a recipe: [base] model = \"{model}\""));
    });
    Ok(ExitCode::Done)
}

pub(super) fn list(place: &Place<'_>, terminal: &Terminal) -> Result<ExitCode, Failure> {
    terminal.print(&place.open()?.models()?, |all| {
        if all.models.is_empty() && all.unfinished.is_empty() {
            say("No models were pulled; `freehold model pull hf:org/name@revision` fetches one.");
        }
        if !all.models.is_empty() {
            let header = ["Model", "Revision", "Commit", "Digest", "Size", "License"];
            table(&header, all.models.iter().map(row).collect());
        }
        for part in &all.unfinished {
            let bytes = HumanBytes(part.bytes);
            say(&format!("{}: {bytes} of an interrupted pull; the next one goes on from them", part.folder));
        }
    });
    Ok(ExitCode::Done)
}

fn row(model: &ListedModel) -> Vec<String> {
    let pulled = &model.pulled;
    let name = pulled.model.split('@').next().unwrap_or_default();
    vec![
        name.to_owned(),
        model.revisions.join(", "),
        pulled.commit.short().to_owned(),
        pulled.digest.short(),
        HumanBytes(pulled.bytes()).to_string(),
        pulled.license.clone().unwrap_or_default(),
    ]
}

pub(super) fn inspect(place: &Place<'_>, model: &str, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let model: HubModel = model.parse().map_err(|error: freehold_core::name::NameError| {
        Failure::new(ExitCode::Usage, error.to_string(), "`freehold model list` shows what was pulled")
    })?;
    let opened = place.open()?.open_model(&model, None)?;
    Model::load(&opened.folder).map_err(|source| WorkflowError::Model { model: model.to_string(), source })?;
    let value = json!({ "revision": model.revision(), "digest": opened.pulled.digest, "pulled": opened.pulled });
    terminal.print(&value, |_| page(&model, &opened.pulled));
    Ok(ExitCode::Done)
}

fn page(model: &HubModel, pulled: &PulledModel) {
    pairs(&[
        ("model", model.to_string()),
        ("commit", pulled.commit.to_string()),
        ("digest", pulled.digest.to_string()),
        ("license", pulled.license.clone().unwrap_or_else(|| "the model card says none".into())),
        ("hub", pulled.endpoint.clone()),
        ("pulled", pulled.pulled.strftime("%F %T UTC").to_string()),
    ]);
    files_table(pulled.files.iter().map(|file| (file.name.as_str(), file.bytes, file.digest)));
}

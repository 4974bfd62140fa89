//! `freehold model`

use std::path::Path;
use std::time::Instant;

use freehold_core::digest::Digest;
use freehold_core::hub::HubModel;
use freehold_core::recipe::{Schedule, TrainSettings};
use freehold_core::toml_text;
use freehold_engine::{Model, ModelFolder, PretrainSpec, StepReport, pretrain};
use freehold_workflow::{ExitCode, WorkflowError, sign_model};
use serde_json::{Value, json};

use super::{Place, make_folder, open_folder, pulled, read_file};
use crate::args::ModelCommand;
use crate::failure::Failure;
use crate::page::{Terminal, pairs, say, table};
use crate::progress::bar;

const SPEC_LIMIT: u64 = 1 << 20;
const TEXT_LIMIT: u64 = 1 << 30;

pub(super) fn run(place: &Place<'_>, command: ModelCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match command {
        ModelCommand::Pull { model, endpoint } => pulled::pull(place, &model, &endpoint, terminal),
        ModelCommand::List => pulled::list(place, terminal),
        ModelCommand::Inspect { model } => match model.to_str().filter(|model| HubModel::is_meant(model)) {
            Some(model) => pulled::inspect(place, model, terminal),
            None => inspect(&model, terminal),
        },
        ModelCommand::Sign { folder, key, out } => sign(place, &folder, key.as_deref(), &out, terminal),
        ModelCommand::Logits { model, ids, adapter, precision, out } => {
            super::logits::run(&model, &ids, adapter.as_deref(), precision.into(), &out)?;
            Ok(ExitCode::Done)
        }
        ModelCommand::Check { model, adapter, tokens } => {
            super::logits::check(&model, adapter.as_deref(), tokens, terminal)
        }
        ModelCommand::Losses { model, ids, adapter, steps, learning_rate, precision } => {
            let settings = TrainSettings {
                epochs: steps as f64,
                learning_rate,
                schedule: Schedule::Constant,
                precision: precision.into(),
                ..TrainSettings::default()
            };
            super::logits::losses(&model, &ids, &adapter, settings, terminal)?;
            Ok(ExitCode::Done)
        }
        ModelCommand::Generate(arguments) => {
            super::generate::run(&arguments, terminal)?;
            Ok(ExitCode::Done)
        }
        ModelCommand::Pretrain { spec, text, out, from } => {
            train(&spec, &text, &out, from.as_deref(), terminal)?;
            Ok(ExitCode::Done)
        }
    }
}

pub(super) fn load(path: &Path) -> Result<(ModelFolder, Model), Failure> {
    let failed = |source| WorkflowError::Model { model: path.display().to_string(), source };
    let folder = ModelFolder::open(open_folder(path)?).map_err(failed)?;
    let model = Model::load(&folder).map_err(failed)?;
    Ok((folder, model))
}

/// Signs a folder. A signature that will lie in it is no part of it, as for the tool that verifies it.
fn sign(
    place: &Place<'_>,
    folder: &Path,
    key: Option<&str>,
    out: &Path,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let failed = |path: &Path, error: std::io::Error| Failure::file("open", path, &error);
    let whole = folder.canonicalize().map_err(|error| failed(folder, error))?;
    let (beside, file) = super::split(out)?;
    let beside = beside.canonicalize().map_err(|error| failed(beside, error))?.join(file);
    let inside = beside.strip_prefix(&whole).ok().and_then(Path::to_str);
    let name = whole.file_name().and_then(|name| name.to_str()).unwrap_or("model");
    let signed = sign_model(&home, name, &open_folder(folder)?, inside, key)
        .map_err(|error| Failure::from(error).about(folder))?;
    super::write_file(out, &signed.bundle)?;
    let value = json!({ "signature": out.display().to_string(), "files": signed.files, "digest": signed.digest });
    terminal.print(&value, |_| {
        pairs(&[
            ("signature", out.display().to_string()),
            ("files", signed.files.to_string()),
            ("digest", signed.digest.to_string()),
        ]);
    });
    Ok(ExitCode::Done)
}

fn inspect(path: &Path, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (folder, _) = load(path)?;
    let files = folder.files();
    let value = json!({
        "digest": folder.digest(),
        "files": files.iter().map(|file| json!({
            "name": file.name, "bytes": file.size, "digest": file.digest,
        })).collect::<Vec<_>>(),
    });
    terminal.print(&value, |_| {
        pairs(&[("model", path.display().to_string()), ("digest", folder.digest().to_string())]);
        files_table(files.iter().map(|file| (file.name.as_str(), file.size, file.digest)));
    });
    Ok(ExitCode::Done)
}

/// Name, size and digest of files.
pub(super) fn files_table<'a>(files: impl Iterator<Item = (&'a str, u64, Digest)>) {
    let row = |(name, bytes, digest): (&str, u64, Digest)| vec![name.to_owned(), bytes.to_string(), digest.to_string()];
    table(&["File", "Bytes", "Digest"], files.map(row).collect());
}

fn train(spec: &Path, text: &Path, out: &Path, from: Option<&Path>, terminal: &Terminal) -> Result<(), Failure> {
    let document = String::from_utf8_lossy(&read_file(spec, SPEC_LIMIT)?).into_owned();
    let parsed: PretrainSpec = toml_text::parse(&document).map_err(|error| WorkflowError::Toml {
        file: spec.display().to_string(),
        document: document.clone(),
        error,
    })?;
    let documents = documents(text)?;
    let start = from.map(load).transpose()?.map(|(_, model)| model);
    let (bar, started) = (bar(terminal), Instant::now());
    bar.set_message("pretrain");
    let mut observe = |step: &StepReport| {
        let rate = step.tokens as f64 / started.elapsed().as_secs_f64().max(1e-9);
        bar.set_length(step.steps as u64);
        bar.set_position(step.step as u64);
        bar.set_prefix(format!("loss {:.3}, {rate:.0} tokens/s", step.loss));
    };
    let trained = pretrain(&parsed, &documents, start.as_ref(), &mut observe)
        .map_err(|error| Failure::file("pretrain from", spec, &error))?;
    bar.finish_and_clear();
    let folder = make_folder(out)?;
    for (name, bytes) in &trained.files {
        freehold_files::write(&folder, name, bytes).map_err(|error| Failure::file("write", out, &error))?;
    }
    let (loaded, _) = load(out)?;
    let report = &trained.report;
    let value = json!({
        "digest": loaded.digest(),
        "steps": report.steps,
        "tokens": report.tokens,
        "parameters": report.parameters,
        "first_loss": report.first_loss,
        "last_loss": report.last_loss,
        "seconds": started.elapsed().as_secs_f64(),
    });
    terminal.print(&value, |_| {
        say(&format!(
            "{}: {} parameters, {} tokens in {:.0} s, loss {:.3} -> {:.3}\n{}",
            out.display(),
            report.parameters,
            report.tokens,
            started.elapsed().as_secs_f64(),
            report.first_loss,
            report.last_loss,
            loaded.digest(),
        ));
    });
    Ok(())
}

/// The `text` of every line.
fn documents(path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read_file(path, TEXT_LIMIT)?;
    let lines = String::from_utf8_lossy(&bytes).into_owned();
    let document = |(at, line): (usize, &str)| {
        let value: Option<Value> = serde_json::from_str(line).ok();
        let text = value.and_then(|value| value.get("text").and_then(Value::as_str).map(str::to_owned));
        let problem = format!("line {} is not {{\"text\": \"...\"}}", at + 1);
        text.ok_or_else(|| Failure::file("use", path, &problem))
    };
    lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(document).collect()
}

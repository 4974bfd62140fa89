//! `freehold audit`

mod export;

use std::path::PathBuf;

use freehold_core::verdict::Decision;
use freehold_trust::Cosignature;
use freehold_workflow::ExitCode;
use freehold_workflow::audit::{self, CheckpointView, Request, RunSummary, RunView, Verification};

use super::{Place, read_file, report, trust};
use crate::args::AuditCommand;
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say, table};

const NOTE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn run(place: &Place<'_>, command: AuditCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    match command {
        AuditCommand::List => {
            terminal.print(&audit::list(&home)?, |runs| list(runs));
            Ok(ExitCode::Done)
        }
        AuditCommand::Show { run } => {
            terminal.print(&audit::show(&home, &run)?, show);
            Ok(ExitCode::Done)
        }
        AuditCommand::Verify { run, root_key, checkpoints } => {
            let root_key = root_key.map(|path| trust::read_public_key(&path)).transpose()?;
            let read = |path: PathBuf| Ok((path.display().to_string(), read_file(&path, NOTE_BYTES_MAX)?));
            let checkpoints = checkpoints.into_iter().map(read).collect::<Result<_, Failure>>()?;
            let verification = audit::verify(&home, &Request { root_key, run, checkpoints })?;
            terminal.print(&verification, verified);
            Ok(if verification.findings.is_empty() { ExitCode::Done } else { ExitCode::Unverified })
        }
        AuditCommand::Export { run, format, key, out } => {
            export::run(&home, &export::Request { run, format, key, out }, terminal)
        }
        AuditCommand::Checkpoint { witnessed } => {
            let checkpoint = if witnessed { audit::witnessed(&home)? } else { Some(audit::checkpoint(&home)?) };
            let none = || {
                let remedy = "`freehold audit witness FILE...` keeps one that witnesses cosigned";
                Failure::new(ExitCode::Usage, "no checkpoint is kept that witnesses cosigned", remedy)
            };
            // The bytes as they are: what is printed is what is signed.
            terminal.print(&checkpoint.ok_or_else(none)?, |checkpoint| say(checkpoint.note.trim_end_matches('\n')));
            Ok(ExitCode::Done)
        }
        AuditCommand::Witness { files } => {
            let notes = files.iter().map(|path| read_file(path, NOTE_BYTES_MAX)).collect::<Result<Vec<_>, _>>()?;
            terminal.print(&audit::witness(&home, &notes)?, |kept| {
                say(&format!("Kept the checkpoint of {} entries, cosigned by {}.", kept.size, signers(kept)));
            });
            Ok(ExitCode::Done)
        }
    }
}

/// Who cosigned a checkpoint, and when by their own word.
fn signers(checkpoint: &CheckpointView) -> String {
    let signed = |by: &Cosignature| format!("{} at {}", by.witness, by.time.strftime("%Y-%m-%d %H:%M"));
    match checkpoint.cosignatures.as_slice() {
        [] => "nobody".into(),
        signatures => signatures.iter().map(signed).collect::<Vec<_>>().join(", "),
    }
}

fn decided(decision: Option<Decision>) -> String {
    decision.map_or("unfinished", Decision::as_str).into()
}

fn list(runs: &[RunSummary]) {
    if runs.is_empty() {
        return say("There are no runs yet. Run a recipe: freehold run freehold.toml");
    }
    let row = |run: &RunSummary| {
        vec![
            run.run.clone(),
            run.started.strftime("%Y-%m-%d %H:%M").to_string(),
            run.phase.to_string(),
            decided(run.decision),
            run.adapter.map(|adapter| adapter.short()).unwrap_or_default(),
            run.aliases.join(", "),
        ]
    };
    table(&["Run", "Began (UTC)", "Last phase", "Decision", "Adapter", "Aliases now"], runs.iter().map(row).collect());
}

fn show(view: &RunView) {
    pairs(&[("run", view.summary.run.clone()), ("began", view.summary.started.to_string())]);
    match &view.report {
        Some(report) => report::past(report),
        None => say(&format!("unfinished: the last finished phase is {}", view.summary.phase)),
    }
    headline("Statements in the ledger");
    let row = |entry: &audit::EntryView| {
        vec![
            entry.index.to_string(),
            entry.what.clone(),
            entry.time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            entry.statement.to_string(),
        ]
    };
    table(&["Entry", "What", "Time (UTC)", "Statement"], view.entries.iter().map(row).collect());
    headline("Read and written");
    let mut rows = Vec::new();
    for phase in &view.phases {
        let materials = [("in", &phase.inputs), ("out", &phase.outputs)];
        for (direction, materials) in materials {
            for material in materials.iter().filter(|material| !material.name.starts_with("statement/")) {
                let kept = if material.kept { "kept" } else { "digest only" };
                let digest = material.digest.short();
                rows.push(vec![phase.phase.to_string(), direction.into(), material.name.clone(), digest, kept.into()]);
            }
        }
    }
    table(&["Phase", "", "What", "Digest", "In the store"], rows);
}

fn verified(verification: &Verification) {
    let Verification { trust_roots, entries, statements, blobs, runs, seen, findings, witnessed, checkpoints } =
        verification;
    pairs(&[
        ("trust roots", trust_roots.to_string()),
        ("ledger entries", entries.to_string()),
        ("statements", statements.to_string()),
        ("blobs", blobs.to_string()),
        ("runs", runs.to_string()),
        ("plugins seen", seen.to_string()),
    ]);
    if let Some(checkpoint) = witnessed {
        let (later, asked) = (*entries as u64 - checkpoint.size, checkpoint.quorum);
        let cosigned = format!("{} entries by {}; {asked} asked for", checkpoint.size, signers(checkpoint));
        pairs(&[("cosigned", cosigned), ("not cosigned", format!("the last {later} entries"))]);
    }
    for checkpoint in checkpoints {
        let held =
            format!("the first {} entries are what it covers; cosigned by {}", checkpoint.size, signers(checkpoint));
        pairs(&[("checkpoint", held)]);
    }
    if findings.is_empty() {
        return say("\nVerified: signatures, hashes and their order all hold.");
    }
    headline(&format!("{} found", findings.len()));
    let rows = findings.iter().map(|finding| vec![finding.what.clone(), finding.problem.clone()]);
    table(&["What", "Problem"], rows.collect());
}

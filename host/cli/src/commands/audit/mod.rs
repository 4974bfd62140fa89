//! `freehold audit`

mod export;
mod pack;
mod profile;
mod questions;
mod schema;

use std::path::PathBuf;

use freehold_core::verdict::Decision;
use freehold_trust::Cosignature;
use freehold_workflow::audit::{
    self, Approvals, CheckpointView, Filter, Quorum, Request, RunView, Suspect, Verification,
};
use freehold_workflow::{ExitCode, Home, WorkflowError};

use super::{Place, read_file, report, trust};
use crate::args::{AuditCommand, Decided, ImpactCommand, ListArguments, VerifyArguments, Which};
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say, table};
use crate::progress::bar;

pub(super) use questions::KeyNames;

/// Runs on a page.
const PAGE: usize = 50;
const ASSET_BYTES_MAX: u64 = 64 << 20;
const NOTE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn run(place: &Place<'_>, command: AuditCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let command = match command {
        // Who gets a pack has no home.
        AuditCommand::Verify(arguments) if pack::is_meant(&arguments) => return pack::verify(&arguments, terminal),
        AuditCommand::Schema { question } => return schema::run(question.as_deref(), terminal),
        other => other,
    };
    let home = place.open()?;
    match command {
        AuditCommand::List(arguments) => {
            let listed = audit::list(&home, &filter(arguments, terminal))?;
            terminal.print(&listed.runs, |_| questions::list(&listed));
            Ok(ExitCode::Done)
        }
        AuditCommand::Show { run } => {
            terminal.print(&audit::show(&home, &run)?, show);
            Ok(ExitCode::Done)
        }
        AuditCommand::Explain { model } => {
            let names = KeyNames::of(&home);
            terminal.print(&audit::explain(&home, &model)?, |model| questions::explain(model, &names));
            Ok(ExitCode::Done)
        }
        AuditCommand::Approvals { model, require, distinct_from } => {
            let needed = require.map(|needed| needed as usize);
            let quorum = Quorum { needed, distinct_from_trainer: distinct_from.is_some() };
            let approvals = audit::approvals(&home, &model, quorum)?;
            terminal.print(&approvals, |approvals| show_approvals(&home, approvals));
            Ok(if approvals.enough { ExitCode::Done } else { ExitCode::Unverified })
        }
        AuditCommand::Diff { before, after } => {
            terminal.print(&audit::diff(&home, &before, &after)?, questions::diff);
            Ok(ExitCode::Done)
        }
        AuditCommand::Impact(command) => {
            let (suspect, which) = suspect(&home, command)?;
            let touches = audit::impact(&home, &suspect, which.since, limit(which.limit, terminal))?;
            terminal.print(&touches.touched, |_| questions::impact(&touches));
            Ok(ExitCode::Done)
        }
        AuditCommand::Index => index(&home, terminal),
        AuditCommand::Schema { question } => schema::run(question.as_deref(), terminal),
        AuditCommand::History { alias, at } => {
            terminal.print(&audit::history(&home, &alias, at)?, |reigns| {
                questions::history(reigns, &KeyNames::of(&home));
            });
            Ok(ExitCode::Done)
        }
        AuditCommand::Replay { run, assets } => {
            let files = assets.iter().map(|path| read_file(path, ASSET_BYTES_MAX)).collect::<Result<Vec<_>, _>>()?;
            let replay = audit::replay(&home, &run, files)?;
            terminal.print(&replay, questions::replay);
            Ok(if replay.same { ExitCode::Done } else { ExitCode::Unverified })
        }
        AuditCommand::Verify(arguments) => {
            let verification = audit::verify(&home, &request(&arguments)?)?;
            terminal.print(&verification, verified);
            Ok(if verification.findings.is_empty() { ExitCode::Done } else { ExitCode::Unverified })
        }
        AuditCommand::Export { run, format, key, out, pack } => {
            export::run(&home, &export::Request { run, format, key, out, pack }, terminal)
        }
        AuditCommand::Profile(arguments) => profile::run(&home, arguments, terminal),
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

/// What is to be verified, with the files that the command line names.
fn request(arguments: &VerifyArguments) -> Result<Request, Failure> {
    let VerifyArguments { what, root_key, checkpoints, preregistered, offline: _ } = arguments;
    let root_key = root_key.as_deref().map(trust::read_public_key).transpose()?;
    let read = |path: &PathBuf| Ok((path.display().to_string(), read_file(path, NOTE_BYTES_MAX)?));
    let checkpoints = checkpoints.iter().map(read).collect::<Result<_, Failure>>()?;
    Ok(Request { root_key, run: what.clone(), checkpoints, preregistered: *preregistered })
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

fn filter(arguments: ListArguments, terminal: &Terminal) -> Filter {
    let ListArguments { model, plugin, verdict, since, until, limit } = arguments;
    let limit = self::limit(limit, terminal);
    let decision = verdict.map(|verdict| match verdict {
        Decided::Promoted => Some(Decision::Promoted),
        Decided::Denied => Some(Decision::Denied),
        Decided::Unfinished => None,
    });
    Filter { model, plugin, decision, since, until, limit }
}

/// How many runs are shown; `None` for all.
fn limit(asked: Option<usize>, terminal: &Terminal) -> Option<usize> {
    // A program that is not told of a limit takes what it gets for all there is.
    let page = if terminal.json { 0 } else { PAGE };
    Some(asked.unwrap_or(page)).filter(|limit| *limit > 0)
}

fn index(home: &Home, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let bar = bar(terminal);
    bar.set_message("reading the records");
    let made = audit::reindex(home, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    terminal.print(&made?, |made| {
        pairs(&[
            ("ledger entries", made.entries.to_string()),
            ("runs", made.runs.to_string()),
            ("that cannot be read", made.unread.to_string()),
            ("index", format!("{} bytes", made.bytes)),
        ]);
    });
    Ok(ExitCode::Done)
}

fn suspect(home: &Home, command: ImpactCommand) -> Result<(Suspect, Which), Failure> {
    Ok(match command {
        ImpactCommand::Plugin { plugin: (name, version), which } => (Suspect::Plugin(name, version), which),
        ImpactCommand::Key { key, which } => {
            let none = || WorkflowError::NoKey(key.clone());
            let id = key.parse().ok().or_else(|| KeyNames::of(home).id(&key));
            (Suspect::Key(id.ok_or_else(none)?), which)
        }
        ImpactCommand::Data { digest, which } => (Suspect::Data(digest), which),
    })
}

/// The approvals of a model as a page.
pub(super) fn show_approvals(home: &Home, approvals: &Approvals) {
    questions::approvals(approvals, &KeyNames::of(home));
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
    let Verification { trust_roots, entries, statements, blobs, runs, seen, .. } = verification;
    pairs(&[
        ("trust roots", trust_roots.to_string()),
        ("ledger entries", entries.to_string()),
        ("statements", statements.to_string()),
        ("blobs", blobs.to_string()),
        ("runs", runs.to_string()),
        ("plugins seen", seen.to_string()),
    ]);
    checked(verification, *entries as u64);
}

/// What tree heads, bars and findings there are, of a ledger of so many entries.
fn checked(verification: &Verification, size: u64) {
    let Verification { witnessed, checkpoints, bars, findings, .. } = verification;
    if let Some(checkpoint) = witnessed {
        let (later, asked) = (size.saturating_sub(checkpoint.size), checkpoint.quorum);
        let cosigned = format!("{} entries by {}; {asked} asked for", checkpoint.size, signers(checkpoint));
        pairs(&[("cosigned", cosigned), ("not cosigned", format!("the last {later} entries"))]);
    }
    for checkpoint in checkpoints {
        let held =
            format!("the first {} entries are what it covers; cosigned by {}", checkpoint.size, signers(checkpoint));
        pairs(&[("checkpoint", held)]);
    }
    bars.iter().for_each(|bars| questions::bars(bars));
    if findings.is_empty() {
        return say("\nVerified: signatures, hashes and their order all hold.");
    }
    headline(&format!("{} found", findings.len()));
    let rows = findings.iter().map(|finding| vec![finding.what.clone(), finding.problem.clone()]);
    table(&["What", "Problem"], rows.collect());
}

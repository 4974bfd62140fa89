//! Packs: the evidence of a run in one file, written by `freehold audit export` and verified by `freehold audit verify`.

use std::io::{self, BufReader, IsTerminal as _, Write};
use std::path::Path;

use freehold_core::digest::{Digest, Hasher};
use freehold_core::verdict::Decision;
use freehold_files::{FileError, Unfinished};
use freehold_workflow::audit::{self, Approval, Draft, EntryChoice, Extra, Options, PackView, VerifiedPack};
use freehold_workflow::{ExitCode, Home};
use serde_json::json;

use super::super::{open_folder, report, split};
use super::{checked, request};
use crate::args::{PackArguments, PackEntries, PackExtra, VerifyArguments};
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say, table, unwritten};

/// Whether a pack is to be verified: a path with a `.` or a `/`, which no name of a run has. What lies in the folder does not
/// change what a command means.
pub(super) fn is_meant(arguments: &VerifyArguments) -> bool {
    arguments.what.as_ref().is_some_and(|what| what.contains(['.', '/', std::path::MAIN_SEPARATOR]))
}

pub(super) fn verify(arguments: &VerifyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let request = request(arguments)?;
    let path = Path::new(arguments.what.as_deref().unwrap_or_default());
    let (folder, name) = split(path)?;
    let file = open_folder(folder)?.open(name).map_err(|error| Failure::file("open", path, &error))?;
    let verified = audit::verify_pack(BufReader::new(file.into_std()), &request)?;
    terminal.print(&verified, page);
    Ok(if verified.verification.findings.is_empty() { ExitCode::Done } else { ExitCode::Unverified })
}

pub(super) fn export(
    home: &Home,
    run: &str,
    arguments: &PackArguments,
    out: Option<&Path>,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let entries = match arguments.entries {
        None => EntryChoice::Fitting,
        Some(PackEntries::All) => EntryChoice::All,
        Some(PackEntries::Run) => EntryChoice::Run,
    };
    let with = arguments.with.iter().map(|extra| match extra {
        PackExtra::Weights => Extra::Weights,
        PackExtra::Data => Extra::Data,
        PackExtra::Plugins => Extra::Plugins,
    });
    if out.is_none() && io::stdout().is_terminal() {
        let remedy = "give it a file: `--out FILE`, or send it on: `| command`";
        return Err(Failure::new(ExitCode::Usage, "a pack is nothing that a terminal shows", remedy));
    }
    let draft = audit::draft(home, run, &Options { with: with.collect(), entries })?;
    let Some(path) = out else {
        let mut stdout = io::stdout();
        if let Err(error) = draft.write(&mut stdout).and_then(|stdout| stdout.flush()) {
            unwritten(error);
        }
        return Ok(ExitCode::Done);
    };
    let (digest, bytes) = write(&draft, path)?;
    let value = json!({
        "file": path.display().to_string(),
        "format": "pack",
        "media_type": "application/gzip",
        "bytes": bytes,
        "digest": digest,
        "pack": draft.verified.pack,
    });
    terminal.print(&value, |_| {
        pairs(&[("file", format!("{}, {bytes} bytes", path.display())), ("digest", digest.to_string())]);
        draft.verified.pack.iter().for_each(scope);
        say(&format!("\nVerify it anywhere: freehold audit verify {} --root-key KEY.pub.pem", path.display()));
    });
    Ok(ExitCode::Done)
}

/// Writes the file, whole or not at all.
fn write(draft: &Draft, path: &Path) -> Result<(Digest, u64), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::file("write", path, error);
    let (folder, name) = split(path)?;
    let folder = open_folder(folder)?;
    let file = Unfinished::new(&folder, name).map_err(|error| failed(&error))?;
    let mut to = ToFile { file, failed: None, hasher: Hasher::new(), bytes: 0 };
    if let Err(error) = draft.write(&mut to) {
        return Err(to.failed.map_or_else(|| failed(&error), |error| failed(&error)));
    }
    to.file.persist(name).map_err(|error| failed(&error))?;
    Ok((to.hasher.finish(), to.bytes))
}

/// A file that is being written, as what a pack is written to.
struct ToFile<'d> {
    file: Unfinished<'d>,
    /// Why it could not go on, in the words for files.
    failed: Option<FileError>,
    hasher: Hasher,
    bytes: u64,
}

impl Write for ToFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.file.write(bytes) {
            let said = io::Error::other(error.to_string());
            self.failed = Some(error);
            return Err(said);
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn page(verified: &VerifiedPack) {
    let VerifiedPack { pack, verification } = verified;
    if let Some(pack) = pack {
        pack.report.iter().for_each(|report| report::judged(&report.metrics, &report.policies));
        headline("Approved by");
        approvals(&pack.approvals);
        left_out(pack);
        headline("The pack");
        decided(pack);
        scope(pack);
    }
    pairs(&[
        ("trust roots", verification.trust_roots.to_string()),
        ("statements", verification.statements.to_string()),
        ("blobs", verification.blobs.to_string()),
    ]);
    checked(verification, pack.as_ref().map_or(0, |pack| pack.size));
    if let Some(pack) = pack
        && !pack.root_key_given
    {
        say(&format!(
            "Whose trust root this is, is the pack's own word: its root keys are {}.\nCompare them with what you were told by \
             other means, or give the key: --root-key FILE.",
            pack.root_keys.join(", ")
        ));
    }
}

fn decided(pack: &PackView) {
    let mut lines = vec![("run", pack.run.clone())];
    if let Some(report) = &pack.report {
        lines.push(("decision", report.decision.as_str().to_owned()));
        lines.extend(report.reason.clone().map(|reason| ("because", reason)));
        lines.extend(report.adapter.map(|adapter| ("adapter", adapter.to_string())));
        lines.extend(report.weights.map(|weights| ("weights", weights.to_string())));
        let alias = report.alias.as_ref().filter(|_| report.decision == Decision::Promoted);
        lines.extend(alias.map(|alias| ("alias", alias.to_string())));
    }
    lines.push(("recorded by", pack.recorded_by.join(", ")));
    lines.extend(pack.aliases.iter().map(|(alias, run)| ("then in use", format!("{alias} named {run}"))));
    pairs(&lines);
}

/// What a pack speaks of, and what it does not.
fn scope(pack: &PackView) {
    let time = pack.entered.map_or_else(|| "-".into(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let holds = match pack.whole {
        true => format!("all {}: no other entry up to then concerns the run", pack.size),
        false => format!("{} of {}: others may concern the run and are not shown", pack.entries, pack.size),
    };
    let mut kinds: Vec<&str> = pack.left_out.iter().map(|left| left.kind.as_str()).collect();
    kinds.dedup();
    pairs(&[
        ("as of", format!("{} ledger entries, the last of {time}; later ones are not in it", pack.size)),
        ("ledger root", pack.root.clone()),
        ("entries", holds),
        ("left out", if kinds.is_empty() { "nothing".into() } else { kinds.join(", ") }),
    ]);
}

fn approvals(approvals: &[Approval]) {
    if approvals.is_empty() {
        return say("The pack shows no approval.");
    }
    let row = |approval: &Approval| {
        let mut notes = vec![approval.note.clone().unwrap_or_default()];
        notes.extend(approval.revoked.clone());
        notes.extend(approval.is_trainer.then(|| "also signed the run's records".to_owned()));
        notes.retain(|note| !note.is_empty());
        let time = approval.time.strftime("%Y-%m-%d %H:%M").to_string();
        vec![approval.approver.chars().take(12).collect(), time, approval.entry.to_string(), notes.join("; ")]
    };
    table(&["Key", "Time (UTC)", "Entry", "Note"], approvals.iter().map(row).collect());
}

fn left_out(pack: &PackView) {
    if pack.left_out.is_empty() {
        return;
    }
    headline("Not in the pack, and known by digest alone");
    let row = |left: &audit::LeftOut| vec![left.kind.as_str().into(), left.name.clone(), left.digest.short()];
    table(&["Kind", "What", "Digest"], pack.left_out.iter().map(row).collect());
}

//! `freehold audit profile`

use std::collections::BTreeSet;
use std::path::Path;

use freehold_workflow::audit::{
    self, EvidenceKind, Exhibit, ItemReport, ItemState, ProfileChoice, ProfileReport, ProfileSummary, Standing,
};
use freehold_workflow::{ExitCode, Home};
use serde_json::json;

use crate::args::ProfileArguments;
use crate::commands::read_file;
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say, table};

const PROFILE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn run(home: &Home, arguments: ProfileArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let ProfileArguments { run, profiles, require_evidence, vocabulary } = arguments;
    if vocabulary {
        let kinds: Vec<_> =
            EvidenceKind::ALL.iter().map(|kind| json!({ "name": kind, "means": kind.meaning() })).collect();
        terminal.print(&kinds, |_| words());
        return Ok(ExitCode::Done);
    }
    let Some(run) = run else {
        terminal.print(&audit::profiles()?, |profiles| list(profiles));
        return Ok(ExitCode::Done);
    };
    let choices = profiles.iter().map(|named| choice(named)).collect::<Result<Vec<_>, _>>()?;
    let reports = audit::profile_run(home, &run, &choices)?;
    terminal.print(&reports, |reports| reports.iter().for_each(page));
    let complete = reports.iter().all(ProfileReport::has_all_evidence);
    Ok(if require_evidence && !complete { ExitCode::Unverified } else { ExitCode::Done })
}

/// A file is named with its folder or its ending; the profiles that come with the program have neither.
fn choice(named: &str) -> Result<ProfileChoice, Failure> {
    let path = Path::new(named);
    if path.components().count() < 2 && path.extension().is_none() {
        return Ok(ProfileChoice::Named(named.into()));
    }
    let bytes = read_file(path, PROFILE_BYTES_MAX)?;
    let document = String::from_utf8(bytes).map_err(|error| Failure::file("read", path, &error))?;
    Ok(ProfileChoice::File { file: named.into(), document })
}

fn words() {
    let row = |kind: &EvidenceKind| vec![kind.as_str().to_owned(), kind.meaning().to_owned()];
    table(&["Evidence", "What has to be in the records"], EvidenceKind::ALL.iter().map(row).collect());
}

fn list(profiles: &[ProfileSummary]) {
    let row = |profile: &ProfileSummary| {
        let (items, documents) = (profile.items.to_string(), profile.documents.to_string());
        vec![profile.name.clone(), profile.title.clone(), items, documents]
    };
    table(&["Profile", "Framework", "Items", "Yours alone"], profiles.iter().map(row).collect());
    say("Hold them against a run: freehold audit profile RUN [--profile NAME]");
}

fn page(report: &ProfileReport) {
    headline(&report.title);
    let counts = ItemState::ALL.map(|state| format!("{} {}", report.count(state), state.as_str()));
    pairs(&[
        ("profile", report.profile.clone()),
        ("source", report.source.clone()),
        ("run", report.run.clone()),
        ("items", format!("{}: {}", report.items.len(), counts.join(", "))),
    ]);
    table(&["Item", "State", "What it asks for", "Evidence"], report.items.iter().map(row).collect());
    if let Some(note) = &report.note {
        pairs(&[("note", note.clone())]);
    }
    say("It says that evidence is there, not that it is good enough. It is no legal advice.");
}

fn row(item: &ItemReport) -> Vec<String> {
    vec![item.id.clone(), item.state.as_str().into(), item.title.clone(), evidence(item)]
}

/// What is there, with the ledger's entries that have it; what is not, and why; what is for the reader to write.
fn evidence(item: &ItemReport) -> String {
    let (there, lacking): (Vec<_>, Vec<_>) = item.exhibits.iter().partition(|it| it.standing == Standing::There);
    let mut parts = Vec::new();
    if !there.is_empty() {
        let names: Vec<_> = there.iter().map(|exhibit| exhibit.evidence.as_str()).collect();
        let entries: BTreeSet<_> = there.iter().filter_map(|exhibit| exhibit.entry).collect();
        let entries: Vec<_> = entries.iter().map(ToString::to_string).collect();
        let place = if entries.is_empty() { String::new() } else { format!(" (in entries {})", entries.join(", ")) };
        parts.push(format!("{}{place}", names.join(", ")));
    }
    let lacks = |exhibit: &&Exhibit| {
        let how = if exhibit.standing == Standing::Partly { "in part" } else { "missing" };
        format!("{how}: {}, {}", exhibit.evidence.as_str(), exhibit.says)
    };
    parts.extend(lacking.iter().map(lacks));
    parts.extend(item.document.as_ref().map(|document| format!("yours: {document}")));
    parts.join("; ")
}

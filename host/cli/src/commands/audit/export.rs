//! `freehold audit export`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use freehold_core::digest::Digest;
use freehold_workflow::audit::{self, Document, Format};
use freehold_workflow::{ExitCode, Home};
use serde_json::json;

use super::super::write_file;
use crate::args::{ExportFormat, PackArguments};
use crate::failure::Failure;
use crate::page::{Terminal, pairs, unwritten};

/// What the command line asks for.
pub(super) struct Request {
    pub(super) run: String,
    pub(super) format: ExportFormat,
    pub(super) key: Option<String>,
    pub(super) out: Option<PathBuf>,
    pub(super) pack: PackArguments,
}

pub(super) fn run(home: &Home, request: &Request, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let Request { run, format, key, out, pack } = request;
    if terminal.json && out.is_none() && !format.is_json() {
        let message = format!("`--format {}` is no JSON", format.name());
        return Err(Failure::new(
            ExitCode::Usage,
            message,
            "leave out `--json`, or give the document a file: `--out FILE`",
        ));
    }
    let Some(document) = document_format(*format) else {
        return super::pack::export(home, run, pack, out.as_deref(), terminal);
    };
    if !pack.with.is_empty() || pack.entries.is_some() {
        let message = "`--with` and `--entries` are for `--format pack`";
        return Err(Failure::new(ExitCode::Usage, message, "leave them out: other formats have one form"));
    }
    let document = audit::export(home, run, document, key.as_deref())?;
    match out {
        Some(path) => to_file(&document, *format, path, terminal)?,
        // The bytes as they are: a signature covers them, and what they hold is escaped as their format says.
        None => {
            let mut stdout = std::io::stdout();
            if let Err(error) = stdout.write_all(&document.bytes).and_then(|()| stdout.flush()) {
                unwritten(error);
            }
        }
    }
    Ok(ExitCode::Done)
}

fn to_file(document: &Document, format: ExportFormat, path: &Path, terminal: &Terminal) -> Result<(), Failure> {
    write_file(path, &document.bytes)?;
    let (digest, bytes) = (Digest::of(&document.bytes), document.bytes.len());
    let value = json!({
        "file": path.display().to_string(),
        "format": format.name(),
        "media_type": document.media_type,
        "bytes": bytes,
        "digest": digest,
    });
    terminal.print(&value, |_| {
        pairs(&[
            ("file", format!("{}, {bytes} bytes", path.display())),
            ("format", format!("{}: {}", format.name(), document.media_type)),
            ("digest", digest.to_string()),
        ]);
    });
    Ok(())
}

/// The format of a document; a pack is none, it is written piece by piece.
fn document_format(format: ExportFormat) -> Option<Format> {
    Some(match format {
        ExportFormat::Pack => return None,
        ExportFormat::Sigstore => Format::Sigstore,
        ExportFormat::Vsa => Format::Vsa,
        ExportFormat::Oms => Format::Oms,
        ExportFormat::Cyclonedx => Format::CycloneDx,
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Html => Format::Html,
    })
}

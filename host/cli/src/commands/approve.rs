//! `freehold approve`

use std::path::Path;

use freehold_files::FileError;
use freehold_trust::SecretKey;
use freehold_workflow::{ExitCode, Home, WorkflowError, audit};

use super::audit::show_approvals;
use super::{Place, open_folder, split};
use crate::args::ApproveArguments;
use crate::failure::Failure;
use crate::page::{Terminal, say};

const KEY_LIMIT: u64 = 16 << 10;

pub(super) fn run(place: &Place<'_>, arguments: ApproveArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let key = secret_key(&home, &arguments.key)?;
    let (approvals, statement) = audit::approve(&home, &arguments.run, &key, arguments.note)?;
    terminal.print(&approvals, |approvals| {
        say(&format!("Approved {}; the statement is {statement}.", approvals.run));
        show_approvals(&home, approvals);
    });
    Ok(ExitCode::Done)
}

/// A key of the home, or of an approver who has none.
fn secret_key(home: &Home, name: &str) -> Result<SecretKey, Failure> {
    let path = Path::new(name);
    match home.secret_key(name) {
        Err(WorkflowError::NoKey(_) | WorkflowError::Name(_)) if path.is_file() => {
            let (folder, file) = split(path)?;
            let bytes = freehold_files::read_secret(&open_folder(folder)?, file, KEY_LIMIT);
            let bytes = bytes.map_err(|error| match error {
                FileError::Exposed { .. } => {
                    let remedy = format!("take it from the others: `chmod 600 {}`", path.display());
                    Failure::new(ExitCode::Broken, error.to_string(), remedy)
                }
                error => Failure::file("read", path, &error),
            })?;
            Ok(home.foreign_key(name, &bytes)?)
        }
        found => Ok(found?),
    }
}

//! `freehold rollback`

use freehold_workflow::{ExitCode, rollback};

use super::Place;
use crate::args::RollbackArguments;
use crate::failure::Failure;
use crate::page::{Terminal, pairs};

pub(super) fn run(place: &Place<'_>, arguments: RollbackArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let RollbackArguments { alias, to, reason } = arguments;
    let moved = rollback(&home, &alias, to.as_deref(), reason)?;
    terminal.print(&moved, |moved| {
        pairs(&[
            ("alias", moved.alias.to_string()),
            ("named", format!("{} {}", moved.from.run, moved.from.adapter)),
            ("names", format!("{} {}", moved.to.run, moved.to.adapter)),
            ("entry", moved.entry.to_string()),
        ]);
    });
    Ok(ExitCode::Done)
}

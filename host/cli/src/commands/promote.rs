//! `freehold promote`

use freehold_workflow::{AliasState, ExitCode, promote};

use super::Place;
use super::audit::KeyNames;
use crate::args::PromoteArguments;
use crate::failure::Failure;
use crate::page::{Terminal, pairs};

pub(super) fn run(place: &Place<'_>, arguments: &PromoteArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let moved = promote(&home, &arguments.run, arguments.alias.as_ref())?;
    terminal.print(&moved, |moved| {
        let keys = KeyNames::of(&home);
        let named = |state: &AliasState| format!("{} {}", state.run, state.adapter);
        let approvers: Vec<String> = moved.rests_on.iter().map(|approval| keys.show(&approval.approver)).collect();
        pairs(&[
            ("alias", moved.alias.to_string()),
            ("named", moved.previous.as_ref().map_or_else(|| "nothing".into(), named)),
            ("names", format!("{} {}", moved.run, moved.adapter)),
            ("approved by", if approvers.is_empty() { "nobody had to".into() } else { approvers.join(", ") }),
            ("entry", moved.entry.to_string()),
        ]);
    });
    Ok(ExitCode::Done)
}

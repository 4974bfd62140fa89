//! `freehold plugin`

mod inspect;
mod list;
mod sign;
mod update;
mod yank;

use freehold_workflow::ExitCode;

use super::Place;
use crate::args::PluginCommand;
use crate::failure::Failure;
use crate::page::Terminal;

pub(super) fn run(place: &Place<'_>, command: PluginCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    match command {
        PluginCommand::Sign { component, source, key, into, days, renew } => {
            sign::run(&home, (&component, &source), (&key, days, renew), &into, terminal)?;
        }
        PluginCommand::Inspect { plugin, from } => inspect::run(&home, &plugin, &from, terminal)?,
        PluginCommand::List { from } => list::run(&home, &from, terminal)?,
        PluginCommand::Yank { plugin, key, reason, from } => {
            yank::run(&home, (&plugin, Some(&reason)), (&key, &from), terminal)?;
        }
        PluginCommand::Unyank { plugin, key, from } => yank::run(&home, (&plugin, None), (&key, &from), terminal)?,
        PluginCommand::Update { recipe, write, roots } => update::run(&home, &recipe, &roots, write, terminal)?,
    }
    Ok(ExitCode::Done)
}

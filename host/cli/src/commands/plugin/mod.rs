//! `freehold plugin`

mod inspect;
mod list;
mod sign;

use freehold_workflow::ExitCode;

use super::Place;
use crate::args::PluginCommand;
use crate::failure::Failure;
use crate::page::Terminal;

pub(super) fn run(place: &Place<'_>, command: PluginCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    match command {
        PluginCommand::Sign { component, source, key, into, days } => {
            sign::run(&home, (&component, &source), (&key, days), &into, terminal)?;
        }
        PluginCommand::Inspect { plugin, from } => inspect::run(&home, &plugin, &from, terminal)?,
        PluginCommand::List { from } => list::run(&home, &from, terminal)?,
    }
    Ok(ExitCode::Done)
}

//! `freehold plugin`: one file a subcommand. Those of the author's loop need no home.

mod add;
mod author;
mod bench;
mod build;
mod chosen;
mod diff;
mod inspect;
mod list;
mod new;
mod pack;
mod sign;
mod test;
mod update;
mod yank;

use freehold_workflow::ExitCode;

use super::Place;
use crate::args::PluginCommand;
use crate::failure::Failure;
use crate::page::Terminal;

pub(super) fn run(place: &Place<'_>, command: PluginCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match command {
        PluginCommand::New { kind, name, into } => new::run(kind.into(), &name, into.as_deref(), terminal)?,
        PluginCommand::Build { folder, target_dir, toolchain } => {
            build::run(&folder, target_dir.as_deref(), toolchain.tools(), terminal)?;
        }
        PluginCommand::Test { folder, cases, accept, component } => {
            return test::run(place, &folder, component.as_deref(), (&cases, accept), terminal);
        }
        PluginCommand::Bench { folder, case, rows, component } => {
            bench::run(place, &folder, component.as_deref(), case, rows as usize, terminal)?;
        }
        PluginCommand::Sign { component, source, key, into, days, renew } => {
            let what = (component.as_deref(), source.as_deref());
            sign::run(&place.open()?, what, (&key, days, renew), &into, terminal)?;
        }
        PluginCommand::Inspect { plugin, from } => inspect::run(place, &plugin, &from, terminal)?,
        PluginCommand::Diff { before, after, from } => diff::run(place, (&before, &after), &from, terminal)?,
        PluginCommand::List { from } => list::run(&place.open()?, &from, terminal)?,
        PluginCommand::Pack { plugin, plugins, out } => {
            pack::run(place, &plugin, (&plugins, out.as_deref()), terminal)?
        }
        PluginCommand::Add { files, plugins } => add::run(&place.open()?, &files, &plugins, terminal)?,
        PluginCommand::Yank { plugin, key, reason, from } => {
            yank::run(&place.open()?, (&plugin, Some(&reason)), (&key, &from), terminal)?;
        }
        PluginCommand::Unyank { plugin, key, from } => {
            yank::run(&place.open()?, (&plugin, None), (&key, &from), terminal)?;
        }
        PluginCommand::Update { recipe, write, roots } => {
            update::run(&place.open()?, &recipe, &roots, write, terminal)?;
        }
    }
    Ok(ExitCode::Done)
}

//! `freehold reproduce`

use freehold_workflow::{ExitCode, Remade, Reproduction};

use super::run::{roots, threads};
use super::{Place, open_folder};
use crate::args::ReproduceArguments;
use crate::failure::Failure;
use crate::page::{Terminal, headline, say, table};
use crate::progress::RunProgress;

pub(super) fn run(place: &Place<'_>, arguments: &ReproduceArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let files = (open_folder(&arguments.folder)?, roots(&arguments.roots)?);
    let mut progress = RunProgress::new(terminal);
    let threads = threads(arguments.threads);
    let result = freehold_workflow::reproduce(&home, files, &arguments.run, threads, &mut progress);
    progress.finish();
    let result = result?;
    terminal.print(&result, page);
    Ok(if result.same { ExitCode::Done } else { ExitCode::Unverified })
}

fn page(reproduction: &Reproduction) {
    if !reproduction.other_inputs.is_empty() {
        headline("Inputs that are not those of the record");
        reproduction.other_inputs.iter().for_each(|input| say(input));
        return say("Nothing was made again: other inputs give other outputs.");
    }
    let row = |output: &Remade| {
        let now = match output.now {
            Some(now) if now == output.recorded => "the same".into(),
            Some(now) => now.short(),
            None => "nothing".into(),
        };
        vec![output.phase.to_string(), output.output.clone(), output.recorded.short(), now]
    };
    table(&["Phase", "Output", "Recorded", "Now"], reproduction.remade.iter().map(row).collect());
    match reproduction.differs_in {
        None => say("Reproduced: every output has the same bits."),
        Some(phase) => {
            let promised = reproduction.promised.iter().map(|(what, value)| format!("{what} {value}"));
            say(&format!("Differs first in phase {phase}; its inputs are those of the record."));
            say(&format!("The record promises the same bits for {}.", promised.collect::<Vec<_>>().join(", ")));
        }
    }
}

//! `freehold watch` and `freehold trigger`

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use freehold_workflow::{
    ExitCode, Project, Trigger, Watch, WatchBatch, WatchEvent, WatchNews, WatchSettings, WatchState, WorkflowError,
};

use super::run::{roots, threads};
use super::{Place, open_folder, split};
use crate::args::{TriggerArguments, WatchArguments};
use crate::failure::Failure;
use crate::page::{Terminal, headline, pairs, say, table};
use crate::progress::RunProgress;

const FILE_LIMIT: u64 = 1 << 20;

/// The watch file and the recipe that it names.
fn open(file: &Path, allowed: &[PathBuf]) -> Result<(WatchSettings, Project), Failure> {
    let document = String::from_utf8_lossy(&super::read_file(file, FILE_LIMIT)?).into_owned();
    let settings = WatchSettings::parse(&document).map_err(|error| WorkflowError::Toml {
        file: file.display().to_string(),
        document,
        error,
    })?;
    let (folder, _) = split(file)?;
    let project = Project::open(open_folder(folder)?, &settings.recipe, roots(allowed)?)?;
    Ok((settings, project))
}

pub(super) fn run(place: &Place<'_>, arguments: &WatchArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let (settings, project) = open(&arguments.file, &arguments.roots)?;
    if arguments.status {
        let state = freehold_workflow::watched(&home, &project)?;
        terminal.print(&state, status);
        return Ok(ExitCode::Done);
    }
    let mut watch = Watch::open(&home, &project, &settings, threads(arguments.threads))?;
    let mut progress = RunProgress::new(terminal);
    let mut tell = |news: WatchNews| {
        log(&news);
        ControlFlow::Continue(())
    };
    // A file is whole when it is the same at two looks.
    let mut looks = 0;
    let result = loop {
        match watch.round(&mut progress, &mut tell) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break Ok(()),
            Err(error) => break Err(error),
        }
        looks += 1;
        if arguments.once && looks >= 2 && watch.state().running.is_none() {
            break Ok(());
        }
        let pause = std::time::Duration::try_from(settings.poll).unwrap_or_default();
        std::thread::sleep(if arguments.once { std::time::Duration::from_millis(20) } else { pause });
    };
    progress.finish();
    result?;
    terminal.print(watch.state(), status);
    Ok(ExitCode::Done)
}

/// A watch has no results but what it did: that is its log.
fn log(news: &WatchNews) {
    let batch = |batch: &WatchBatch| format!("batch {} of {} events", batch.number, batch.events.len());
    match news {
        WatchNews::Seen(WatchEvent { trigger, about, .. }) => tracing::warn!("seen by {trigger}: {about}"),
        WatchNews::Waits(reason) => tracing::warn!("waits: {reason}"),
        WatchNews::Begins(begun) => tracing::warn!("begins {}", batch(begun)),
        WatchNews::Failed(failed) => {
            tracing::warn!("{}: {}; it is tried again", batch(failed), failed.outcome.as_deref().unwrap_or_default());
        }
        WatchNews::Ended(ended) => {
            let (run, outcome) = (ended.run.as_deref().unwrap_or("no run"), ended.outcome.as_deref());
            tracing::warn!("ended {}: {run}, {}", batch(ended), outcome.unwrap_or_default());
        }
    }
}

fn status(state: &WatchState) {
    pairs(&[
        ("batches", state.batches.to_string()),
        ("waiting", format!("{} events", state.pending.len())),
        ("running", state.running.as_ref().map_or_else(|| "-".into(), |batch| format!("batch {}", batch.number))),
    ]);
    let compared = |(trigger, compared): (&String, &freehold_workflow::WatchCompared)| {
        vec![trigger.clone(), compared.time.strftime("%F %T UTC").to_string(), compared.answer.clone()]
    };
    if !state.compared.is_empty() {
        headline("Rows of now, when they were last compared");
        table(&["Trigger", "Time", "Answer"], state.compared.iter().map(compared).collect());
    }
    if !state.history.is_empty() {
        headline("Answered, the newest last");
        let row = |batch: &WatchBatch| {
            let mut triggers: Vec<&str> = batch.events.iter().map(|event| event.trigger.as_str()).collect();
            triggers.dedup();
            vec![
                batch.number.to_string(),
                triggers.join(", "),
                batch.run.clone().unwrap_or_else(|| "-".into()),
                batch.outcome.clone().unwrap_or_default(),
                batch.tokens.to_string(),
            ]
        };
        let shown = state.history.iter().rev().take(20).rev();
        table(&["Batch", "Triggers", "Run", "Outcome", "Tokens"], shown.map(row).collect());
    }
}

pub(super) fn trigger(
    place: &Place<'_>,
    arguments: TriggerArguments,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let (settings, project) = open(&arguments.file, &[])?;
    let known = settings.trigger.iter().filter(|known| matches!(known, Trigger::Hook { .. })).map(Trigger::name);
    let known: Vec<&str> = known.collect();
    if !known.contains(&arguments.trigger.as_str()) {
        let has = if known.is_empty() { "none".into() } else { known.join(", ") };
        return Err(Failure::new(
            ExitCode::Usage,
            format!("`{}` is no trigger of kind `hook` in {}", arguments.trigger, arguments.file.display()),
            format!("it has: {has}"),
        ));
    }
    let TriggerArguments { trigger, id, note, .. } = arguments;
    let hook = freehold_workflow::trigger(&home, &project.recipe.run.name, &trigger, id, note)?;
    terminal.print(&hook, |hook| say(&format!("{} waits for the watch of {}.", hook.trigger, hook.recipe)));
    Ok(ExitCode::Done)
}

//! The recipe of a run that trains what is in production further.

use freehold_core::digest::Digest;
use freehold_core::recipe::{DataSettings, Recipe, Split, StartSettings};

use super::settings::{Trigger, WatchSettings};
use super::state::WatchBatch;

/// The recipe's name for this batch: no other batch has it, so that the ledger says whether its run is done.
pub(super) fn run_name(recipe: &Recipe, number: u64) -> String {
    format!("{}-w{number}", recipe.run.name)
}

/// `recipe` for a batch: from what is in production, on what came new and a part of what was there before. `taken` are files of
/// earlier batches with their triggers. Where nothing is in production yet, it is trained from nothing on everything.
pub(super) fn recipe(
    recipe: &Recipe,
    settings: &WatchSettings,
    batch: &WatchBatch,
    taken: &[(String, String)],
) -> Recipe {
    let mut run = recipe.clone();
    run.run.name = run_name(recipe, batch.number);
    let replay = batch.champion.map(|_| settings.increment.replay);
    if replay.is_some_and(|share| share > 0.0) {
        run.data
            .iter_mut()
            .filter(|data| data.split == Split::Train)
            .for_each(|data| data.share = part(data.share, replay));
    }
    let old = taken.iter().map(|(trigger, path)| (trigger.as_str(), path.as_str(), replay));
    let new = batch.events.iter().map(|event| (event.trigger.as_str(), event.about.as_str(), None));
    let (mut old, new): (Vec<_>, Vec<_>) = (old.collect(), new.collect());
    if replay == Some(0.0) {
        old.clear();
        // Without anything new there is only the old to train on.
        if new.iter().any(|(trigger, ..)| labels(settings, trigger).is_some()) {
            run.data.retain(|data| data.split != Split::Train);
        }
    }
    for (trigger, path, share) in old.into_iter().chain(new) {
        let Some(labels) = labels(settings, trigger) else { continue };
        let name = format!("{trigger}-{}", &Digest::of(path.as_bytes()).hex()[..12]);
        // A file that changed is read as it is now, whole.
        run.data.retain(|data| data.name != name);
        run.data.push(DataSettings { name, path: path.into(), split: Split::Train, share, labels: labels.clone() });
    }
    if let Some(champion) = batch.champion {
        run.start = Some(StartSettings { adapter: champion.to_string() });
        run.train.epochs = settings.increment.epochs;
        run.train.learning_rate *= settings.increment.rate;
    }
    run
}

fn part(share: Option<f64>, replay: Option<f64>) -> Option<f64> {
    Some(share.unwrap_or(1.0) * replay.unwrap_or(1.0))
}

/// The labels of what a trigger brings, if that is data.
fn labels<'s>(settings: &'s WatchSettings, trigger: &str) -> Option<&'s std::collections::BTreeMap<String, String>> {
    settings.trigger.iter().find_map(|known| match known {
        Trigger::Data { name, labels, .. } if name == trigger => Some(labels),
        _ => None,
    })
}

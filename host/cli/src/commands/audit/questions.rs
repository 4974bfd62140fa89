//! The answers to an auditor's questions, as pages.

use std::collections::BTreeMap;

use freehold_trust::KeyId;
use freehold_workflow::Home;
use freehold_workflow::audit::{
    Approvals, Bar, Explanation, Listed, Reign, Replay, Replayed, RestsOn, RunDiff, RunSummary, Touched, Touches,
};
use jiff::Timestamp;

use super::decided;
use crate::commands::report;
use crate::page::{headline, pairs, say, table};

/// The names that a home has for keys.
pub(in crate::commands) struct KeyNames(Vec<(String, String)>);

impl KeyNames {
    /// Keys that cannot be listed have no name.
    pub(in crate::commands) fn of(home: &Home) -> Self {
        let keys = home.keys().unwrap_or_default();
        Self(keys.into_iter().map(|key| (key.id().to_string(), key.name)).collect())
    }

    /// The id of a key of this name.
    pub(super) fn id(&self, name: &str) -> Option<KeyId> {
        self.0.iter().find(|(_, known)| known == name).and_then(|(id, _)| id.parse().ok())
    }

    pub(in crate::commands) fn show(&self, id: &str) -> String {
        let short: String = id.chars().take(12).collect();
        match self.0.iter().find(|(known, _)| known == id) {
            Some((_, name)) => format!("{short} ({name})"),
            None => short,
        }
    }
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

pub(super) fn list(listed: &Listed) {
    if listed.runs.is_empty() {
        return say("There are no such runs. Run a recipe: freehold run freehold.toml");
    }
    let row = |run: &RunSummary| {
        let adapter = run.adapter.map(|adapter| adapter.short()).unwrap_or_default();
        let (began, phase) = (minute(run.started), run.phase.to_string());
        vec![run.run.clone(), began, phase, decided(run.decision), adapter, run.aliases.join(", ")]
    };
    let rows = listed.runs.iter().map(row).collect();
    table(&["Run", "Began (UTC)", "Last phase", "Decision", "Adapter", "Aliases now"], rows);
    if listed.more {
        say("There are older ones: --limit N shows more, --limit 0 all.");
    }
}

pub(super) fn explain(model: &Explanation, keys: &KeyNames) {
    let Explanation { run, adapter, started, finished, trust_root, recorded_by, base, .. } = model;
    let of_base = [Some(base.digest.short()), base.license.clone(), base.commit.clone()];
    let of_base: Vec<String> = of_base.into_iter().flatten().collect();
    pairs(&[
        ("run", run.clone()),
        ("adapter", adapter.map_or_else(|| "none".into(), |adapter| adapter.to_string())),
        ("decision", decided(model.decision)),
        ("why", model.reason.clone().unwrap_or_else(|| "-".into())),
        ("trained", format!("{} to {} (UTC)", minute(*started), minute(*finished))),
        ("recorded by", recorded_by.iter().map(|id| keys.show(id)).collect::<Vec<_>>().join(", ")),
        ("trust root", trust_root.to_string()),
        ("base model", format!("{} ({})", base.name, of_base.join(", "))),
        ("labels", model.labels.as_ref().map_or_else(|| "-".into(), report::labels)),
    ]);
    headline("Trained and measured on");
    let row = |data: &freehold_workflow::audit::ExplainedData| {
        let labels: Vec<String> = data.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        vec![
            data.name.clone(),
            data.split.into(),
            data.rows.map(|rows| rows.to_string()).unwrap_or_default(),
            labels.join(", "),
            data.digest.map(|digest| digest.short()).unwrap_or_default(),
        ]
    };
    table(&["Dataset", "Split", "Rows", "Labels", "Digest"], model.data.iter().map(row).collect());
    headline("With these plugins");
    let row = |plugin: &freehold_workflow::audit::ExplainedPlugin| {
        let now = match (&plugin.revoked, &plugin.yanked) {
            (Some(why), _) => why.clone(),
            (None, Some(why)) => format!("yanked: {why}"),
            (None, None) => "good".into(),
        };
        vec![
            format!("{}@{}", plugin.name, plugin.version),
            plugin.used_as.join(", "),
            plugin.component.short(),
            plugin.signer.as_deref().map(|id| keys.show(id)).unwrap_or_default(),
            now,
        ]
    };
    table(&["Plugin", "Used as", "Component", "Signed by", "Now"], model.plugins.iter().map(row).collect());
    report::judged(&model.metrics, &model.policies);
    report::used_up(model.spent.as_ref(), &BTreeMap::new());
    headline("Approved by");
    approvals_table(&model.approvals, keys);
    headline("In use");
    let row = |used: &freehold_workflow::audit::Use| {
        let until = used.until.map_or_else(|| "now".into(), minute);
        vec![used.alias.clone(), minute(used.from), until, or_dash(approvers(&used.rests_on, keys))]
    };
    match model.uses.as_slice() {
        [] => say("It never had an alias."),
        uses => table(&["Alias", "From (UTC)", "Until", "Rests on approvals of"], uses.iter().map(row).collect()),
    }
}

fn approvers(rests_on: &[RestsOn], keys: &KeyNames) -> String {
    rests_on.iter().map(|approval| keys.show(&approval.approver)).collect::<Vec<_>>().join(", ")
}

fn approvals_table(approvals: &[freehold_workflow::audit::Approval], keys: &KeyNames) {
    if approvals.is_empty() {
        return say("Nobody approved it.");
    }
    let row = |approval: &freehold_workflow::audit::Approval| {
        let mut notes = vec![approval.note.clone().unwrap_or_default()];
        notes.extend(approval.revoked.clone());
        notes.extend(approval.is_trainer.then(|| "also signed the run's records".to_owned()));
        notes.retain(|note| !note.is_empty());
        vec![keys.show(&approval.approver), minute(approval.time), approval.entry.to_string(), notes.join("; ")]
    };
    table(&["Key", "Time (UTC)", "Entry", "Note"], approvals.iter().map(row).collect());
}

pub(super) fn approvals(found: &Approvals, keys: &KeyNames) {
    pairs(&[
        ("run", found.run.clone()),
        ("adapter", found.adapter.map_or_else(|| "none".into(), |adapter| adapter.to_string())),
        ("approved by", format!("{} of {} needed", found.counted, found.needed)),
    ]);
    approvals_table(&found.approvals, keys);
    say(if found.enough { "Enough approved it." } else { "Not enough approved it." });
}

pub(super) fn diff(diff: &RunDiff) {
    let key = if diff.same_key { "the same recipe and lockfile" } else { "different recipes or lockfiles" };
    pairs(&[("before", diff.before.clone()), ("after", diff.after.clone()), ("made from", key.into())]);
    if diff.changes.is_empty() {
        return say("Nothing differs.");
    }
    let cell = |value: &Option<String>| or_dash(value.clone().unwrap_or_default());
    let rows = diff
        .changes
        .iter()
        .map(|change| vec![change.kind.into(), change.what.clone(), cell(&change.before), cell(&change.after)]);
    table(&["", "What", "Before", "After"], rows.collect());
}

pub(super) fn impact(Touches { touched, more }: &Touches) {
    if touched.is_empty() {
        return say("It touched no run.");
    }
    let row = |run: &Touched| {
        let formerly = run.formerly.iter().map(|alias| format!("once {alias}"));
        let aliases: Vec<String> = run.aliases.iter().cloned().chain(formerly).collect();
        let (began, decision) = (minute(run.started), decided(run.decision));
        vec![run.run.clone(), began, some(&run.through), decision, or_dash(aliases.join(", "))]
    };
    let rows = touched.iter().map(row).collect();
    table(&["Run", "Began (UTC)", "Touched through", "Decision", "In production as"], rows);
    let live = touched.iter().filter(|run| !run.aliases.is_empty()).count();
    match more {
        false => say(&format!("{} runs, {live} of them in production.", touched.len())),
        true => say(&format!(
            "The first {}, {live} of them in production; there are more: --limit N shows more, --limit 0 all.",
            touched.len()
        )),
    }
}

/// The first of many; `--json` has them all.
fn some(texts: &[String]) -> String {
    const SHOWN: usize = 2;
    let shown = texts.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match texts.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

pub(super) fn history(reigns: &[Reign], keys: &KeyNames) {
    if reigns.is_empty() {
        return say("It named nothing then.");
    }
    let row = |reign: &Reign| {
        let until = reign.until.map_or_else(|| "now".into(), minute);
        let because = match (&reign.reason, reign.rollback) {
            (Some(reason), _) => format!("went back: {reason}"),
            (None, true) => "went back".into(),
            (None, false) if reign.rests_on.is_empty() => "promoted".into(),
            (None, false) => format!("promoted, approved by {}", approvers(&reign.rests_on, keys)),
        };
        let (adapter, entry) = (reign.adapter.short(), reign.entry.to_string());
        let labels = reign.labels.as_ref().map_or_else(|| "-".into(), |labels| labels.residency.shown());
        vec![minute(reign.from), until, reign.run.clone(), adapter, labels, entry, because]
    };
    table(&["From (UTC)", "Until", "Run", "Adapter", "Data of", "Entry", "Because"], reigns.iter().map(row).collect());
}

pub(super) fn replay(replay: &Replay) {
    let row = |one: &Replayed| {
        let result = if one.same { "the same".into() } else { format!("{}, recorded was {}", one.now, one.recorded) };
        vec![one.kind.clone(), one.name.clone(), one.plugin.clone(), result]
    };
    table(&["What", "Name", "Plugin", "Result"], replay.replayed.iter().map(row).collect());
    say(match (replay.replayed.is_empty(), replay.same) {
        (true, _) => "The run asked no metric and no policy.",
        (false, true) => "Replayed: every value and verdict is what was recorded, byte for byte.",
        (false, false) => "Something differs from what was recorded.",
    });
}

pub(super) fn bars(bars: &[Bar]) {
    headline("Bars that were set before the results");
    if bars.is_empty() {
        return say("No run was measured against a policy.");
    }
    let row = |bar: &Bar| {
        vec![
            bar.run.clone(),
            format!("{}@{}", bar.policy, bar.version),
            bar.settings.replace('\n', ", "),
            format!("{}, {}", bar.set, minute(bar.set_at)),
            format!("{}, {}", bar.measured, minute(bar.measured_at)),
        ]
    };
    table(&["Run", "Policy", "Asked with", "Set in entry", "Measured in entry"], bars.iter().map(row).collect());
}

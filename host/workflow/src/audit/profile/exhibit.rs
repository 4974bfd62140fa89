//! What the records of a run hold of each kind of evidence. One function looks for one kind, and says what it found or what is
//! not there.

use freehold_core::record::Phase;
use freehold_core::verdict::Stage;
use freehold_trust::Role;
use schemars::JsonSchema;
use serde::Serialize;

use super::EvidenceKind;
use crate::audit::dossier::Dossier;
use crate::audit::{Approval, ExplainedData, ExplainedPlugin};
use crate::run::{PREDICTIONS, PROVENANCE};

/// Whether evidence is in the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is.
    There,
    /// Some of it is.
    Partly,
    /// It is not.
    Missing,
}

/// What the records hold of a kind of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exhibit {
    /// The kind.
    pub evidence: EvidenceKind,
    /// Whether it is there.
    pub standing: Standing,
    /// What is there, or what is not.
    pub says: String,
    /// The ledger's entry that has it.
    pub entry: Option<u64>,
}

/// What was found, before its kind and its entry are noted.
struct Found(Standing, String);

fn there(says: impl Into<String>) -> Found {
    Found(Standing::There, says.into())
}

fn partly(says: impl Into<String>) -> Found {
    Found(Standing::Partly, says.into())
}

fn missing(says: impl Into<String>) -> Found {
    Found(Standing::Missing, says.into())
}

fn found(holds: bool, there: impl Into<String>, missing: impl Into<String>) -> Found {
    if holds { Found(Standing::There, there.into()) } else { Found(Standing::Missing, missing.into()) }
}

/// What a run has of `all` things of which `some` have what is asked.
fn share(some: usize, all: usize, says: String, lacking: &str) -> Found {
    match some {
        _ if all == 0 => missing("there are none"),
        0 => missing(lacking),
        _ if some == all => there(says),
        _ => partly(format!("{says}; {} of {all}: {lacking}", all - some)),
    }
}

/// What the records of a run hold of a kind of evidence.
pub(super) fn find(evidence: EvidenceKind, run: &Dossier) -> Exhibit {
    let Found(standing, says) = look(evidence, run);
    let phase = phase_of(evidence).and_then(|phase| run.phase(phase));
    let entry = phase.filter(|_| standing != Standing::Missing).map(|phase| phase.index);
    Exhibit { evidence, standing, says, entry }
}

/// The phase whose statement holds a kind of evidence, if it is one.
fn phase_of(evidence: EvidenceKind) -> Option<Phase> {
    use EvidenceKind as E;
    Some(match evidence {
        E::RunRecipe | E::BaseIdentity | E::BaseLicense | E::DataDigests | E::DataLabels | E::DataRows => {
            Phase::Resolve
        }
        E::DataHeldOut | E::PluginsIdentity | E::PluginsSigned | E::PluginsKept | E::BarsSetBefore => Phase::Resolve,
        E::TrainingSettings | E::TrustRoot => Phase::Resolve,
        E::DataLineage | E::DataDropped => Phase::Transform,
        E::DataCounts => Phase::Tokenise,
        E::TrainingOutcome | E::TrainingResources | E::TrainingDeterminism | E::AdapterIdentity => Phase::Train,
        E::MetricsValues | E::MetricsIntervals | E::MetricsBase | E::MetricsProduction | E::MetricsAnswers => {
            Phase::Evaluate
        }
        E::PoliciesAdmit => Phase::Admit,
        E::PoliciesPromote => Phase::Promote,
        E::Provenance | E::Decision => Phase::Record,
        E::RunPhases | E::RunPrevious | E::PluginsStanding | E::ApprovalsGiven | E::ApprovalsFourEyes => return None,
        E::UseHistory | E::LogEntries | E::LogWitnessed | E::TrustStanding => return None,
    })
}

fn look(evidence: EvidenceKind, run: &Dossier) -> Found {
    use EvidenceKind as E;
    match evidence {
        E::RunRecipe | E::RunPhases | E::RunPrevious | E::Decision | E::UseHistory => of_run(evidence, run),
        E::LogEntries | E::LogWitnessed | E::TrustRoot | E::TrustStanding => of_log(evidence, run),
        E::BaseIdentity | E::BaseLicense => of_base(evidence, run),
        E::DataDigests | E::DataLabels | E::DataRows | E::DataHeldOut => of_datasets(evidence, &run.explanation.data),
        E::DataLineage | E::DataDropped | E::DataCounts => of_rows(evidence, run),
        E::PluginsIdentity | E::PluginsSigned | E::PluginsStanding | E::PluginsKept => of_plugins(evidence, run),
        E::TrainingSettings | E::TrainingOutcome | E::TrainingResources | E::TrainingDeterminism => {
            of_training(evidence, run)
        }
        E::AdapterIdentity | E::Provenance => of_adapter(evidence, run),
        E::MetricsValues | E::MetricsIntervals | E::MetricsBase | E::MetricsProduction | E::MetricsAnswers => {
            of_metrics(evidence, run)
        }
        E::BarsSetBefore => bars(run),
        E::PoliciesAdmit => verdicts(run, Stage::Admit),
        E::PoliciesPromote => verdicts(run, Stage::Promote),
        E::ApprovalsGiven => approvals(run, |_| true),
        E::ApprovalsFourEyes => approvals(run, |approval| !approval.is_trainer),
    }
}

fn of_run(evidence: EvidenceKind, run: &Dossier) -> Found {
    let explained = &run.explanation;
    match evidence {
        EvidenceKind::RunRecipe => {
            let kept = ["recipe", "lockfile"].map(|name| run.outputs(Phase::Resolve, name).len());
            found(kept.iter().all(|count| *count > 0), "recipe and lockfile are kept", "they are not kept")
        }
        EvidenceKind::RunPhases => {
            let says = format!("{} phases, {} to {}", run.phases.len(), explained.started, explained.finished);
            match run.phase(Phase::Record) {
                Some(_) => there(says),
                None => partly(format!("{says}; the run is unfinished")),
            }
        }
        EvidenceKind::RunPrevious => there(match &run.previous {
            Some(previous) => format!("`freehold audit diff {previous} {}` says what changed", explained.run),
            None => "it is the first run of its recipe".into(),
        }),
        EvidenceKind::UseHistory => there(match explained.uses.len() {
            0 => "it never had an alias".into(),
            uses => format!("{uses} times in use, with their beginnings and ends"),
        }),
        _ => match (explained.decision, &explained.reason) {
            (Some(decision), Some(reason)) => there(format!("{}: {reason}", decision.as_str())),
            (Some(decision), None) => there(decision.as_str()),
            (None, _) => missing("the run has no decision"),
        },
    }
}

fn of_log(evidence: EvidenceKind, run: &Dossier) -> Found {
    let last = run.entries.last().map_or(0, |entry| entry.index);
    match evidence {
        EvidenceKind::LogEntries => {
            let ordered = run.phases.windows(2).all(|pair| pair[0].index < pair[1].index);
            let says = format!("{} entries, up to entry {last}", run.entries.len());
            found(ordered, says, "the entries are not in the order of the phases")
        }
        EvidenceKind::LogWitnessed => match run.witnessed {
            Some(size) if size > last => there(format!("witnesses cosigned the first {size} entries")),
            Some(size) => {
                partly(format!("witnesses cosigned the first {size} entries; the run goes on to entry {last}"))
            }
            None => missing("no witness cosigned a checkpoint"),
        },
        EvidenceKind::TrustRoot => match &run.root {
            Some(root) => {
                let role = |role: Role| {
                    Some(format!("{role} {} of {}", root.threshold_of(role), root.roles.get(&role)?.keys.len()))
                };
                let roles: Vec<_> = Role::ALL.into_iter().filter_map(role).collect();
                there(format!("trust root {}: {}", root.version, roles.join(", ")))
            }
            None => missing(format!("trust root {} is not in the home", run.explanation.trust_root)),
        },
        _ => {
            let Some(newest) = &run.newest_root else { return missing("there is no trust root") };
            let approvers = run.explanation.approvals.iter().map(|approval| &approval.approver);
            let signers = run.explanation.recorded_by.iter().chain(approvers);
            let revoked = |signer: &&String| newest.revoked_keys.keys().any(|key| key.to_string() == **signer);
            match signers.filter(revoked).count() {
                0 => there(format!("none is revoked by trust root {}", newest.version)),
                revoked => partly(format!("{revoked} revoked by trust root {}", newest.version)),
            }
        }
    }
}

fn of_base(evidence: EvidenceKind, run: &Dossier) -> Found {
    let base = &run.explanation.base;
    match (evidence, &base.license) {
        (EvidenceKind::BaseIdentity, _) => there(format!("{}, {}", base.name, base.digest.short())),
        (_, Some(license)) => there(license),
        (_, None) => missing("the recipe names no licence: `base.license`"),
    }
}

fn of_datasets(evidence: EvidenceKind, data: &[ExplainedData]) -> Found {
    let count = |has: fn(&ExplainedData) -> bool| data.iter().filter(|data| has(data)).count();
    let all = data.len();
    match evidence {
        EvidenceKind::DataDigests => {
            share(count(|data| data.digest.is_some()), all, format!("{all} datasets with digests"), "no digest")
        }
        EvidenceKind::DataLabels => {
            let mut labels: Vec<_> = data.iter().flat_map(|data| data.labels.keys()).map(String::as_str).collect();
            labels.sort_unstable();
            labels.dedup();
            let says = format!("labels: {}", labels.join(", "));
            share(count(|data| !data.labels.is_empty()), all, says, "the recipe gives no labels: `data.labels`")
        }
        EvidenceKind::DataRows => {
            let rows: u64 = data.iter().filter_map(|data| data.rows).sum();
            share(count(|data| data.rows.is_some()), all, format!("{rows} rows in {all} datasets"), "not counted")
        }
        _ => {
            let of = |split: &'static str| data.iter().filter(move |data| data.split == split);
            let trained: Vec<_> = of("train").map(|data| data.digest).collect();
            let held_out: Vec<_> = of("eval").map(|data| data.digest).collect();
            let apart = held_out.iter().filter(|digest| digest.is_some() && !trained.contains(*digest)).count();
            let says = format!("{} datasets, other files than those trained on", held_out.len());
            share(apart, held_out.len(), says, "a file of the training too")
        }
    }
}

fn of_rows(evidence: EvidenceKind, run: &Dossier) -> Found {
    let (transforms, counted) = (&run.reports.transforms, &run.reports.validation);
    match (evidence, counted) {
        (EvidenceKind::DataLineage, _) => {
            let files = run.outputs(Phase::Transform, "lineage/").len();
            found(files > 0, format!("{files} files of lineage"), "no row went through the transforms")
        }
        (EvidenceKind::DataDropped, _) => {
            let dropped: usize = transforms.iter().flat_map(|transform| transform.dropped.values()).sum();
            let says = format!("{} steps, {dropped} rows dropped, each with a reason", transforms.len());
            found(run.phase(Phase::Transform).is_some(), says, "no row went through the transforms")
        }
        (_, Some(counts)) => {
            let (examples, learned, tokens) = (counts.train.examples, counts.train.learned, counts.train.tokens);
            there(format!("{examples} examples, {learned} of {tokens} tokens learned"))
        }
        (_, None) => missing("nothing was counted"),
    }
}

fn of_plugins(evidence: EvidenceKind, run: &Dossier) -> Found {
    let plugins = &run.explanation.plugins;
    let all = plugins.len();
    let count = |has: &dyn Fn(&ExplainedPlugin) -> bool| plugins.iter().filter(|plugin| has(plugin)).count();
    match evidence {
        EvidenceKind::PluginsIdentity => share(all, all, format!("{all} plugins with versions and digests"), ""),
        EvidenceKind::PluginsSigned => {
            share(count(&|plugin| plugin.signer.is_some()), all, format!("{all} signed"), "no signer is recorded")
        }
        EvidenceKind::PluginsStanding => {
            let good = count(&|plugin| plugin.revoked.is_none() && plugin.yanked.is_none());
            share(good, all, "in good standing".into(), "revoked or yanked")
        }
        _ => {
            let kept = run.outputs(Phase::Resolve, "plugin/").iter().filter(|output| output.kept).count();
            let says = format!("`freehold audit replay {}` runs them again", run.explanation.run);
            share(kept.min(all), all, says, "not kept, as in records of earlier versions")
        }
    }
}

fn of_training(evidence: EvidenceKind, run: &Dossier) -> Found {
    let (adapter, train) = (&run.recipe.adapter, &run.recipe.train);
    if evidence == EvidenceKind::TrainingSettings {
        let (method, epochs, rate) = (adapter.method.as_str(), train.epochs, train.learning_rate);
        return there(format!("{method}, {epochs} epochs, learning rate {rate}; all of it in the recipe"));
    }
    let Some(trained) = &run.trained else { return missing("nothing was trained") };
    match evidence {
        EvidenceKind::TrainingOutcome => {
            let (steps, first, last) = (trained.steps, trained.first_loss, trained.last_loss);
            there(format!("{steps} steps, {} tokens, loss {first:.3} to {last:.3}", trained.tokens))
        }
        EvidenceKind::TrainingResources => {
            let says =
                format!("{:.1} s, {} tokens; hardware and energy are not recorded", trained.seconds, trained.tokens);
            partly(says)
        }
        _ => {
            let promised = trained.determinism.iter().map(|(key, value)| format!("{key} {value}"));
            let promised: Vec<_> = promised.collect();
            found(!promised.is_empty(), promised.join(", "), "the record does not say")
        }
    }
}

fn of_adapter(evidence: EvidenceKind, run: &Dossier) -> Found {
    match evidence {
        EvidenceKind::AdapterIdentity => match run.explanation.adapter {
            Some(adapter) => there(adapter.short()),
            None => missing("nothing was trained"),
        },
        _ => found(!run.outputs(Phase::Record, PROVENANCE).is_empty(), "SLSA provenance v1", "there is none"),
    }
}

fn of_metrics(evidence: EvidenceKind, run: &Dossier) -> Found {
    let metrics = &run.reports.metrics;
    let names: Vec<_> = metrics.iter().map(|metric| metric.metric.as_str()).collect();
    if names.is_empty() {
        return missing("nothing was measured");
    }
    let all = metrics.len();
    match evidence {
        EvidenceKind::MetricsValues => {
            let named = metrics.iter().filter(|metric| metric.plugin.is_some()).count();
            share(named, all, names.join(", "), "the record does not name the plugin")
        }
        EvidenceKind::MetricsIntervals => {
            let level = metrics.iter().map(|metric| metric.confidence).fold(1.0, f64::min);
            there(format!("at {}%, of every value", 100.0 * level))
        }
        EvidenceKind::MetricsBase => there(format!("{all} metrics of the base model")),
        EvidenceKind::MetricsProduction => {
            let compared = metrics.iter().filter(|metric| metric.over_production.is_some()).count();
            share(compared, all, "compared row by row".into(), "nothing in production was measured")
        }
        _ => {
            let files = run.outputs(Phase::Evaluate, PREDICTIONS).len();
            found(files > 0, format!("{files} files of answers"), "they are not kept")
        }
    }
}

fn bars(run: &Dossier) -> Found {
    match (run.bars.first(), run.bar_problems.first()) {
        (_, Some(problem)) => missing(problem.problem.clone()),
        (Some(bar), None) => {
            let (bars, set, measured) = (run.bars.len(), bar.set, bar.measured);
            there(format!("{bars} bars in entry {set}, results in entry {measured}"))
        }
        (None, None) => missing("no policy was asked about results"),
    }
}

fn verdicts(run: &Dossier, stage: Stage) -> Found {
    let verdicts: Vec<_> = run.judged.iter().filter(|(asked, _)| *asked == stage).map(|(_, policy)| policy).collect();
    let said = |policy: &&crate::run::JudgedPolicy| format!("{} {}", policy.plugin, policy.verdict.outcome.as_str());
    let said: Vec<_> = verdicts.iter().map(said).collect();
    found(!said.is_empty(), said.join(", "), format!("no policy was asked at stage {}", stage.as_str()))
}

/// Approvals that still count, each key once, among those that `wanted` lets count.
fn approvals(run: &Dossier, wanted: fn(&Approval) -> bool) -> Found {
    let counted = run.explanation.approvals.iter().filter(|approval| approval.revoked.is_none() && wanted(approval));
    let mut keys: Vec<_> = counted.map(|approval| &approval.approver).collect();
    keys.sort_unstable();
    keys.dedup();
    let needed = run.approvals_needed();
    match keys.len() {
        0 => missing("nobody whose key counts approved it: `freehold approve`"),
        given if given >= needed => there(format!("{given} keys, {needed} needed")),
        given => partly(format!("{given} of {needed} keys")),
    }
}

//! Every metric and every policy of a run once more, from what was recorded: the same components, settings, answers and
//! evidence have to give the same values and verdicts, byte for byte.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::evidence::Measurement;
use freehold_core::lock::LockedPlugin;
use freehold_core::name::PluginName;
use freehold_core::recipe::{Grant, Settings};
use freehold_core::record::{Phase, PhaseRecord};
use freehold_core::verdict::Stage;
use freehold_sandbox::{Grants, Plugin, Sandbox};
use freehold_trust::{Encounter, verify_plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::past::{Past, PastRun};
use crate::resample::Resamples;
use crate::run::{self, AnsweredRow, Asked, PREDICTIONS, ResolveDetail, component_output, manifest_output, output_of};
use crate::statements::malformed;
use crate::{Home, WorkflowError};

/// Something that was computed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Replayed {
    /// What: `metric`, `policy at admit`, `policy at promote`, or `evidence`: that policies were shown what was measured.
    pub kind: String,
    /// The measurement or the policy.
    pub name: String,
    /// The plugin and its version.
    pub plugin: String,
    /// Whether it gave the same bytes.
    pub same: bool,
    /// What was recorded, as JSON.
    pub recorded: String,
    /// What came now, as JSON.
    pub now: String,
}

/// A run that was replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Replay {
    /// The run.
    pub run: String,
    /// Whether everything gave the same bytes.
    pub same: bool,
    /// All of it, in the order of the record.
    pub replayed: Vec<Replayed>,
}

/// A recorded answer.
#[derive(Debug, Deserialize)]
struct Answer {
    prompt: String,
    reference: String,
    prediction: String,
}

impl Answer {
    fn row(&self) -> AnsweredRow<'_> {
        AnsweredRow { prompt: &self.prompt, reference: &self.reference, prediction: &self.prediction }
    }
}

/// Runs every metric and policy of a run again. `files` are the files that plugins were granted, in any order: records have
/// their digests only.
///
/// # Errors
/// There is no such run; its record has no plugins, as those of earlier versions; a granted file is not given; a plugin fails.
pub fn replay(home: &Home, run: &str, files: Vec<Vec<u8>>) -> Result<Replay, WorkflowError> {
    let past = Past::open(home)?;
    let sandbox = home.sandbox()?;
    let files = files.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect();
    let past_run = past.run(run)?;
    let player = Player { past: &past, run: &past_run, resolved: past_run.resolved()?, sandbox, files };
    let mut replayed = player.stage(Stage::Admit)?;
    replayed.extend(player.metrics()?);
    replayed.extend(player.stage(Stage::Promote)?);
    Ok(Replay { run: run.into(), same: replayed.iter().all(|one| one.same), replayed })
}

/// The metrics of two runs that answered the same questions, from what was recorded: where a measurement speaks of production,
/// `other` is meant.
pub(crate) fn paired(home: &Home, run: &str, other: &str) -> Result<Vec<Measurement>, WorkflowError> {
    let past = Past::open(home)?;
    let (sandbox, files) = (home.sandbox()?, BTreeMap::new());
    let (past_run, other) = (past.run(run)?, past.run(other)?);
    let player = Player { past: &past, run: &past_run, resolved: past_run.resolved()?, sandbox, files };
    let missing = || player.missing("both runs have to be evaluated");
    let (mine, others) = (past_run.record(Phase::Evaluate), other.record(Phase::Evaluate));
    let (mine, others) = (mine.ok_or_else(missing)?, others.ok_or_else(missing)?);
    let answers = |record, name: &str| player.answers(&output_of(record, &format!("{PREDICTIONS}/{name}"))?);
    let models = [answers(mine, "base")?, answers(mine, "adapted")?, answers(others, "adapted")?];
    let asked = |answer: &Answer| (answer.prompt.clone(), answer.reference.clone());
    if !models[1].iter().map(asked).eq(models[2].iter().map(asked)) {
        return Err(player.missing("the runs were asked other questions"));
    }
    Ok(player.measured(mine, &models)?.into_iter().map(|(measured, _)| measured).collect())
}

struct Player<'p> {
    past: &'p Past,
    run: &'p PastRun<'p>,
    resolved: ResolveDetail,
    sandbox: Sandbox,
    files: BTreeMap<Digest, Vec<u8>>,
}

fn compared<T: Serialize>(
    (kind, name, plugin): (String, String, String),
    recorded: &T,
    now: &T,
) -> Result<Replayed, WorkflowError> {
    let json = |value: &T| serde_json::to_string(value).map_err(malformed("replay"));
    let (recorded, now) = (json(recorded)?, json(now)?);
    Ok(Replayed { kind, name, plugin, same: recorded == now, recorded, now })
}

impl Player<'_> {
    fn missing(&self, problem: impl Into<String>) -> WorkflowError {
        WorkflowError::Replay { run: self.run.name.into(), problem: problem.into() }
    }

    /// What was left out of the record cannot be compared with it.
    fn as_many(&self, what: &str, recorded: usize, wanted: usize) -> Result<(), WorkflowError> {
        let problem = || format!("its record has {recorded} {what}, its recipe {wanted}");
        if recorded == wanted { Ok(()) } else { Err(self.missing(problem())) }
    }

    fn stage(&self, stage: Stage) -> Result<Vec<Replayed>, WorkflowError> {
        let phase = if stage == Stage::Admit { Phase::Admit } else { Phase::Promote };
        let Some(record) = self.run.record(phase) else { return Ok(Vec::new()) };
        let (evidence, recipe) = (self.run.evidence(stage)?, self.run.recipe()?);
        let asked: Vec<_> = recipe.policy.iter().filter(|policy| policy.stage == stage).collect();
        let verdicts = run::judged(record)?.verdicts;
        self.as_many("policies", verdicts.len(), asked.len())?;
        let mut replayed = Vec::new();
        if let (Stage::Promote, Some(evaluated)) = (stage, self.run.record(Phase::Evaluate)) {
            // Policies have to have been shown what was measured.
            let what = ("evidence".into(), "measurements".into(), String::new());
            replayed.push(compared(what, &run::evaluated(evaluated)?.measurements, &evidence.measurements)?);
        }
        for (judged, policy) in verdicts.iter().zip(asked) {
            let plugin = self.plugin(&policy.plugin, |locked| locked.component == judged.component)?;
            let grants = self.grants(&plugin, &policy.settings, &policy.grants)?;
            let (verdict, _) = run::ask(&plugin, &grants, &evidence);
            let label = format!("{} {}", judged.plugin, judged.version);
            let what = (format!("policy at {}", stage.as_str()), judged.plugin.clone(), label);
            replayed.push(compared(what, &judged.verdict, &verdict)?);
        }
        Ok(replayed)
    }

    fn metrics(&self) -> Result<Vec<Replayed>, WorkflowError> {
        let Some(record) = self.run.record(Phase::Evaluate) else { return Ok(Vec::new()) };
        let detail = run::evaluated(record)?;
        let mut models = Vec::new();
        for name in ["base", "adapted", "production"] {
            if let Ok(digest) = output_of(record, &format!("{PREDICTIONS}/{name}")) {
                models.push(self.answers(&digest)?);
            }
        }
        let replayed = detail.measurements.iter().zip(self.measured(record, &models)?);
        let compare = |(recorded, (now, label)): (&Measurement, (Measurement, String))| {
            compared(("metric".into(), recorded.metric.clone(), label), recorded, &now)
        };
        replayed.map(compare).collect()
    }

    /// What the run's metrics say of the answers of these models, each with its plugin.
    fn measured(
        &self,
        record: &PhaseRecord,
        models: &[Vec<Answer>],
    ) -> Result<Vec<(Measurement, String)>, WorkflowError> {
        let (detail, recipe) = (run::evaluated(record)?, self.run.recipe()?);
        self.as_many("metrics", detail.measurements.len(), recipe.metric.len())?;
        let models: Vec<Vec<AnsweredRow<'_>>> =
            models.iter().map(|answers| answers.iter().map(Answer::row).collect()).collect();
        let resamples = Resamples::new(detail.rows, recipe.evaluate.resamples, recipe.run.seed);
        let mut all = Vec::new();
        for (index, metric) in recipe.metric.iter().enumerate() {
            let version = detail.metrics.get(index).map(|metered| metered.version.clone());
            let is_meant = |locked: &LockedPlugin| version.as_ref().is_none_or(|v| locked.version.to_string() == *v);
            let plugin = self.plugin(&metric.plugin, is_meant)?;
            let grants = self.grants(&plugin, &metric.settings, &metric.grants)?;
            let confidence = recipe.evaluate.confidence;
            let asked = Asked { plugin: &plugin, grants: &grants, resamples: &resamples, confidence };
            let (now, _) = run::measure(metric.measurement(), asked, &models)?;
            let label = format!("{} {}", metric.plugin, plugin.manifest().version);
            all.push((now, label));
        }
        Ok(all)
    }

    fn answers(&self, digest: &Digest) -> Result<Vec<Answer>, WorkflowError> {
        let bytes = self.past.store.get(digest)?;
        let lines = serde_json::Deserializer::from_slice(&bytes).into_iter();
        lines.collect::<Result<_, _>>().map_err(malformed(format!("answers {digest}")))
    }

    /// A plugin as it was, judged by the trust root of the run at its time: what was revoked since is asked again too.
    fn plugin(&self, name: &PluginName, is_meant: impl Fn(&LockedPlugin) -> bool) -> Result<Plugin, WorkflowError> {
        let locked = self.resolved.lock.plugin.iter().find(|plugin| plugin.name == *name && is_meant(plugin));
        let locked = locked.ok_or_else(|| self.missing(format!("it has no plugin `{name}`")))?;
        let resolve = self.run.record(Phase::Resolve).ok_or_else(|| self.missing("it has no phase resolve"))?;
        let label = format!("{}@{}", locked.name, locked.version);
        let kept = |output: String| match output_of(resolve, &output) {
            Ok(digest) => Ok(self.past.store.get(&digest)?),
            Err(_) => Err(self.missing(format!("its record does not keep the plugin {label}"))),
        };
        let (component, manifest) = (kept(component_output(&label))?, kept(manifest_output(&label))?);
        let version = resolve.trust_root;
        let root = super::root_for(&self.past.roots, version).ok_or(WorkflowError::NoRoot(version))?;
        let met = Encounter::again(resolve.started);
        let verified = verify_plugin(root, met, (&locked.name, &locked.version), &manifest, component)?;
        Ok(self.sandbox.load(&verified)?)
    }

    fn grants(&self, plugin: &Plugin, settings: &Settings, grants: &[Grant]) -> Result<Grants, WorkflowError> {
        let mut assets = BTreeMap::new();
        for grant in grants {
            let locked = self.resolved.lock.asset.iter().find(|asset| asset.name == grant.path);
            let digest = locked.ok_or_else(|| self.missing(format!("it has no file `{}`", grant.path)))?.digest;
            let missing = || {
                let path = &grant.path;
                self.missing(format!("records keep no granted files; give `{path}` ({digest}) with `--asset FILE`"))
            };
            assets.insert(grant.asset.clone(), self.files.get(&digest).ok_or_else(missing)?.clone());
        }
        Ok(Grants::new(plugin.manifest().complete(settings)?, assets))
    }
}

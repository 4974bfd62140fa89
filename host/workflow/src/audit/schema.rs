//! What `--json` gives, as JSON Schema (2020-12): made of the types that are written, and of their documentation.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::{
    Approvals, CheckpointView, Explanation, ProfileReport, ProfileSummary, Reign, Reindexed, Replay, RunDiff,
    RunSummary, RunView, Touched, Verification, VerifiedPack,
};
use crate::drift::DriftReport;
use crate::promote::Promoted;
use crate::rollback::Rollback;
use crate::run::{Reproduction, RunReport};

/// A question or command, by name, and the schema of its answer.
type Answer = (&'static str, fn() -> Schema);

const ANSWERS: [Answer; 20] = [
    ("list", of::<Vec<RunSummary>>),
    ("show", of::<RunView>),
    ("explain", of::<Explanation>),
    ("approvals", of::<Approvals>),
    ("diff", of::<RunDiff>),
    ("impact", of::<Vec<Touched>>),
    ("history", of::<Vec<Reign>>),
    ("replay", of::<Replay>),
    ("profile", of::<Vec<ProfileReport>>),
    ("profiles", of::<Vec<ProfileSummary>>),
    ("verify", of::<Verification>),
    ("verify-pack", of::<VerifiedPack>),
    ("index", of::<Reindexed>),
    ("checkpoint", of::<CheckpointView>),
    ("witness", of::<CheckpointView>),
    ("run", of::<RunReport>),
    ("reproduce", of::<Reproduction>),
    ("promote", of::<Promoted>),
    ("rollback", of::<Rollback>),
    ("drift", of::<DriftReport>),
];

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// What there are schemas of.
pub fn answers() -> impl Iterator<Item = &'static str> {
    ANSWERS.iter().map(|(name, _)| *name)
}

/// The schema of an answer; `None` if there is no such.
pub fn schema(answer: &str) -> Option<serde_json::Value> {
    let (_, schema) = ANSWERS.iter().find(|(name, _)| *name == answer)?;
    Some(schema().into())
}

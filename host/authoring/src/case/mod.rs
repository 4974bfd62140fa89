//! Golden cases: files with settings, input and what is expected of the plugin.

mod accept;
mod compare;
mod evidence;
mod execute;
mod rows;

use std::collections::BTreeMap;

use freehold_core::batch::Batch;
use freehold_core::evidence::Evidence;
use freehold_core::manifest::World;
use freehold_core::recipe::Settings;
use freehold_core::toml_text::{self, nearest};
use serde::Deserialize;

use crate::AuthoringError;
use evidence::EvidenceCase;

pub use accept::accept;
pub use compare::{DiffLine, Difference, Side};
pub(crate) use execute::grants;
pub use execute::{Broken, CaseReport, run_case};

/// A case as it is written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(default)]
    settings: Settings,
    /// Files beside the case, by the name of the asset that they are granted as.
    #[serde(default)]
    assets: BTreeMap<String, String>,
    #[serde(default)]
    batch: Vec<RowsCase>,
    evidence: Option<EvidenceCase>,
    #[serde(default)]
    expect: toml::Table,
}

/// The rows of one call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsCase {
    rows: Vec<toml::Table>,
}

/// What the plugin is given.
#[derive(Debug, Clone)]
enum Input {
    Rows(Vec<Batch>),
    Evidence(Box<Evidence>),
}

/// A golden case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name: that of its file.
    pub name: String,
    file: String,
    text: String,
    written: CaseFile,
    input: Input,
    assets: BTreeMap<String, Vec<u8>>,
}

/// What can be expected in a world.
fn expectations(world: World) -> &'static [&'static str] {
    match world {
        World::Transform => &["rows", "origins", "dropped", "counts", "error"],
        World::Metric => &["value", "statistics", "error"],
        World::Policy => &["outcome", "code", "reason", "rests_on", "error"],
    }
}

impl Case {
    /// Reads the case in `text`.
    pub(crate) fn parse(world: World, name: &str, file: &str, text: String) -> Result<Self, AuthoringError> {
        let broken = |problem: String| AuthoringError::Case { file: file.into(), problem };
        let mut written: CaseFile = toml_text::parse(&text).map_err(|error| AuthoringError::Toml {
            file: file.into(),
            document: text.clone(),
            error,
        })?;
        for key in written.expect.keys() {
            let known = expectations(world);
            if !known.contains(&key.as_str()) {
                let hint = match nearest(key, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                return Err(broken(format!("a {world} has no `{key}` to expect; {hint}")));
            }
        }
        if world == World::Metric {
            rows::complete_for_metric(&mut written.batch).map_err(broken)?;
        }
        let input = match (world, &written.evidence, written.batch.as_slice()) {
            (World::Policy, Some(evidence), []) => Input::Evidence(Box::new(evidence.to_evidence())),
            (World::Policy, _, _) => return Err(broken("a policy is shown [evidence], and no [[batch]]".into())),
            (_, None, [_, ..]) => Input::Rows(rows::batches(&written.batch).map_err(broken)?),
            _ => return Err(broken(format!("a {world} is given [[batch]] with rows, and no [evidence]"))),
        };
        Ok(Self { name: name.into(), file: file.into(), text, written, input, assets: BTreeMap::new() })
    }

    /// The files that are granted, with the names of the assets.
    pub(crate) fn asset_paths(&self) -> Vec<(String, String)> {
        self.written.assets.iter().map(|(asset, path)| (asset.clone(), path.clone())).collect()
    }

    pub(crate) fn grant(&mut self, asset: &str, bytes: Vec<u8>) {
        self.assets.insert(asset.into(), bytes);
    }

    /// Whether the plugin is expected to fail.
    pub fn expects_error(&self) -> bool {
        self.written.expect.contains_key("error")
    }

    /// The input, repeated to `rows` rows in batches of `batch_rows`; nothing where the input is evidence or has no rows.
    pub(crate) fn repeated(&self, rows: usize, batch_rows: usize) -> Option<Vec<Batch>> {
        let written: Vec<&toml::Table> = self.written.batch.iter().flat_map(|batch| &batch.rows).collect();
        if written.is_empty() {
            return None;
        }
        let all: Vec<toml::Table> = written.into_iter().cycle().take(rows).cloned().collect();
        let chunks: Vec<RowsCase> = all.chunks(batch_rows).map(|rows| RowsCase { rows: rows.to_vec() }).collect();
        rows::batches(&chunks).ok()
    }

    /// The evidence, where the input is evidence.
    pub(crate) fn evidence(&self) -> Option<&Evidence> {
        match &self.input {
            Input::Evidence(evidence) => Some(evidence),
            Input::Rows(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;

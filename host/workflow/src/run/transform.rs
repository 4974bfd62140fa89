//! Phase transform: the data of each split goes through the transforms, and every row is accounted for.

use std::collections::BTreeMap;

use freehold_core::limits::Usage;
use freehold_core::recipe::Split;
use freehold_core::record::{Material, PhaseRecord};
use freehold_rows::write_rows;
use serde::{Deserialize, Serialize};

use super::journal::{PhaseOutput, Work, detail};
use super::lineage::{datasets_output, keep_datasets};
use super::pipeline::{Pipeline, PipelineEnd};
use super::resolve::Resolved;
use crate::dataset::SplitReader;
use crate::{Project, WorkflowError};

/// What a transform did to a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TransformDetail {
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) split: Split,
    pub(crate) rows_in: usize,
    pub(crate) rows_out: usize,
    /// Rows that were dropped, by reason.
    pub(crate) dropped: BTreeMap<String, usize>,
    /// What the plugin counted.
    pub(crate) counts: BTreeMap<String, f64>,
    pub(crate) usage: Usage,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<Vec<TransformDetail>, WorkflowError> {
    detail(record)
}

/// Name of the output that holds the rows of a split.
pub(crate) fn rows_output(split: Split) -> String {
    format!("rows/{}", split.as_str())
}

pub(crate) fn transform(
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    transform_splits(&Split::ALL, project, resolved, work)
}

/// The same for some splits.
pub(super) fn transform_splits(
    splits: &[Split],
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let (mut outputs, mut details) = (Vec::new(), Vec::new());
    for &split in splits {
        outputs.extend(transform_split(split, project, resolved, work, &mut details)?);
    }
    let data = resolved.lock.data.iter();
    let data = data.map(|data| Material::referenced(format!("data/{}", data.name), data.digest));
    let granted = project.recipe.transform.iter().flat_map(|transform| &transform.grants);
    let inputs = data.chain(resolved.assets(granted)).collect();
    PhaseOutput::new(inputs, outputs, &details)
}

/// Writes the rows of a split as they come through. Nothing of it is kept if anything fails.
fn transform_split(
    split: Split,
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
    details: &mut Vec<TransformDetail>,
) -> Result<Vec<Material>, WorkflowError> {
    let store = &work.recorder.store;
    let reader = SplitReader::open(project, split, &resolved.schema(split), &resolved.datasets)?;
    let transforms = project.recipe.transform.iter().zip(&resolved.transforms);
    let transforms: Vec<_> = transforms.filter(|(settings, _)| settings.splits.contains(&split)).collect();
    let ready: Vec<_> = transforms.into_iter().map(|(_, ready)| ready).collect();
    let mut pipeline = Pipeline::new(split, reader, &ready, store, work.threads, &mut *work.observer)?;
    let (mut rows, mut count) = (store.writer()?, 0);
    while let Some(batch) = pipeline.next()? {
        count += batch.rows();
        write_rows(&batch, |line| rows.write(line))?;
    }
    if count == 0 {
        return Err(WorkflowError::EmptySplit { split: split.as_str(), reasons: pipeline.fates() });
    }
    let PipelineEnd { datasets, transforms } = pipeline.finish()?;
    let lineage = datasets_output(split);
    let mut outputs = vec![
        Material::kept(rows_output(split), rows.finish()?),
        Material::kept(lineage.clone(), keep_datasets(store, &datasets)?),
    ];
    for (at, (detail, digest)) in transforms.into_iter().enumerate() {
        outputs.push(Material::kept(format!("{lineage}/{}", at + 1), digest));
        details.push(detail);
    }
    Ok(outputs)
}

//! Datasets: files that are read where they are. Their digest is recorded; their bytes are never kept.

use std::io::Read as _;

use freehold_core::digest::Digest;
use freehold_core::recipe::{DataSettings, Split};

use crate::jsonl::RowReader;
use crate::table::Table;
use crate::{Project, WorkflowError};

const SIZE_LIMIT: u64 = 8 << 30;

/// Which rows of a split come from which dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) rows: usize,
}

fn read(project: &Project, data: &DataSettings) -> Result<Vec<u8>, WorkflowError> {
    let failed = |problem: String| WorkflowError::Path { key: "path".into(), path: data.path.clone(), problem };
    let file = project.open_file("path", &data.path)?;
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(failed(format!("the file is larger than {SIZE_LIMIT} bytes")));
    }
    Ok(bytes)
}

/// Digest of a dataset's file, after a look at every line: a broken one is found before anything is recorded.
pub(crate) fn digest(project: &Project, data: &DataSettings) -> Result<Digest, WorkflowError> {
    let bytes = read(project, data)?;
    RowReader::default().read(&data.path, &bytes)?;
    Ok(Digest::of(&bytes))
}

/// The rows of every dataset of a split, one after the other. Each file has to be the one that was locked.
pub(crate) fn load(
    project: &Project,
    split: Split,
    locked: impl Fn(&str) -> Option<Digest>,
) -> Result<(Table, Vec<Source>), WorkflowError> {
    let (mut reader, mut sources) = (RowReader::default(), Vec::new());
    for data in project.recipe.data.iter().filter(|data| data.split == split) {
        let bytes = read(project, data)?;
        if Some(Digest::of(&bytes)) != locked(&data.name) {
            let problem = "the file changed while the run was going on; start again".into();
            return Err(WorkflowError::Path { key: "path".into(), path: data.path.clone(), problem });
        }
        let rows = reader.read(&data.path, &bytes)?;
        sources.push(Source { name: data.name.clone(), rows });
    }
    Ok((reader.finish(split.as_str())?, sources))
}

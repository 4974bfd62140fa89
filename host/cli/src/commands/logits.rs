//! `freehold model logits`: what the engine computes, for comparison with other implementations.

use std::path::Path;

use freehold_core::recipe::Precision;
use freehold_engine::{logits, read_ids, write_logits};
use freehold_workflow::WorkflowError;

use super::generate::load_adapter;
use super::model::load;
use super::{make_folder, read_file, split};
use crate::failure::Failure;

const FILE_LIMIT: u64 = 4 << 30;

pub(super) fn run(
    model: &Path,
    ids: &Path,
    adapter: Option<&Path>,
    precision: Precision,
    out: &Path,
) -> Result<(), Failure> {
    let (_, loaded) = load(model)?;
    let rows = read_ids(&read_file(ids, FILE_LIMIT)?).map_err(|error| Failure::file("use", ids, &error))?;
    let adapter = adapter.map(|folder| load_adapter(folder, &loaded)).transpose()?;
    let computed = logits(&loaded, adapter.as_ref(), &rows, precision).map_err(WorkflowError::from)?;
    let bytes = write_logits(&computed).map_err(|error| Failure::file("write", out, &error))?;
    let (folder, name) = split(out)?;
    freehold_files::write(&make_folder(folder)?, name, &bytes).map_err(|error| Failure::file("write", out, &error))
}

//! What the rows of each dataset become before the first transform: dialogues of any known form become `messages`, unless a
//! transform of the split makes `messages` of the columns itself.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::recipe::{DataSettings, Split};
use freehold_rows::{COLUMNS_MAX, FileKind, Form, MESSAGES, Origin, Schema, TableError};

use super::Scanned;
use super::file::table_error;
use super::sample::Sample;
use crate::{Project, WorkflowError};

/// A dataset, and what its rows become.
#[derive(Debug, Clone)]
pub(crate) struct Dataset {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) split: Split,
    pub(crate) digest: Digest,
    pub(crate) kind: FileKind,
    pub(crate) form: Form,
    pub(crate) rows: u64,
    /// The part of them that is taken.
    pub(super) sample: Option<Sample>,
    /// What its dialogues are made of.
    pub(super) origin: Origin,
    /// Its columns as they are in the file.
    pub(super) columns: Schema,
}

/// The columns of each split, as the first transform sees them.
pub(crate) type Splits = BTreeMap<Split, Schema>;

/// Decides for every dataset. `makes_messages` says whether a transform of a split writes `messages` without reading it; it is
/// asked only where something depends on it.
pub(crate) fn plan(
    project: &Project,
    scanned: Vec<Scanned>,
    mut makes_messages: impl FnMut(Split) -> Result<bool, WorkflowError>,
) -> Result<(Vec<Dataset>, Splits), WorkflowError> {
    let (mut datasets, mut splits) = (Vec::new(), Splits::new());
    for (data, scanned) in project.recipe.data.iter().zip(scanned) {
        let (form, origin) = match scanned.columns.form() {
            Ok(found @ (_, Origin::Columns | Origin::Messages)) => found,
            _ if makes_messages(data.split)? => (Form::Columns, Origin::Columns),
            found => found.map_err(|error| refused(data, scanned.kind, error.row, error.problem, error.expected))?,
        };
        let columns = scanned.columns.schema();
        let schema = splits.entry(data.split).or_default();
        for (name, kind) in origin.schema(&columns) {
            let row = scanned.columns.since(&name).unwrap_or(1);
            match schema.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known == kind => {}
                Some((_, known)) => {
                    let problem = format!("`{name}` is {}", kind.described());
                    let expected = format!("{}, as in the datasets before", known.described());
                    return Err(refused(data, scanned.kind, row, problem, expected));
                }
                None if schema.len() == COLUMNS_MAX => {
                    let problem = format!("`{name}` would be one column more than {COLUMNS_MAX}");
                    return Err(refused(data, scanned.kind, row, problem, "the columns of the datasets before".into()));
                }
                None => schema.push((name, kind)),
            }
        }
        let (name, path) = (data.name.clone(), data.path.clone());
        let (digest, kind, rows) = (scanned.digest, scanned.kind, scanned.columns.rows());
        let sample = Sample::of(data, &project.recipe.run);
        datasets.push(Dataset { name, path, split: data.split, digest, kind, form, rows, sample, origin, columns });
    }
    Ok((datasets, splits))
}

/// Whether a transform that reads and writes these columns makes `messages`.
pub(crate) fn makes_messages(reads: &[String], writes: &[String]) -> bool {
    let named = |names: &[String]| names.iter().any(|name| name == MESSAGES);
    named(writes) && !named(reads)
}

/// A row, which is a line in some files, is not what it should be.
fn refused(data: &DataSettings, kind: FileKind, row: u64, problem: String, expected: String) -> WorkflowError {
    let file = data.path.clone();
    match kind {
        FileKind::Jsonl => WorkflowError::Data { file, line: row as usize, column: 1, problem, expected },
        _ => table_error(&file, TableError { row: Some(row), column: None, problem, expected }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transform_makes_messages_if_it_does_not_read_them() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (reads, writes, makes) in [
            (&[][..], &[][..], false),
            (&["text"], &["messages"], true),
            (&["messages"], &["messages"], false),
            (&["text"], &["text"], false),
        ] {
            assert_eq!(makes_messages(&names(reads), &names(writes)), makes, "{reads:?} {writes:?}");
        }
    }
}

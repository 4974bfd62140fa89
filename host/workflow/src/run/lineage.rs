//! Row lineage as it is kept: for each split which rows come from which dataset, and for each transform what became of each of
//! its rows. Lines of JSON, written as the rows come; rows that follow each other and fared alike share a line. The way of some
//! rows back to their datasets is found by reading the files of their split once, the last first.

use freehold_core::batch::Outcome;
use freehold_core::digest::{Digest, Hasher};
use freehold_core::recipe::Split;
use freehold_core::record::PhaseRecord;
use freehold_rows::Lines;
use freehold_store::{BlobWriter, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::dialogues::RowBlob;
use super::journal::output_of;
use super::validate::Origin;
use crate::WorkflowError;
use crate::dataset::{ReadDataset, line_error, stretches};
use crate::statements::malformed;

/// How the names of the outputs begin that hold it.
const OUTPUTS: &str = "lineage/";

/// What became of some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// They came out in their order, from this row on.
    Out(u64),
    /// They were dropped for this reason.
    Dropped(String),
}

/// Rows that follow each other.
#[derive(Debug)]
struct Run {
    row: u64,
    rows: u64,
    fate: Fate,
}

/// A line.
#[derive(Debug, Serialize)]
struct RunLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    row: u64,
    rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<&'a str>,
}

fn write(blob: &mut BlobWriter<'_>, line: &RunLine<'_>) -> Result<(), StoreError> {
    let malformed =
        |error: serde_json::Error| StoreError::Malformed { file: "lineage".into(), problem: error.to_string() };
    let mut bytes = serde_json::to_vec(line).map_err(malformed)?;
    bytes.push(b'\n');
    blob.write(&bytes)
}

/// Writes what a transform did to its rows.
#[derive(Debug)]
pub(super) struct LineageWriter<'s> {
    blob: BlobWriter<'s>,
    last: Option<Run>,
    /// Rows that came out so far.
    out: u64,
}

impl<'s> LineageWriter<'s> {
    pub(super) fn new(store: &'s Store) -> Result<Self, StoreError> {
        Ok(Self { blob: store.writer()?, last: None, out: 0 })
    }

    /// Writes what came of some rows: those that came out in the order in which they did, those that were dropped where they
    /// were among them.
    pub(super) fn take(&mut self, outcome: &Outcome) -> Result<(), StoreError> {
        let mut dropped = outcome.dropped.iter().peekable();
        for &origin in &outcome.origins {
            while let Some(earlier) = dropped.next_if(|dropped| dropped.row < origin) {
                self.drop(earlier.row, &earlier.reason)?;
            }
            self.come_out(origin)?;
        }
        dropped.try_for_each(|dropped| self.drop(dropped.row, &dropped.reason))
    }

    fn come_out(&mut self, row: u64) -> Result<(), StoreError> {
        let out = self.out;
        self.out += 1;
        match &mut self.last {
            Some(Run { row: first, rows, fate: Fate::Out(to) }) if *first + *rows == row && *to + *rows == out => {
                *rows += 1;
                Ok(())
            }
            _ => self.begin(Run { row, rows: 1, fate: Fate::Out(out) }),
        }
    }

    fn drop(&mut self, row: u64, reason: &str) -> Result<(), StoreError> {
        match &mut self.last {
            Some(Run { row: first, rows, fate: Fate::Dropped(why) }) if *first + *rows == row && why == reason => {
                *rows += 1;
                Ok(())
            }
            _ => self.begin(Run { row, rows: 1, fate: Fate::Dropped(reason.into()) }),
        }
    }

    fn begin(&mut self, next: Run) -> Result<(), StoreError> {
        let Some(Run { row, rows, fate }) = self.last.replace(next) else { return Ok(()) };
        self.write(row, rows, &fate)
    }

    fn write(&mut self, row: u64, rows: u64, fate: &Fate) -> Result<(), StoreError> {
        let (out, dropped) = match fate {
            Fate::Out(out) => (Some(*out), None),
            Fate::Dropped(reason) => (None, Some(reason.as_str())),
        };
        write(&mut self.blob, &RunLine { data: None, row, rows, out, dropped })
    }

    /// Keeps what was written.
    pub(super) fn finish(mut self) -> Result<Digest, StoreError> {
        if let Some(Run { row, rows, fate }) = self.last.take() {
            self.write(row, rows, &fate)?;
        }
        self.blob.finish()
    }
}

/// Why rows of a dataset are left out.
const NOT_SAMPLED: &str = "not-sampled";

/// Keeps which rows of a split come from which dataset, in their order.
pub(super) fn keep_datasets(store: &Store, datasets: &[ReadDataset]) -> Result<Digest, StoreError> {
    let (mut blob, mut out) = (store.writer()?, 0);
    for ReadDataset { name, rows, sample } in datasets {
        let data = Some(name.as_str());
        if *rows == 0 {
            write(&mut blob, &RunLine { data, row: 0, rows: 0, out: Some(out), dropped: None })?;
        }
        for (stretch, taken) in stretches(*sample, *rows) {
            let (row, rows) = (stretch.start, stretch.end - stretch.start);
            let (came_out, dropped) = if taken { (Some(out), None) } else { (None, Some(NOT_SAMPLED)) };
            write(&mut blob, &RunLine { data, row, rows, out: came_out, dropped })?;
            out += if taken { rows } else { 0 };
        }
    }
    blob.finish()
}

/// A line that was read: the rows of it that came out.
#[derive(Debug, Deserialize)]
struct ReadLine {
    data: Option<String>,
    row: u64,
    rows: u64,
    out: Option<u64>,
}

/// Bytes of a line at most: a name or a reason is far shorter.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Where some rows that came out of all transforms of a split come from; none for those that no line names.
pub(super) fn origins(
    store: &Store,
    transformed: &PhaseRecord,
    split: Split,
    rows: &[u64],
) -> Result<Vec<Option<Origin>>, WorkflowError> {
    let mut origins: Vec<Option<Origin>> = vec![None; rows.len()];
    if rows.is_empty() {
        return Ok(origins);
    }
    let datasets = datasets_output(split);
    let transforms = format!("{datasets}/");
    let count = transformed.outputs.iter().filter(|output| output.name.starts_with(&transforms)).count();
    // Each row as it is called before the transforms that were looked at.
    let mut at: Vec<Option<u64>> = rows.iter().map(|row| Some(*row)).collect();
    for transform in (1..=count).rev() {
        let mut before = vec![None; at.len()];
        let output = output_of(transformed, &format!("{transforms}{transform}"))?;
        each_line(store, &output, |line| {
            for (row, before) in at.iter().zip(&mut before) {
                *before = before.or(row.and_then(|row| line.origin_of(row)));
            }
        })?;
        at = before;
    }
    each_line(store, &output_of(transformed, &datasets)?, |line| {
        for (row, origin) in at.iter().zip(&mut origins) {
            if let (Some(dataset), Some(dataset_row)) = (&line.data, row.and_then(|row| line.origin_of(row))) {
                *origin = Some(Origin { dataset: dataset.clone(), dataset_row });
            }
        }
    })?;
    Ok(origins)
}

impl ReadLine {
    /// The row that came out as `row`, if it is of this line.
    fn origin_of(&self, row: u64) -> Option<u64> {
        let place = row.checked_sub(self.out?)?;
        (place < self.rows).then(|| self.row + place)
    }
}

fn each_line(store: &Store, digest: &Digest, mut see: impl FnMut(&ReadLine)) -> Result<(), WorkflowError> {
    const WHAT: &str = "lineage";
    let mut lines = Lines::new(RowBlob::open(store, digest)?, LINE_BYTES_MAX);
    while let Some(line) = lines.next_line().map_err(|error| line_error(WHAT, error))? {
        see(&serde_json::from_slice(line.bytes).map_err(malformed(WHAT))?);
    }
    Ok(())
}

/// Name of the output that says which rows of a split come from which dataset; behind it and a slash, those of its transforms.
pub(super) fn datasets_output(split: Split) -> String {
    format!("{OUTPUTS}{}", split.as_str())
}

/// The digest of the lineage of all splits: of the lines `NAME NUL HEX LF` of the outputs that hold it.
pub(super) fn digest(transformed: &PhaseRecord) -> Digest {
    let mut hasher = Hasher::new();
    for output in transformed.outputs.iter().filter(|output| output.name.starts_with(OUTPUTS)) {
        hasher.update(format!("{}\0{}\n", output.name, output.digest.hex()).as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use cap_std::fs::Dir;
    use freehold_core::batch::{Batch, DroppedRow};

    use super::*;

    fn outcome(origins: &[u64], dropped: &[(u64, &str)]) -> Outcome {
        let dropped = dropped.iter().map(|&(row, reason)| DroppedRow { row, reason: reason.into() });
        let batch = Batch::new(0, 0, vec![]).unwrap();
        Outcome { batch, origins: origins.to_vec(), dropped: dropped.collect(), counts: vec![] }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        (folder, Store::open(dir).unwrap())
    }

    fn lines(outcomes: &[Outcome]) -> String {
        let (_folder, store) = store();
        let mut writer = LineageWriter::new(&store).unwrap();
        outcomes.iter().for_each(|outcome| writer.take(outcome).unwrap());
        let digest = writer.finish().unwrap();
        String::from_utf8(store.get(&digest).unwrap()).unwrap()
    }

    #[test]
    fn rows_that_fared_alike_share_a_line_over_batches() {
        let said = lines(&[
            outcome(&[0, 1, 3], &[(2, "x")]),
            outcome(&[4, 5], &[]),
            outcome(&[], &[(6, "x"), (7, "x")]),
            outcome(&[], &[(8, "x"), (9, "y")]),
            outcome(&[12, 10, 10], &[(11, "y")]),
        ]);
        let expected = [
            r#"{"row":0,"rows":2,"out":0}"#,
            r#"{"row":2,"rows":1,"dropped":"x"}"#,
            r#"{"row":3,"rows":3,"out":2}"#,
            r#"{"row":6,"rows":3,"dropped":"x"}"#,
            r#"{"row":9,"rows":1,"dropped":"y"}"#,
            r#"{"row":11,"rows":1,"dropped":"y"}"#,
            r#"{"row":12,"rows":1,"out":5}"#,
            r#"{"row":10,"rows":1,"out":6}"#,
            r#"{"row":10,"rows":1,"out":7}"#,
        ];
        assert_eq!(said, expected.map(|line| format!("{line}\n")).concat());
        assert_eq!(lines(&[]), "");
    }

    fn whole(name: &str, rows: u64) -> ReadDataset {
        ReadDataset { name: name.into(), rows, sample: None }
    }

    #[test]
    fn datasets_follow_each_other() {
        let (_folder, store) = store();
        let digest = keep_datasets(&store, &[whole("eu", 3), whole("none", 0), whole("us", 2)]).unwrap();
        let expected = [
            r#"{"data":"eu","row":0,"rows":3,"out":0}"#,
            r#"{"data":"none","row":0,"rows":0,"out":3}"#,
            r#"{"data":"us","row":0,"rows":2,"out":3}"#,
        ];
        assert_eq!(
            String::from_utf8(store.get(&digest).unwrap()).unwrap(),
            expected.map(|line| format!("{line}\n")).concat()
        );
    }

    #[test]
    fn the_way_back_of_a_row_is_found_through_all_transforms() {
        use freehold_core::digest::Digest;
        use freehold_core::record::{Material, Phase};
        use jiff::Timestamp;

        let (_folder, store) = store();
        let kept = |outcomes: &[Outcome]| {
            let mut writer = LineageWriter::new(&store).unwrap();
            outcomes.iter().for_each(|outcome| writer.take(outcome).unwrap());
            writer.finish().unwrap()
        };
        // Of 5 rows the second is dropped; then the first two change places and the last comes out twice.
        let first = kept(&[outcome(&[0, 2, 3, 4], &[(1, "x")])]);
        let second = kept(&[outcome(&[1, 0, 2, 3, 3], &[])]);
        let datasets = keep_datasets(&store, &[whole("eu", 3), whole("us", 2)]).unwrap();
        let outputs = [("lineage/train", datasets), ("lineage/train/1", first), ("lineage/train/2", second)];
        let record = PhaseRecord {
            run: "r-1".into(),
            key: Digest::of(b""),
            phase: Phase::Transform,
            trust_root: 1,
            inputs: vec![],
            outputs: outputs.map(|(name, digest)| Material::kept(name, digest)).to_vec(),
            detail: serde_json::Value::Null,
            spent: None,
            started: Timestamp::UNIX_EPOCH,
            finished: Timestamp::UNIX_EPOCH,
        };
        let found = origins(&store, &record, Split::Train, &[0, 1, 2, 3, 4, 5]).unwrap();
        let found: Vec<_> =
            found.iter().map(|at| at.as_ref().map(|at| (at.dataset.as_str(), at.dataset_row))).collect();
        let [eu0, eu2, us0, us1] = [("eu", 0), ("eu", 2), ("us", 0), ("us", 1)].map(Some);
        assert_eq!(found, [eu2, eu0, us0, us1, us1, None]);
    }
}

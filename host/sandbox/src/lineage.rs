//! Row lineage: every input row comes out or is dropped, and the plugin says which.

use freehold_core::batch::Outcome;

use crate::fates::{Fate, Fates};

/// Whether a text is a short code, as reasons and counts are named: lowercase letters, digits, `-` and `_`.
pub(crate) fn is_code(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// What became of each row of a stream so far.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// Each call accounts for its own rows, so that only those of the last call are kept.
    independent: bool,
    /// Number of the first row that is kept.
    first: u64,
    rows: Fates,
}

impl Lineage {
    /// The plugin says that it treats each row for itself.
    pub(crate) fn set_independent(&mut self, independent: bool) {
        self.independent = independent;
    }

    /// Rows from `first` on were given to the plugin: they follow those before, or the plugin treats each for itself.
    pub(crate) fn given(&mut self, first: u64, rows: usize) {
        if self.independent || self.rows.is_empty() {
            self.rows.clear();
            self.first = first;
        }
        self.rows.add(rows as u64);
    }

    /// Checks what came back against what was given.
    pub(crate) fn take(&mut self, outcome: &Outcome) -> Result<(), String> {
        if outcome.origins.len() != outcome.batch.rows() {
            let (origins, rows) = (outcome.origins.len(), outcome.batch.rows());
            return Err(format!("returned {rows} rows with {origins} origins"));
        }
        if self.independent && self.is_every_row_in_order(outcome) {
            self.rows.clear();
            return Ok(());
        }
        for &row in &outcome.origins {
            let at = self.place(row)?;
            match self.rows.get(at) {
                Fate::Dropped => return Err(format!("row {row} comes out though it was dropped")),
                Fate::Open => self.rows.settle(at, Fate::Out),
                Fate::Out => {}
            }
        }
        for dropped in &outcome.dropped {
            let row = dropped.row;
            let at = self.place(row)?;
            match self.rows.get(at) {
                Fate::Open => self.rows.settle(at, Fate::Dropped),
                Fate::Out => return Err(format!("row {row} was dropped though it came out")),
                Fate::Dropped => return Err(format!("row {row} was dropped twice")),
            }
            if !is_code(&dropped.reason) {
                return Err(format!("the reason for which row {row} was dropped is not a short code"));
            }
        }
        if self.independent { self.finish() } else { Ok(()) }
    }

    /// What most calls of most plugins give; seen at a glance.
    fn is_every_row_in_order(&self, outcome: &Outcome) -> bool {
        outcome.dropped.is_empty()
            && outcome.origins.len() as u64 == self.rows.len()
            && outcome.origins.iter().copied().eq(self.first..self.first + self.rows.len())
    }

    /// Where a row is among those that are kept.
    fn place(&self, row: u64) -> Result<u64, String> {
        let (first, end) = (self.first, self.first + self.rows.len());
        let at = row.checked_sub(first).filter(|at| *at < self.rows.len());
        at.ok_or_else(|| match self.independent {
            true => format!("names row {row}, but treats each row for itself and was given rows {first} to {end}"),
            false => format!("names row {row} as an origin, but only {end} rows were given"),
        })
    }

    /// After the last call: is every row accounted for?
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.rows.first_open() {
            None => Ok(()),
            Some(at) if self.independent => {
                let row = self.first + at;
                Err(format!(
                    "row {row} neither came out nor was dropped in its call, though each row is treated for itself"
                ))
            }
            Some(at) => Err(format!("row {} neither came out nor was dropped", self.first + at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use freehold_core::batch::{Batch, Column, ColumnData, DroppedRow};

    use super::*;

    fn outcome(origins: &[u64], dropped: &[u64]) -> Outcome {
        let data = ColumnData::Numbers(vec![0.0; origins.len()]);
        let column = Column { name: "n".into(), data, validity: None };
        Outcome {
            batch: Batch::new(0, origins.len(), vec![column]).unwrap(),
            origins: origins.to_vec(),
            dropped: dropped.iter().map(|&row| DroppedRow { row, reason: "x".into() }).collect(),
            counts: vec![],
        }
    }

    #[test]
    fn truth_table() {
        for (calls, holds) in [
            (vec![(&[0, 1, 2][..], &[][..])], true),
            (vec![(&[], &[0, 1, 2])], true),
            (vec![(&[1, 1, 0], &[2])], true),
            (vec![(&[0], &[]), (&[2], &[1])], true),
            (vec![], false),
            (vec![(&[0, 1], &[])], false),
            (vec![(&[0, 1, 3], &[2])], false),
            (vec![(&[0, 1], &[2, 2])], false),
            (vec![(&[0, 1, 2], &[2])], false),
            (vec![(&[], &[0]), (&[0, 1, 2], &[])], false),
            (vec![(&[0, 1], &[u64::MAX])], false),
        ] {
            let mut lineage = Lineage::default();
            lineage.given(0, 3);
            let taken = calls.iter().try_for_each(|(origins, dropped)| lineage.take(&outcome(origins, dropped)));
            assert_eq!(taken.and_then(|()| lineage.finish()).is_ok(), holds, "{calls:?}");
        }
    }

    #[test]
    fn independent_rows_are_accounted_for_call_by_call() {
        for (origins, dropped, holds) in [
            (&[7, 8][..], &[][..], true),
            (&[8, 7], &[], true),
            (&[7], &[8], true),
            (&[], &[8, 7], true),
            (&[7, 7, 8], &[], true),
            (&[], &[], false),
            (&[7], &[], false),
            (&[0, 1], &[], false),
            (&[7, 8, 9], &[], false),
            (&[7, 8], &[8], false),
        ] {
            let mut lineage = Lineage::default();
            lineage.set_independent(true);
            lineage.given(0, 2);
            lineage.take(&outcome(&[0, 1], &[])).unwrap();
            lineage.given(7, 2);
            assert_eq!(lineage.take(&outcome(origins, dropped)).is_ok(), holds, "{origins:?} {dropped:?}");
        }
    }
}

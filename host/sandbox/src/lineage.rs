//! Row lineage: every input row comes out or is dropped, and the plugin says which.

use freehold_core::batch::Outcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Out,
    Dropped,
}

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
    rows: Vec<Fate>,
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
        self.rows.resize(self.rows.len() + rows, Fate::Open);
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
            match self.fate(row)? {
                Fate::Dropped => return Err(format!("row {row} comes out though it was dropped")),
                fate => *fate = Fate::Out,
            }
        }
        for dropped in &outcome.dropped {
            let row = dropped.row;
            match self.fate(row)? {
                fate @ Fate::Open => *fate = Fate::Dropped,
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
            && outcome.origins.len() == self.rows.len()
            && outcome.origins.iter().copied().eq(self.first..self.first + self.rows.len() as u64)
    }

    fn fate(&mut self, row: u64) -> Result<&mut Fate, String> {
        let (first, end) = (self.first, self.first + self.rows.len() as u64);
        let at = row.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.rows.get_mut(at)).ok_or_else(|| match self.independent {
            true => format!("names row {row}, but treats each row for itself and was given rows {first} to {end}"),
            false => format!("names row {row} as an origin, but only {end} rows were given"),
        })
    }

    /// After the last call: is every row accounted for?
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.rows.iter().position(|fate| *fate == Fate::Open) {
            None => Ok(()),
            Some(at) if self.independent => {
                let row = self.first + at as u64;
                Err(format!(
                    "row {row} neither came out nor was dropped in its call, though each row is treated for itself"
                ))
            }
            Some(at) => Err(format!("row {} neither came out nor was dropped", self.first + at as u64)),
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

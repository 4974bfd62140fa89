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
    rows: Vec<Fate>,
}

impl Lineage {
    /// `rows` more rows were given to the plugin.
    pub(crate) fn given(&mut self, rows: usize) {
        self.rows.resize(self.rows.len() + rows, Fate::Open);
    }

    /// Checks what came back against what was given.
    pub(crate) fn take(&mut self, outcome: &Outcome) -> Result<(), String> {
        if outcome.origins.len() != outcome.batch.rows() {
            let (origins, rows) = (outcome.origins.len(), outcome.batch.rows());
            return Err(format!("returned {rows} rows with {origins} origins"));
        }
        let given = self.rows.len();
        let unknown = |row: u64| format!("names row {row} as an origin, but only {given} rows were given");
        for &row in &outcome.origins {
            match self.rows.get_mut(row as usize) {
                None => return Err(unknown(row)),
                Some(Fate::Dropped) => return Err(format!("row {row} comes out though it was dropped")),
                Some(fate) => *fate = Fate::Out,
            }
        }
        for dropped in &outcome.dropped {
            let row = dropped.row;
            match self.rows.get_mut(row as usize) {
                None => return Err(unknown(row)),
                Some(Fate::Open) => self.rows[row as usize] = Fate::Dropped,
                Some(Fate::Out) => return Err(format!("row {row} was dropped though it came out")),
                Some(Fate::Dropped) => return Err(format!("row {row} was dropped twice")),
            }
            if !is_code(&dropped.reason) {
                return Err(format!("the reason for which row {row} was dropped is not a short code"));
            }
        }
        Ok(())
    }

    /// After the last call: is every row accounted for?
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.rows.iter().position(|fate| *fate == Fate::Open) {
            None => Ok(()),
            Some(row) => Err(format!("row {row} neither came out nor was dropped")),
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
            lineage.given(3);
            let taken = calls.iter().try_for_each(|(origins, dropped)| lineage.take(&outcome(origins, dropped)));
            assert_eq!(taken.and_then(|()| lineage.finish()).is_ok(), holds, "{calls:?}");
        }
    }
}

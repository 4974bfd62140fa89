//! Counts a split while it is tokenised.

use freehold_core::recipe::Split;
use freehold_core::record::PhaseRecord;
use freehold_engine::{Example, Lesson};
use freehold_store::Store;

use super::{Lengths, NamedRow, Rows, SplitCounts, TooLong};
use crate::WorkflowError;
use crate::run::lineage;

/// How many rows of a kind are named.
const NAMED: usize = 5;

/// A row that is worth naming, and its tokens.
type Noted = (u64, Option<u64>);

/// What was counted so far.
pub(in crate::run) struct Counter {
    counts: SplitCounts,
    lengths: Vec<u32>,
    too_long: Vec<Noted>,
    nothing_to_learn: Vec<Noted>,
    without_end: Vec<Noted>,
}

fn note(first: &mut Vec<Noted>, row: u64, tokens: Option<u64>) {
    if first.len() < NAMED {
        first.push((row, tokens));
    }
}

/// Tokens that are learned: the first follows from nothing.
fn learned(example: &Example) -> u64 {
    example.mask.iter().skip(1).filter(|learned| **learned).count() as u64
}

impl Counter {
    /// Counts a split in which so many tokens are allowed.
    pub(in crate::run) fn new(limit: usize) -> Self {
        let counts = SplitCounts {
            rows: 0,
            turns: 0,
            answers: 0,
            examples: 0,
            tokens: 0,
            learned: 0,
            masked: 0,
            lengths: Lengths::default(),
            too_long: TooLong { limit, ..TooLong::default() },
            nothing_to_learn: Rows::default(),
            without_end: Rows::default(),
        };
        Self {
            counts,
            lengths: Vec::new(),
            too_long: Vec::new(),
            nothing_to_learn: Vec::new(),
            without_end: Vec::new(),
        }
    }

    /// A row of so many turns, of which nothing is learned.
    pub(in crate::run) fn nothing(&mut self, turns: usize) {
        note(&mut self.nothing_to_learn, self.counts.rows, None);
        self.counts.nothing_to_learn.rows += 1;
        self.counts.rows += 1;
        self.counts.turns += turns as u64;
    }

    /// A row of so many turns, and what is learned of it.
    pub(in crate::run) fn lesson(&mut self, turns: usize, lesson: &Lesson) {
        let longest = lesson.examples.iter().map(|example| example.ids.len()).max().map(|tokens| tokens as u64);
        if lesson.unended > 0 {
            note(&mut self.without_end, self.counts.rows, longest);
            self.counts.without_end.rows += 1;
        }
        for example in &lesson.examples {
            let (tokens, learned) = (example.ids.len() as u64, learned(example));
            self.counts.tokens += tokens;
            self.counts.learned += learned;
            self.counts.masked += tokens - learned;
            self.lengths.push(u32::try_from(tokens).unwrap_or(u32::MAX));
        }
        self.counts.examples += lesson.examples.len() as u64;
        self.counts.answers += lesson.answers as u64;
        self.counts.rows += 1;
        self.counts.turns += turns as u64;
    }

    /// What is given to a model of the row that is counted next has so many tokens.
    pub(in crate::run) fn given(&mut self, tokens: usize) {
        let limit = self.counts.too_long.limit;
        if tokens > limit {
            note(&mut self.too_long, self.counts.rows, Some(tokens as u64));
            self.counts.too_long.examples += 1;
            self.counts.too_long.tokens_beyond += (tokens - limit) as u64;
        }
    }

    /// The counts, with rows named by what the phase transform recorded.
    pub(in crate::run) fn finish(
        self,
        split: Split,
        transformed: &PhaseRecord,
        store: &Store,
    ) -> Result<SplitCounts, WorkflowError> {
        let name = |noted: Vec<Noted>| {
            let rows: Vec<u64> = noted.iter().map(|(row, _)| *row).collect();
            let origins = lineage::origins(store, transformed, split, &rows)?;
            let named = noted.into_iter().zip(origins).map(|((row, tokens), origin)| NamedRow { row, origin, tokens });
            Ok::<_, WorkflowError>(named.collect())
        };
        let mut counts = self.counts;
        counts.lengths = Lengths::of(self.lengths);
        counts.too_long.first = name(self.too_long)?;
        counts.nothing_to_learn.first = name(self.nothing_to_learn)?;
        counts.without_end.first = name(self.without_end)?;
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: a row of 5 tokens of which 2 are learned; one of two examples, 4 and 3 tokens, 1 and 2 learned; one without.
    #[test]
    fn a_split_is_counted_as_by_hand() {
        let example = |tokens: usize, learned: usize| Example {
            ids: vec![1; tokens],
            mask: (0..tokens).map(|place| place >= tokens - learned).collect(),
        };
        let mut counter = Counter::new(4);
        counter.given(5);
        counter.lesson(2, &Lesson { examples: vec![example(5, 2)], answers: 1, unended: 0 });
        counter.nothing(1);
        counter.lesson(4, &Lesson { examples: vec![example(4, 1), example(3, 3)], answers: 2, unended: 1 });
        let counts = &counter.counts;
        assert_eq!((counts.rows, counts.turns, counts.answers, counts.examples), (3, 7, 3, 3));
        // The first token of the last example is marked, but nothing comes before it.
        assert_eq!((counts.tokens, counts.learned, counts.masked), (12, 5, 7));
        assert_eq!((counts.too_long.examples, counts.too_long.tokens_beyond), (1, 1));
        assert_eq!((counter.too_long, counter.nothing_to_learn), (vec![(0, Some(5))], vec![(1, None)]));
        assert_eq!(counter.without_end, [(2, Some(4))]);
        assert_eq!(counter.lengths, [5, 4, 3]);
    }
}

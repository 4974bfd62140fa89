//! Which examples each step sees, and how they are packed.

use std::ops::Range;

use crate::example::Example;
use crate::random::Random;

/// Examples behind one another.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    pub(crate) ids: Vec<u32>,
    pub(crate) segments: Vec<Range<usize>>,
    /// Tokens whose successor is to be predicted, and that successor.
    pub(crate) targets: Vec<(u32, u32)>,
}

impl Packed {
    /// Appends an example. What comes after its last target is left out: nothing depends on it.
    fn push(&mut self, example: &Example) {
        let start = self.ids.len();
        for (index, &id) in target_positions(example) {
            self.targets.push(((start + index - 1) as u32, id));
        }
        let rows = target_positions(example).last().map_or(0, |(index, _)| index);
        self.ids.extend_from_slice(&example.ids[..rows]);
        self.segments.push(start..start + rows);
    }
}

/// The tokens that are to be predicted, with their places; the first one has nothing that it follows from.
pub(crate) fn target_positions(example: &Example) -> impl Iterator<Item = (usize, &u32)> {
    example.ids.iter().enumerate().zip(&example.mask).skip(1).filter(|(_, marked)| **marked).map(|(place, _)| place)
}

/// The examples of one step, by index.
pub(crate) type Step = Vec<usize>;

/// The steps of a whole training: each epoch in an order of its own, cut to `tokens_per_step`.
///
/// `lengths` are the tokens of each example; those of zero are left out.
pub(crate) fn plan(lengths: &[usize], epochs: f64, tokens_per_step: usize, seed: u64) -> Vec<Step> {
    let useful: Vec<usize> = (0..lengths.len()).filter(|&index| lengths[index] > 0).collect();
    let mut order = Vec::new();
    let mut epoch = 0;
    while (epoch as f64) < epochs {
        let mut shuffled = useful.clone();
        Random::new(seed, &format!("order {epoch}")).shuffle(&mut shuffled);
        let part = (epochs - epoch as f64).min(1.0);
        shuffled.truncate((part * useful.len() as f64).ceil() as usize);
        order.extend(shuffled);
        epoch += 1;
    }
    let (mut steps, mut step, mut tokens) = (Vec::new(), Step::new(), 0);
    for index in order {
        if !step.is_empty() && tokens + lengths[index] > tokens_per_step {
            steps.push(std::mem::take(&mut step));
            tokens = 0;
        }
        tokens += lengths[index];
        step.push(index);
    }
    if !step.is_empty() {
        steps.push(step);
    }
    steps
}

/// What an example takes in a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// All its tokens.
    pub(crate) tokens: usize,
    /// Those that are computed: nothing depends on what comes after the last target, nor on that itself.
    pub(crate) rows: usize,
    /// Those that are predicted.
    pub(crate) targets: usize,
}

impl Size {
    /// The size of an example.
    pub(crate) fn of(example: &Example) -> Self {
        let (mut rows, mut targets) = (0, 0);
        for (place, _) in target_positions(example) {
            (rows, targets) = (place, targets + 1);
        }
        Self { tokens: example.ids.len(), rows, targets }
    }
}

/// Which examples of a step are computed at once, as places in the step: at most so many tokens, unless an example has more.
pub(crate) fn group(step: &[usize], at_once: usize, size: impl Fn(usize) -> Size) -> Vec<Range<usize>> {
    let (mut groups, mut start, mut rows) = (Vec::new(), 0, 0);
    for (place, &index) in step.iter().enumerate() {
        let size = size(index);
        if place > start && rows + size.tokens > at_once {
            groups.push(start..place);
            (start, rows) = (place, 0);
        }
        rows += size.rows;
    }
    if start < step.len() {
        groups.push(start..step.len());
    }
    groups
}

/// Packs the examples of a step into what is computed at once.
pub(crate) fn pack(examples: &[Example], step: &[usize], at_once: usize) -> Vec<Packed> {
    let groups = group(step, at_once, |index| Size::of(&examples[index]));
    let packed = |group: Range<usize>| {
        let mut packed = Packed::default();
        step[group].iter().for_each(|&index| packed.push(&examples[index]));
        packed
    };
    groups.into_iter().map(packed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_seen_once_an_epoch() {
        let lengths: Vec<usize> = (0..50).map(|i| i % 7).collect();
        let steps = plan(&lengths, 2.0, 12, 1);
        let tokens = |step: &Step| step.iter().map(|&index| lengths[index]).sum::<usize>();
        assert!(steps.iter().all(|step| tokens(step) <= 12));
        let mut seen = vec![0; 50];
        steps.iter().flatten().for_each(|&index| seen[index] += 1);
        for (length, seen) in lengths.iter().zip(seen) {
            assert_eq!(seen, if *length == 0 { 0 } else { 2 });
        }
        assert_ne!(steps, plan(&lengths, 2.0, 12, 2));
        assert_eq!(plan(&lengths, 0.5, 1, 1).len(), 21);
    }

    #[test]
    fn packing_keeps_targets_and_drops_the_tail() {
        let example = Example { ids: vec![5, 6, 7, 8, 9], mask: vec![true, false, true, true, false] };
        let packed = pack(&[example.clone(), example], &[0, 1], 100).remove(0);
        assert_eq!(packed.ids, [5, 6, 7, 5, 6, 7]);
        assert_eq!(packed.segments, [0..3, 3..6]);
        assert_eq!(packed.targets, [(1, 7), (2, 8), (4, 7), (5, 8)]);
    }

    #[test]
    fn what_is_computed_at_once_ends_where_the_next_example_does_not_fit() {
        let size = |index: usize| Size { tokens: [5, 4, 9, 1][index], rows: [4, 3, 8, 1][index], targets: 1 };
        assert_eq!(group(&[0, 1, 2, 3], 8, size), [0..2, 2..3, 3..4]);
        assert_eq!(group(&[0, 1, 2, 3], 100, size), vec![0..4; 1]);
        assert_eq!(group(&[2], 1, size), vec![0..1; 1]);
        assert!(group(&[], 1, size).is_empty());
        let example = Example { ids: vec![5, 6, 7, 8, 9], mask: vec![true, false, true, true, false] };
        assert_eq!(Size::of(&example), Size { tokens: 5, rows: 3, targets: 2 });
        assert_eq!(Size::of(&Example { ids: vec![5], mask: vec![true] }), Size { tokens: 1, rows: 0, targets: 0 });
    }
}

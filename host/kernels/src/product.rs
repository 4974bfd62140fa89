//! Products of weights and panels, shared among threads.
//!
//! A task is a block of outputs for some panels. The block of the weight stays in the cache of its core while the panels
//! pass by; nothing is computed twice, and no sum is shared, so that the result does not depend on the number of threads.

use std::sync::Arc;

use half::bf16;

use crate::bfloat16::{self, Pairs};
use crate::buffer::Buffer;
use crate::instructions::{bf16_path, f32_path};
use crate::matrix::Matrix;
use crate::pack::{self, Block, Left};
use crate::panels::{LANES, Panels};
use crate::real::Real;
use crate::tile::{Factor, STRIP};
use crate::{vector, workers};

/// In what factors are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Rounded to bf16; sums are f32.
    Bf16,
}

/// Which way a weight [rows, columns] is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `y = W x`: from columns to rows, the forward pass.
    Plain,
    /// `y = Wᵀ x`: from rows to columns, the backward pass.
    Transposed,
}

/// The right factor of products, ready for their precision.
#[derive(Debug)]
pub struct Operand<'a, T: Real> {
    panels: &'a Panels<T>,
    rounded: Rounded,
}

/// Values in bf16.
#[derive(Debug)]
enum Rounded {
    No,
    Panels(Pairs),
    Vector(Buffer<bf16>),
}

impl<'a, T: Real> Operand<'a, T> {
    /// Prepares panels. Values of type f64 are always multiplied as they are.
    pub fn new(panels: &'a Panels<T>, precision: Precision) -> Self {
        let rounded = match (precision, T::singles(panels)) {
            (Precision::Bf16, Some(vector)) if vector.is_vector() => Rounded::Vector(vector::rounded(vector)),
            (Precision::Bf16, Some(panels)) => Rounded::Panels(Pairs::of(panels)),
            (Precision::F32, _) | (_, None) => Rounded::No,
        };
        Self { panels, rounded }
    }

    /// The values as they are.
    pub fn panels(&self) -> &'a Panels<T> {
        self.panels
    }

    /// The values of panels in bf16.
    fn pairs(&self) -> Option<&Pairs> {
        if let Rounded::Panels(pairs) = &self.rounded { Some(pairs) } else { None }
    }

    /// The values of a single token in bf16.
    pub(crate) fn rounded_vector(&self) -> Option<&[bf16]> {
        if let Rounded::Vector(values) = &self.rounded { Some(values) } else { None }
    }
}

/// What is there before a product is added.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a, T: Real> {
    /// Nothing.
    Zero,
    /// What the output holds.
    Output,
    /// Values of the output's shape.
    Panels(&'a Panels<T>),
    /// A value for each output.
    Bias(&'a [T]),
}

/// A sum of products with one result, all of weights that are used the same way.
#[derive(Debug)]
pub struct Job<'a, T: Real> {
    /// Which way the weights are used.
    pub side: Side,
    /// The products, in the order in which they are added: weights and what they are multiplied with.
    pub terms: Vec<(Matrix<'a>, &'a Operand<'a, T>)>,
    /// Where the sum goes.
    pub out: &'a mut Panels<T>,
    /// What it is added to.
    pub start: Start<'a, T>,
}

impl<'a, T: Real> Job<'a, T> {
    /// `out = W x` or `out = Wᵀ x`.
    pub fn new(weight: Matrix<'a>, side: Side, x: &'a Operand<'a, T>, out: &'a mut Panels<T>) -> Self {
        Self { side, terms: vec![(weight, x)], out, start: Start::Zero }
    }

    /// Outputs of a task.
    fn block(&self) -> usize {
        let longest = self.terms.iter().map(|(_, x)| x.panels.features()).max();
        if longest >= Some(LONG) { LONG_BLOCK } else { BLOCK }
    }

    fn check(&self) {
        for (weight, x) in &self.terms {
            let sizes = (self.out.features(), x.panels.features());
            assert_eq!(sizes, self.side.sizes(*weight), "the sizes of a product");
            let tokens = |x: &Panels<T>| (x.tokens(), x.is_vector());
            assert_eq!(tokens(self.out), tokens(x.panels), "the tokens of a product");
        }
        match self.start {
            Start::Zero | Start::Output => (),
            Start::Bias(bias) => assert_eq!(bias.len(), self.out.features(), "the size of a bias"),
            Start::Panels(x) => {
                let sizes = |x: &Panels<T>| (x.features(), x.tokens(), x.is_vector());
                assert_eq!(sizes(self.out), sizes(x), "the size of what a product is added to");
            }
        }
    }

    /// The same, starting from something.
    #[must_use]
    pub fn from(self, start: Start<'a, T>) -> Self {
        Self { start, ..self }
    }

    /// The same, with another product added.
    #[must_use]
    pub fn with(mut self, weight: Matrix<'a>, x: &'a Operand<'a, T>) -> Self {
        self.terms.push((weight, x));
        self
    }
}

/// Outputs of a task: a multiple of the rows of all tiles.
const BLOCK: usize = 96;
/// The same for sums of so many terms that the right factor does not stay in a cache, and is read once for each block.
const LONG_BLOCK: usize = 288;
/// Terms of such a sum, at least.
const LONG: usize = 8192;
/// Terms of a sum that are treated at once: what a panel of them takes stays in the second-level cache.
const DEPTH: usize = 768;
/// In bf16, where they take half the room.
const DEPTH_BF16: usize = 1536;

struct Task<'a, T: Real> {
    side: Side,
    terms: Arc<Vec<(Matrix<'a>, &'a Operand<'a, T>)>>,
    start: Start<'a, T>,
    first: usize,
    rows: usize,
    /// Panels by number, with the outputs of the task in each.
    panels: Vec<(usize, &'a mut [T])>,
}

/// Computes a product.
///
/// # Panics
/// The sizes do not fit together.
pub fn multiply<T: Real>(job: Job<'_, T>) {
    multiply_all(vec![job]);
}

/// Computes several products at once.
///
/// # Panics
/// The sizes of one do not fit together.
pub fn multiply_all<T: Real>(jobs: Vec<Job<'_, T>>) {
    if vector::are_vectors(&jobs) {
        jobs.iter().for_each(Job::check);
        return vector::multiply_vectors(jobs);
    }
    let threads = workers::threads();
    let blocks: usize = jobs.iter().map(|job| job.out.features().div_ceil(job.block())).sum();
    // Where there are few blocks, panels are shared out as well: two tasks for each thread, so that none waits long.
    let shares = if threads > 1 { (2 * threads).div_ceil(blocks.max(1)) } else { 1 };
    let mut tasks = Vec::new();
    for job in jobs {
        job.check();
        let size = job.block();
        let Job { side, terms, out, start } = job;
        let terms = Arc::new(terms);
        let (features, count) = (out.features(), out.count());
        let share = count.div_ceil(shares).max(1);
        let mut by_block: Vec<Vec<(usize, &mut [T])>> =
            (0..features.div_ceil(size)).map(|_| Vec::with_capacity(count)).collect();
        for (panel, values) in out.values_mut().chunks_exact_mut((features * LANES).max(1)).enumerate() {
            for (block, values) in values.chunks_mut(size * LANES).enumerate() {
                by_block[block].push((panel, values));
            }
        }
        for (block, mut panels) in by_block.into_iter().enumerate() {
            let first = block * size;
            let rows = size.min(features - first);
            while !panels.is_empty() {
                let rest = panels.split_off(share.min(panels.len()));
                tasks.push(Task { side, terms: Arc::clone(&terms), start, first, rows, panels });
                panels = rest;
            }
        }
    }
    workers::for_each(tasks, Task::run);
}

impl Side {
    /// Outputs and inputs.
    fn sizes(self, weight: Matrix<'_>) -> (usize, usize) {
        match self {
            Self::Plain => (weight.rows(), weight.columns()),
            Self::Transposed => (weight.columns(), weight.rows()),
        }
    }
}

impl<T: Real> Task<'_, T> {
    fn run(mut self) {
        let mut accumulate = !matches!(self.start, Start::Zero);
        for (panel, out) in &mut self.panels {
            match self.start {
                Start::Zero | Start::Output => (),
                Start::Bias(bias) => {
                    let bias = &bias[self.first..][..self.rows];
                    out.chunks_exact_mut(LANES).zip(bias).for_each(|(out, bias)| out.fill(*bias));
                }
                Start::Panels(panels) => {
                    out.copy_from_slice(&panels.panel(*panel)[self.first * LANES..][..self.rows * LANES]);
                }
            }
        }
        let terms = Arc::clone(&self.terms);
        for (weight, x) in terms.iter() {
            let depth = x.panels.features();
            let step = if x.pairs().is_some() { DEPTH_BF16 } else { DEPTH };
            for from in (0..depth).step_by(step) {
                let block = Block { first: self.first, rows: self.rows, from, depth: step.min(depth - from) };
                match x.pairs() {
                    Some(pairs) => self.part_bf16(*weight, pairs, block, accumulate),
                    None => self.part(*weight, x.panels, block, accumulate),
                }
                accumulate = true;
            }
        }
        if !accumulate {
            self.panels.iter_mut().for_each(|(_, out)| out.fill(T::ZERO));
        }
    }

    fn part(&mut self, weight: Matrix<'_>, x: &Panels<T>, block: Block, accumulate: bool) {
        let mut store: Option<Buffer<T>> = None;
        let mut cold = self.side == Side::Plain && T::in_place(weight.values()).is_some();
        let left = pack::factor(weight, self.side, block, self.panels.len(), &mut store);
        for (panel, out) in &mut self.panels {
            let x = &x.panel(*panel)[block.from * LANES..][..block.depth * LANES];
            match left {
                Left::Rows(factor) if std::mem::take(&mut cold) => first_panel(factor, block, x, out, accumulate),
                Left::Rows(factor) => T::tiles(f32_path(), factor, [block.rows, block.depth], x, out, accumulate),
                Left::Strips(values) => strips(values, block, x, out, accumulate),
            }
        }
    }

    fn part_bf16(&mut self, weight: Matrix<'_>, pairs: &Pairs, block: Block, accumulate: bool) {
        let mut store = None;
        let packed = pack::factor_bf16(weight, self.side, block, &mut store);
        let mut panels: Vec<(&[bf16], &mut [f32])> = Vec::with_capacity(self.panels.len());
        for (panel, out) in &mut self.panels {
            if let Some(out) = T::singles_mut(out) {
                panels.push((pairs.panel(*panel, block.from), out));
            }
        }
        bfloat16::product(bf16_path(), &packed, [block.rows, block.depth], &mut panels, accumulate);
    }
}

fn strips<T: Real>(values: &[T], block: Block, x: &[T], out: &mut [T], accumulate: bool) {
    let strips = values.chunks_exact((block.depth * STRIP).max(1));
    for (values, out) in strips.zip(out.chunks_mut(STRIP * LANES)) {
        let factor = Factor { values, row_stride: 1, depth_stride: STRIP };
        T::tiles(f32_path(), factor, [out.len() / LANES, block.depth], x, out, accumulate);
    }
}

/// The first panel that a block of a weight is used for: while some rows are multiplied, the next come from memory.
fn first_panel<T: Real>(factor: Factor<'_, T>, block: Block, x: &[T], out: &mut [T], accumulate: bool) {
    for (index, out) in out.chunks_mut(STRIP * LANES).enumerate() {
        let row = index * STRIP;
        for next in row + STRIP..(row + 2 * STRIP).min(block.rows) {
            pack::prefetch(factor.values, next * factor.row_stride, block.depth);
        }
        let rows = STRIP.min(block.rows - row);
        let factor = Factor { values: &factor.values[row * factor.row_stride..], ..factor };
        T::tiles(f32_path(), factor, [rows, block.depth], x, out, accumulate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Values;
    use crate::tile::tests::values;

    fn panels(features: usize, tokens: usize, seed: u64) -> Panels<f32> {
        let mut panels = Panels::any(features, tokens);
        let count = panels.values().len();
        panels.values_mut().copy_from_slice(&values(count, seed));
        panels
    }

    #[test]
    fn products_are_those_of_the_formula_in_every_storage_and_direction() {
        let (rows, columns, tokens) = (130, 101, 70);
        let w = values(rows * columns, 1);
        let half: Vec<half::f16> = w.iter().map(|&x| half::f16::from_f32(x)).collect();
        let brain: Vec<bf16> = w.iter().map(|&x| bf16::from_f32(x)).collect();
        for stored in [Values::F32(&w), Values::F16(&half), Values::Bf16(&brain)] {
            let weight = Matrix::new(stored, rows, columns);
            let exact = stored.to_f64(0..rows * columns);
            for side in [Side::Plain, Side::Transposed] {
                let (outputs, terms) = if side == Side::Plain { (rows, columns) } else { (columns, rows) };
                let x = panels(terms, tokens, 2);
                for (precision, allowed) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.15)] {
                    let operand = Operand::new(&x, precision);
                    let mut out = panels(outputs, tokens, 3);
                    let before = out.clone();
                    multiply(Job::new(weight, side, &operand, &mut out).from(Start::Output));
                    for o in 0..outputs {
                        for t in 0..tokens {
                            let at = |i: usize| if side == Side::Plain { o * columns + i } else { i * columns + o };
                            let term = |i: usize| exact[at(i)] * f64::from(x.values()[x.place(i, t)]);
                            let place = out.place(o, t);
                            let want = f64::from(before.values()[place]) + (0..terms).map(term).sum::<f64>();
                            let got = f64::from(out.values()[place]);
                            assert!((got - want).abs() < allowed, "{side:?} {precision:?} {o} {t}: {got} {want}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_sum_starts_with_the_bias_and_goes_on_in_order() {
        let (rows, columns, rank) = (100, 40, 3);
        let (w, low, bias) = (values(rows * columns, 1), values(rows * rank, 2), values(rows, 3));
        let (x, inner) = (panels(columns, 33, 4), panels(rank, 33, 5));
        let weight = Matrix::new(Values::F32(&w), rows, columns);
        let update = Matrix::new(Values::F32(&low), rows, rank);
        let (operand, second) = (Operand::new(&x, Precision::F32), Operand::new(&inner, Precision::F32));
        let mut out = Panels::any(rows, 33);
        let job = Job::new(weight, Side::Plain, &operand, &mut out);
        multiply(job.from(Start::Bias(&bias)).with(update, &second));
        for o in 0..rows {
            for t in 0..33 {
                let mut want = bias[o];
                (0..columns).for_each(|i| want = w[o * columns + i].mul_add(x.values()[x.place(i, t)], want));
                (0..rank).for_each(|i| want = low[o * rank + i].mul_add(inner.values()[inner.place(i, t)], want));
                assert_eq!(out.values()[out.place(o, t)], want);
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (rows, columns) = (200, 4500);
        let w = values(rows * columns, 1);
        let weight = Matrix::new(Values::F32(&w), rows, columns);
        let x = panels(columns, 100, 2);
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |threads: usize| {
                Arc::new(workers::Workers::new(threads)).install(|| {
                    let (operand, mut out) = (Operand::new(&x, precision), Panels::any(rows, 100));
                    multiply(Job::new(weight, Side::Plain, &operand, &mut out));
                    out
                })
            };
            assert_eq!(run(1).values(), run(3).values());
        }
    }

    #[test]
    fn a_token_does_not_depend_on_the_others() {
        let (rows, columns) = (50, 70);
        let w = values(rows * columns, 1);
        let weight = Matrix::new(Values::F32(&w), rows, columns);
        let x = panels(columns, 90, 2);
        let run = |x: &Panels<f32>| {
            let mut out = Panels::any(rows, x.tokens());
            multiply(Job::new(weight, Side::Plain, &Operand::new(x, Precision::F32), &mut out));
            out
        };
        let all = run(&x);
        let mut one = Panels::zeros(columns, 1);
        one.set_token(0, x.token(41));
        assert!(run(&one).token(0).eq(all.token(41)));
    }
}

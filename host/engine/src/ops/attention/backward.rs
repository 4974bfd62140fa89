//! The backward pass of attention.

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::{AttentionShape, Input, blocks, covered, cut, gather, scatter, with_inputs};
use crate::ops::real;
use crate::ops::{Real, Rope, change_values, tensor_of, vectorised, with_values};

/// Gradients of q, k and v, from that of the output `y` [N, heads · width] and what [`attention`] gave.
pub(crate) fn attention_backward<T: Real>(
    gradient: &Tensor,
    (y, logs): (&Tensor, &Tensor),
    (q, k, v): (&Tensor, &Tensor, &Tensor),
    segments: &[Range<usize>],
    rope: &Rope<T>,
    shape: AttentionShape,
) -> Result<(Tensor, Tensor, Tensor)> {
    let tokens = q.dims2()?.0;
    covered(segments, tokens)?;
    let (width, key_width) = (shape.heads * shape.width, shape.key_heads * shape.width);
    let mut dq = vec![T::real(0.0); tokens * width];
    let mut dk = vec![T::real(0.0); tokens * key_width];
    let mut dv = dk.clone();
    with_inputs((q, k, v), rope, shape, |input| {
        with_values(gradient, |g| {
            with_values(y, |y| {
                with_values(logs, |logs| {
                    let keys = cut(&mut dk, segments, key_width).into_par_iter().zip(cut(&mut dv, segments, key_width));
                    let tasks = cut(&mut dq, segments, width).into_par_iter().zip(keys).zip(segments);
                    tasks.try_for_each(|((dq, (dk, dv)), segment)| {
                        let given = Given { g, y, logs };
                        (0..shape.key_heads)
                            .try_for_each(|head| attend_back(input, &given, segment, head, (dq, dk, dv)))
                    })
                })
            })
        })
    })?;
    Ok((
        tensor_of(dq, (tokens, width), q)?,
        tensor_of(dk, (tokens, key_width), q)?,
        tensor_of(dv, (tokens, key_width), q)?,
    ))
}

/// What the forward pass gave, and the gradient of it.
struct Given<'a, T> {
    g: &'a [T],
    y: &'a [T],
    logs: &'a [T],
}

/// The backward pass of one segment and one key head.
fn attend_back<T: Real>(
    input: &Input<'_, T>,
    given: &Given<'_, T>,
    segment: &Range<usize>,
    head: usize,
    (dq, dk, dv): (&mut [T], &mut [T], &mut [T]),
) -> Result<()> {
    let (shape, width, length) = (input.shape, input.shape.width, segment.len());
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    input.append(segment, head, &mut keys, &mut values, 0);
    let keys = tensor_of(keys, (length, width), input.like)?;
    let values = tensor_of(values, (length, width), input.like)?;
    let (mut key_sum, mut value_sum) = (vec![T::real(0.0); length * width], vec![T::real(0.0); length * width]);
    for block in blocks(length) {
        let rows = shape.group() * block.len();
        let (keys, values) = (keys.narrow(0, 0, block.end)?, values.narrow(0, 0, block.end)?);
        let queries = tensor_of(input.queries(segment, &block, head, 0), (rows, width), input.like)?;
        let g = gather(given.g, shape, segment, &block, head);
        let y = gather(given.y, shape, segment, &block, head);
        let delta: Vec<T> = g.chunks_exact(width).zip(y.chunks_exact(width)).map(|(g, y)| real::dot(g, y)).collect();
        let g = tensor_of(g, (rows, width), input.like)?;

        let weights = queries.matmul(&keys.t()?)?;
        probabilities(&weights, given.logs, shape, segment, &block, head)?;
        add_into(&mut value_sum, &weights.t()?.matmul(&g)?)?;
        let scores = g.matmul(&values.t()?)?;
        score_gradient(&scores, &weights, &delta)?;
        add_into(&mut key_sum, &scores.t()?.matmul(&queries)?)?;

        let scale = T::real(shape.scale());
        let result = scores.matmul(&keys)?;
        change_values::<T>(&result, |rows| {
            for (index, row) in rows.chunks_exact_mut(width).enumerate() {
                row.iter_mut().for_each(|x| *x *= scale);
                input.rope.rotate_back(row, block.start + index % block.len());
            }
            scatter(rows, dq, shape, &block, head);
        })?;
    }
    let stride = shape.key_heads * width;
    for (i, row) in key_sum.chunks_exact_mut(width).enumerate() {
        input.rope.rotate_back(row, i);
        dk[i * stride + head * width..][..width].copy_from_slice(row);
    }
    for (i, row) in value_sum.chunks_exact(width).enumerate() {
        dv[i * stride + head * width..][..width].copy_from_slice(row);
    }
    Ok(())
}

/// Scores to probabilities, in place, with the normalisers of the forward pass.
fn probabilities<T: Real>(
    scores: &Tensor,
    logs: &[T],
    shape: AttentionShape,
    segment: &Range<usize>,
    block: &Range<usize>,
    head: usize,
) -> Result<()> {
    let keys = scores.dims2()?.1;
    change_values::<T>(scores, |scores| {
        vectorised(|| {
            for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
                let (member, i) = (head * shape.group() + index / block.len(), block.start + index % block.len());
                let log = logs[(segment.start + i) * shape.heads + member];
                let (row, rest) = row.split_at_mut(i + 1);
                row.iter_mut().for_each(|x| *x = (*x - log).exponential());
                rest.fill(T::real(0.0));
            }
        });
    })
}

/// `P (g vᵀ - Σ g y)` in place of `g vᵀ`.
fn score_gradient<T: Real>(scores: &Tensor, weights: &Tensor, delta: &[T]) -> Result<()> {
    let keys = scores.dims2()?.1;
    with_values::<T, _>(weights, |weights| {
        change_values::<T>(scores, |scores| {
            vectorised(|| {
                let rows = scores.chunks_exact_mut(keys).zip(weights.chunks_exact(keys)).zip(delta);
                for ((row, weights), &delta) in rows {
                    row.iter_mut().zip(weights).for_each(|(x, &p)| *x = p * (*x - delta));
                }
            });
        })
    })
}

fn add_into<T: Real>(sum: &mut [T], part: &Tensor) -> Result<()> {
    with_values::<T, _>(part, |part| {
        sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
        Ok(())
    })
}

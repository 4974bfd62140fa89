use std::slice;

use super::*;
use crate::ops::check::{assert_gradient, random};

const SHAPE: AttentionShape = AttentionShape { heads: 4, key_heads: 2, width: 4 };

/// Attention written out, for one segment.
fn plain(q: &Tensor, k: &Tensor, v: &Tensor, rope: &Rope<f64>) -> Vec<Vec<f64>> {
    let (q, k, v) = (rows(q), rows(k), rows(v));
    let head = |row: &[f64], head: usize, position: Option<usize>| {
        let mut values = row[head * 4..][..4].to_vec();
        if let Some(position) = position {
            rope.rotate(&mut values, position);
        }
        values
    };
    let mut out = vec![vec![0.0; 16]; q.len()];
    for h in 0..4 {
        for i in 0..q.len() {
            let query = head(&q[i], h, Some(i));
            let score = |j: usize| real::dot(&query, &head(&k[j], h / 2, Some(j))) / 2.0;
            let weights: Vec<f64> = (0..=i).map(|j| score(j).exp()).collect();
            for (j, weight) in weights.iter().enumerate() {
                for (c, x) in head(&v[j], h / 2, None).into_iter().enumerate() {
                    out[i][h * 4 + c] += weight / weights.iter().sum::<f64>() * x;
                }
            }
        }
    }
    out
}

fn rows(t: &Tensor) -> Vec<Vec<f64>> {
    t.to_vec2().unwrap()
}

fn assert_close(a: &[Vec<f64>], b: &[Vec<f64>]) {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-10, "{a} {b}"));
}

#[test]
fn segments_are_as_if_alone() -> Result<()> {
    let rope = Rope::<f64>::new(4, 100.0, 200);
    let (q, k, v) = (random(&[140, 16], 1), random(&[140, 8], 2), random(&[140, 8], 3));
    let got = rows(&attention((&q, &k, &v), &[0..5, 5..140], &rope, SHAPE)?.0);
    for (start, length) in [(0, 5), (5, 135)] {
        let part = |t: &Tensor| t.narrow(0, start, length);
        assert_close(&got[start..start + length], &plain(&part(&q)?, &part(&k)?, &part(&v)?, &rope));
    }
    Ok(())
}

#[test]
fn a_cache_gives_the_same() -> Result<()> {
    let rope = Rope::<f64>::new(4, 100.0, 200);
    let (q, k, v) = (random(&[140, 16], 1), random(&[140, 8], 2), random(&[140, 8], 3));
    let want = rows(&attention((&q, &k, &v), slice::from_ref(&(0..140)), &rope, SHAPE)?.0);
    let mut past = KeyValues::new(SHAPE);
    let mut got = Vec::new();
    for (start, length) in [(0, 3), (3, 1), (4, 130), (134, 1), (135, 5)] {
        let part = |t: &Tensor| t.narrow(0, start, length)?.contiguous();
        let step = (&part(&q)?, &part(&k)?, &part(&v)?);
        got.extend(rows(&attention_cached(step, slice::from_ref(&(0..length)), &mut [&mut past], &rope, SHAPE)?));
    }
    assert_close(&got, &want);
    assert_eq!(past.length, 140);
    Ok(())
}

#[test]
fn gradients_match_finite_differences() -> Result<()> {
    let rope = Rope::<f64>::new(4, 100.0, 200);
    // The second segment has two blocks.
    let segments = [0..3, 3..3 + BLOCK + 2];
    let n = segments[1].end;
    let (q, k, v, g) = (random(&[n, 16], 1), random(&[n, 8], 2), random(&[n, 8], 3), random(&[n, 16], 4));
    let f = |q: &Tensor, k: &Tensor, v: &Tensor| Ok(attention((q, k, v), &segments, &rope, SHAPE)?.0);
    let (y, logs) = attention((&q, &k, &v), &segments, &rope, SHAPE)?;
    let (dq, dk, dv) = attention_backward(&g, (&y, &logs), (&q, &k, &v), &segments, &rope, SHAPE)?;
    assert_gradient(&q, &g, |q| f(q, &k, &v), &dq);
    assert_gradient(&k, &g, |k| f(&q, k, &v), &dk);
    assert_gradient(&v, &g, |v| f(&q, &k, v), &dv);
    Ok(())
}

#[test]
fn segments_must_cover_the_tokens() {
    let bad: [&[Range<usize>]; 3] = [slice::from_ref(&(0..3)), &[0..3, 4..5], slice::from_ref(&(1..5))];
    for bad in bad {
        assert!(covered(bad, 5).is_err(), "{bad:?}");
    }
}

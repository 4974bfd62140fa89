//! Statistics of counts: of categories, or of numbers in bins. Both slices have to be of one length.

use crate::special::chi_squared_tail;
use crate::test::Test;

/// What is added to each count so that an empty bin has a logarithm (Jeffreys).
const HALF: f64 = 0.5;

fn sum(counts: &[u64]) -> f64 {
    counts.iter().sum::<u64>() as f64
}

/// Population stability index, `Σ (c - r) ln(c / r)` in nats, with half a row added to each count.
///
/// With no change it is about `(bins - 1) (1/n + 1/m)` by chance alone, so that its usual limit of 0.1 means something only from
/// some hundred rows a side on. 0 for no counts.
pub fn psi(reference: &[u64], current: &[u64]) -> f64 {
    let added = HALF * reference.len() as f64;
    let (n, m) = (sum(reference) + added, sum(current) + added);
    let term = |(r, c): (&u64, &u64)| {
        let (r, c) = ((*r as f64 + HALF) / n, (*c as f64 + HALF) / m);
        (c - r) * libm::log(c / r)
    };
    reference.iter().zip(current).map(term).sum()
}

/// Jensen-Shannon distance: the root of the divergence in bits, from 0 (equal) to 1 (nothing in common). 0 if a side is empty.
pub fn jensen_shannon(reference: &[u64], current: &[u64]) -> f64 {
    let (n, m) = (sum(reference), sum(current));
    if n == 0.0 || m == 0.0 {
        return 0.0;
    }
    let part = |p: f64, mean: f64| if p > 0.0 { p * libm::log2(p / mean) } else { 0.0 };
    let term = |(r, c): (&u64, &u64)| {
        let (r, c) = (*r as f64 / n, *c as f64 / m);
        let mean = (r + c) / 2.0;
        (part(r, mean) + part(c, mean)) / 2.0
    };
    libm::sqrt(reference.iter().zip(current).map(term).sum::<f64>().clamp(0.0, 1.0))
}

/// What the chi-squared test says of two rows of counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    /// The statistic and its p-value.
    pub test: Test,
    /// Degrees of freedom: categories that occur, less one.
    pub degrees: usize,
    /// Cramér's V, from 0 (equal) to 1 (nothing in common): the size of the change, whatever the number of rows.
    pub cramers_v: f64,
}

/// Pearson's chi-squared test of homogeneity, without Yates's correction. The p-value is that of the limit, which needs at least
/// five expected rows a category: [`merge_rare`] sees to it. With fewer than two categories, or an empty side, p is 1.
pub fn chi_squared(reference: &[u64], current: &[u64]) -> ChiSquared {
    let (n, m) = (sum(reference), sum(current));
    let occurring: Vec<(f64, f64)> =
        reference.iter().zip(current).filter(|(r, c)| **r + **c > 0).map(|(r, c)| (*r as f64, *c as f64)).collect();
    let degrees = occurring.len().saturating_sub(1);
    if degrees == 0 || n == 0.0 || m == 0.0 {
        return ChiSquared { test: Test { value: 0.0, p: 1.0 }, degrees: 0, cramers_v: 0.0 };
    }
    let term = |(r, c): &(f64, f64)| {
        let both = r + c;
        let (of_r, of_c) = (both * n / (n + m), both * m / (n + m));
        (r - of_r) * (r - of_r) / of_r + (c - of_c) * (c - of_c) / of_c
    };
    let value: f64 = occurring.iter().map(term).sum();
    let test = Test { value, p: chi_squared_tail(value, degrees) };
    ChiSquared { test, degrees, cramers_v: libm::sqrt(value / (n + m)).min(1.0) }
}

/// Rows that a category has to be expected to have on both sides.
const EXPECTED_MIN: f64 = 5.0;

/// Puts categories that are expected less than five times on a side together, the rarest first, until what they make is not.
pub fn merge_rare(reference: &[u64], current: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (n, m) = (sum(reference), sum(current));
    let least = EXPECTED_MIN * (n + m) / n.min(m).max(1.0);
    let mut pairs: Vec<(u64, u64)> = reference.iter().copied().zip(current.iter().copied()).collect();
    // What occurs nowhere is no category.
    pairs.retain(|(r, c)| r + c > 0);
    pairs.sort_by_key(|(r, c)| std::cmp::Reverse(r + c));
    while let [.., before, last] = &mut pairs[..]
        && ((last.0 + last.1) as f64) < least
    {
        *before = (before.0 + last.0, before.1 + last.1);
        pairs.pop();
        // The sum may be more than the one before it.
        pairs.sort_by_key(|(r, c)| std::cmp::Reverse(r + c));
    }
    pairs.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_equal_counts_are_no_change() {
        for counts in [&[][..], &[0], &[0, 0], &[7], &[3, 4, 0]] {
            let said = chi_squared(counts, counts);
            assert_eq!((psi(counts, counts), jensen_shannon(counts, counts)), (0.0, 0.0), "{counts:?}");
            assert_eq!((said.test.value, said.test.p, said.cramers_v), (0.0, 1.0, 0.0), "{counts:?}");
        }
        assert_eq!(jensen_shannon(&[9, 0], &[0, 3]), 1.0);
        assert_eq!(chi_squared(&[9, 0], &[0, 9]).cramers_v, 1.0);
        assert_eq!(chi_squared(&[9, 0], &[0, 0]).test.p, 1.0);
    }

    #[test]
    fn rare_categories_are_put_together() {
        assert_eq!(merge_rare(&[50, 1, 0, 2, 0], &[40, 0, 3, 5, 0]), (vec![50, 3], vec![40, 8]));
        assert_eq!(merge_rare(&[], &[]), (vec![], vec![]));
        assert_eq!(merge_rare(&[1, 1], &[1, 1]), (vec![2], vec![2]));
        assert_eq!(merge_rare(&[100, 100], &[100, 100]), (vec![100, 100], vec![100, 100]));
    }
}

//! Sums over all tokens of products of two features.
//!
//! Lanes are summed apart, each a chain of fused multiply-adds over ascending panels, and folded pairwise at the end: the
//! same bits with any instructions.

use crate::instructions::{F32Path, f32_path};
use crate::panels::{LANES, Panels};
use crate::real::Real;

/// Features of `low` whose sums fit the registers.
const RANKS: usize = 8;

/// The sums of the products of one feature of `x` with each feature of `low`, written to `out`.
///
/// # Panics
/// `x` and `low` have other tokens, or `out` is not as long as `low` has features.
pub fn token_sums<T: Real>(x: &Panels<T>, feature: usize, low: &Panels<T>, out: &mut [T]) {
    assert_eq!((x.tokens(), out.len()), (low.tokens(), low.features()), "the sizes of sums over tokens");
    assert!(feature < x.features(), "the feature of sums over tokens");
    for (first, out) in (0..low.features()).step_by(RANKS).zip(out.chunks_mut(RANKS)) {
        #[cfg(target_arch = "x86_64")]
        if let (F32Path::Avx512, Some(x), Some(low)) = (f32_path(), T::singles(x), T::singles(low)) {
            let sums = avx512::sums(x, feature, low, first, out.len());
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::real(f64::from(fold(sum))));
            continue;
        }
        portable(x, feature, low, first, out);
    }
}

crate::vectorised! {
fn portable<T: Real>(x: &Panels<T>, feature: usize, low: &Panels<T>, first: usize, out: &mut [T]) {
    let mut sums = [[T::ZERO; LANES]; RANKS];
    for panel in 0..x.count() {
        let x = &x.panel(panel)[feature * LANES..][..LANES];
        let low = low.panel(panel)[first * LANES..].chunks_exact(LANES);
        for (sum, low) in sums.iter_mut().zip(low) {
            for lane in 0..LANES {
                sum[lane] = x[lane].fused(low[lane], sum[lane]);
            }
        }
    }
    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = fold(sum));
}
}

/// The sum of the lanes, pairwise.
#[inline(always)]
pub fn fold<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let other = lanes[lane + half];
            lanes[lane] += other;
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![allow(unsafe_code, reason = "vector instructions; all places are checked")]

    use std::arch::x86_64::{
        _MM_HINT_T0, _mm_prefetch, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{LANES, Panels, RANKS};

    /// Sums of up to eight features from `first` on.
    pub(super) fn sums(
        x: &Panels<f32>,
        feature: usize,
        low: &Panels<f32>,
        first: usize,
        count: usize,
    ) -> [[f32; LANES]; RANKS] {
        let mut out = [[0.0; LANES]; RANKS];
        assert!(first + count <= low.features() && feature < x.features() && x.count() == low.count());
        let (from, step) = (x.values()[feature * LANES..].as_ptr(), x.features() * LANES);
        let (lows, low_step) = (low.values()[first * LANES..].as_ptr(), low.features() * LANES);
        // SAFETY: the instructions were found; the features and panels were just checked.
        unsafe {
            let panels = x.count();
            match count {
                8 => chains::<8>(from, step, lows, low_step, panels, &mut out),
                4.. => {
                    chains::<4>(from, step, lows, low_step, panels, &mut out);
                    for r in 4..count {
                        chains::<1>(from, step, lows.add(r * LANES), low_step, panels, &mut out[r..]);
                    }
                }
                _ => {
                    for r in 0..count {
                        chains::<1>(from, step, lows.add(r * LANES), low_step, panels, &mut out[r..]);
                    }
                }
            }
        }
        out
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn chains<const R: usize>(
        mut x: *const f32,
        step: usize,
        mut low: *const f32,
        low_step: usize,
        panels: usize,
        out: &mut [[f32; LANES]],
    ) {
        // SAFETY: as the caller says.
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); 2]; R];
            for _ in 0..panels {
                let (x0, x1) = (_mm512_loadu_ps(x), _mm512_loadu_ps(x.add(16)));
                // Panels are far from each other: the feature after the next is asked for in time.
                for line in [2 * LANES, 2 * LANES + 16] {
                    _mm_prefetch::<_MM_HINT_T0>(x.wrapping_add(line).cast::<i8>());
                }
                for (r, sum) in sums.iter_mut().enumerate() {
                    sum[0] = _mm512_fmadd_ps(x0, _mm512_loadu_ps(low.add(r * LANES)), sum[0]);
                    sum[1] = _mm512_fmadd_ps(x1, _mm512_loadu_ps(low.add(r * LANES + 16)), sum[1]);
                }
                x = x.add(step);
                low = low.add(low_step);
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                _mm512_storeu_ps(out.as_mut_ptr(), sum[0]);
                _mm512_storeu_ps(out.as_mut_ptr().add(16), sum[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::tests::values;

    #[test]
    fn every_path_gives_the_same_bits() {
        for (low_features, tokens) in [(1, 5), (3, 64), (4, 70), (6, 33), (8, 40), (13, 100)] {
            let panels = |features, seed| {
                let mut panels = Panels::<f32>::any(features, tokens);
                let count = panels.values().len();
                panels.values_mut().copy_from_slice(&values(count, seed));
                panels
            };
            let (x, low) = (panels(5, 1), panels(low_features, 2));
            let mut got = vec![0.0; low_features];
            token_sums(&x, 3, &low, &mut got);
            let mut want = vec![0.0; low_features];
            for (first, out) in (0..low_features).step_by(RANKS).zip(want.chunks_mut(RANKS)) {
                portable(&x, 3, &low, first, out);
            }
            assert_eq!(got, want);
        }
    }
}

//! Tokens to features and back, and choosing among tokens.

use freehold_kernels::{LANES, Panels, Real, for_each};

use crate::tensor::Tensor;

/// The rows of a table [V, D] with these indices, as features [D, tokens]. Every index has to be below V.
pub(crate) fn embed<T: Real>(table: &Tensor, ids: &[u32]) -> Panels<T> {
    let width = table.matrix().columns();
    let mut out = Panels::any(width, ids.len());
    for_each(out.panels_mut().enumerate(), |(panel, out)| {
        let ids = &ids[panel * LANES..ids.len().min((panel + 1) * LANES)];
        for lane in 0..LANES {
            let Some(&id) = ids.get(lane) else {
                out.iter_mut().skip(lane).step_by(LANES).for_each(|x| *x = T::ZERO);
                continue;
            };
            let row: Vec<T> = table.range(id as usize * width..(id as usize + 1) * width);
            out.iter_mut().skip(lane).step_by(LANES).zip(row).for_each(|(to, from)| *to = from);
        }
    });
    out
}

/// The gradient of the table: row `ids[n]` is increased by token n. Added to `table` [V, D].
pub(crate) fn embedding_gradient<T: Real>(gradient: &Panels<T>, ids: &[u32], table: &mut [T]) {
    let width = gradient.features();
    for (token, &id) in ids.iter().enumerate() {
        let row = &mut table[id as usize * width..][..width];
        row.iter_mut().zip(gradient.token(token)).for_each(|(sum, x)| *sum += x);
    }
}

/// Some of the tokens, in this order.
pub(crate) fn gather_tokens<T: Real>(x: &Panels<T>, tokens: &[u32]) -> Panels<T> {
    let features = x.features();
    let mut out = Panels::any(features, tokens.len());
    for_each(out.panels_mut().enumerate(), |(panel, out)| {
        for lane in 0..LANES {
            let to = out.iter_mut().skip(lane).step_by(LANES);
            match tokens.get(panel * LANES + lane) {
                Some(&token) => {
                    let start = x.place(0, token as usize);
                    let from = x.values()[start..].iter().step_by(LANES);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
                None => to.for_each(|to| *to = T::ZERO),
            }
        }
    });
    out
}

/// The backward pass of [`gather_tokens`], where no token is chosen twice: all others get zero.
pub(crate) fn scatter_tokens<T: Real>(x: &Panels<T>, tokens: &[u32], count: usize) -> Panels<T> {
    let mut out = Panels::zeros(x.features(), count);
    for (from, &to) in tokens.iter().enumerate() {
        out.set_token(to as usize, x.token(from));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_gradient, inner, random, random_panels};
    use super::*;

    #[test]
    fn gradient_of_the_table_matches_finite_differences() {
        let ids = [4, 0, 4, 2];
        let (table, g) = (random(5 * 3, 1), random_panels(3, 4, 2));
        let f = |table: &[f64]| inner(embed(&Tensor::of(table.to_vec(), &[5, 3]), &ids).values(), g.values());
        let mut gradient = vec![0.0; 15];
        embedding_gradient(&g, &ids, &mut gradient);
        assert_gradient(&table, f, &gradient);
    }

    #[test]
    fn tokens_come_back_to_their_places() {
        let x = random_panels(3, 40, 1);
        let chosen = [39, 0, 17];
        let some = gather_tokens(&x, &chosen);
        assert!(some.token(0).eq(x.token(39)) && some.token(2).eq(x.token(17)));
        let back = scatter_tokens(&some, &chosen, 40);
        assert!(back.token(17).eq(x.token(17)) && back.token(5).all(|x| x == 0.0));
        assert_eq!(inner(back.values(), x.values()), inner(some.values(), some.values()));
    }
}

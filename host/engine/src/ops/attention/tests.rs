use super::super::check::{assert_panels_gradient, random_panels};
use super::*;

const SHAPE: AttentionShape = AttentionShape { heads: 4, key_heads: 2, width: 6 };

/// Segments that begin and end within panels.
const SEGMENTS: [Range<usize>; 4] = [0..5, 5..45, 45..46, 46..75];

fn inputs(tokens: usize) -> [Panels<f64>; 4] {
    let (wide, narrow) = (SHAPE.heads * SHAPE.width, SHAPE.key_heads * SHAPE.width);
    [(wide, 1), (narrow, 2), (narrow, 3), (wide, 4)].map(|(features, stream)| random_panels(features, tokens, stream))
}

/// Attention as the formula says, with a loop over everything.
fn plain(q: &Panels<f64>, k: &Panels<f64>, v: &Panels<f64>, segments: &[Range<usize>], window: usize) -> Panels<f64> {
    let mut out = Panels::zeros(q.features(), q.tokens());
    let width = SHAPE.width;
    for segment in segments {
        for i in segment.clone() {
            let mut values = Vec::new();
            for head in 0..SHAPE.heads {
                let keys = segment.start.max((i + 1).saturating_sub(window))..i + 1;
                let key = |d: usize| head / SHAPE.group() * width + d;
                let score = |j: usize| {
                    let dot = |d: usize| q.values()[q.place(head * width + d, i)] * k.values()[k.place(key(d), j)];
                    ((0..width).map(dot).sum::<f64>() / (width as f64).sqrt()).exp()
                };
                let total: f64 = keys.clone().map(score).sum();
                for d in 0..width {
                    values.push(keys.clone().map(|j| score(j) / total * v.values()[v.place(key(d), j)]).sum());
                }
            }
            out.set_token(i, values);
        }
    }
    out
}

fn attended(q: &Panels<f64>, k: &Panels<f64>, v: &Panels<f64>, spans: &Spans) -> Panels<f64> {
    let mut values = attention((q, k, v), spans, SHAPE, Precision::F32).values;
    values.clear_padding();
    values
}

#[test]
fn attention_is_that_of_the_formula_within_segments_and_windows() {
    let [q, k, v, _] = inputs(75);
    for window in [None, Some(1), Some(7), Some(33)] {
        let got = attended(&q, &k, &v, &Spans::new(&SEGMENTS, window));
        let want = plain(&q, &k, &v, &SEGMENTS, window.unwrap_or(1000));
        for (got, want) in got.values().iter().zip(want.values()) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
    }
}

#[test]
fn a_segment_does_not_depend_on_what_it_is_packed_with() {
    let single = |panels: &Panels<f64>, range: Range<usize>| {
        let mut some = Panels::<f32>::zeros(panels.features(), range.len());
        for (to, from) in range.enumerate() {
            some.set_token(to, panels.token(from).map(|x| x as f32));
        }
        some
    };
    let [q, k, v, _] = inputs(75);
    let run = |range: Range<usize>, segments: &[Range<usize>]| {
        let [q, k, v] = [&q, &k, &v].map(|x| single(x, range.clone()));
        attention((&q, &k, &v), &Spans::new(segments, None), SHAPE, Precision::F32).values
    };
    let (packed, alone) = (run(0..75, &SEGMENTS), run(5..45, std::slice::from_ref(&(0..40))));
    assert!((0..40).all(|token| packed.token(5 + token).eq(alone.token(token))));
}

#[test]
fn gradients_match_finite_differences() {
    let [q, k, v, g] = inputs(75);
    for window in [None, Some(9)] {
        let spans = Spans::new(&SEGMENTS, window);
        let given = attention((&q, &k, &v), &spans, SHAPE, Precision::F32);
        let [dq, dk, dv] = attention_backward(&g, &given, (&q, &k, &v), &spans, (SHAPE, Precision::F32));
        assert_panels_gradient(&q, &g, |q| attended(q, &k, &v, &spans), &dq);
        assert_panels_gradient(&k, &g, |k| attended(&q, k, &v, &spans), &dk);
        assert_panels_gradient(&v, &g, |v| attended(&q, &k, v, &spans), &dv);
    }
}

#[test]
fn in_bf16_it_is_the_same_but_for_rounding() {
    let [q, k, v, g] = inputs(75).map(|panels| {
        let mut single = Panels::<f32>::zeros(panels.features(), panels.tokens());
        (0..panels.tokens()).for_each(|token| single.set_token(token, panels.token(token).map(|x| x as f32)));
        single
    });
    let spans = Spans::new(&SEGMENTS, Some(33));
    let run = |precision| {
        let given = attention((&q, &k, &v), &spans, SHAPE, precision);
        let [dq, dk, dv] = attention_backward(&g, &given, (&q, &k, &v), &spans, (SHAPE, precision));
        [given.values, dq, dk, dv]
            .map(|x| (0..75).flat_map(|token| x.token(token).collect::<Vec<_>>()).collect::<Vec<_>>())
    };
    for (exact, rounded) in run(Precision::F32).into_iter().zip(run(Precision::Bf16)) {
        let length = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let difference = length(&mut exact.iter().zip(&rounded).map(|(a, b)| a - b));
        let relative = difference / length(&mut exact.iter().copied());
        assert!(relative > 1e-5 && relative < 0.01, "{relative}");
    }
}

#[test]
fn groups_of_panels_that_share_nothing_are_found() {
    let groups = |segments: &[Range<usize>]| Spans::new(segments, None).groups();
    assert_eq!(groups(&[0..64, 64..128]), [0..2, 2..4]);
    assert_eq!(groups(&[0..40, 40..128]), vec![0..4; 1]);
    assert_eq!(groups(&[0..32, 32..64, 64..80]), [0..1, 1..2, 2..3]);
}

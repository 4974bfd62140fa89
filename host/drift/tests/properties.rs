//! What must hold for any rows: p-values are right where nothing changes, and nothing depends on what it should not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use freehold_drift::simulate::{REFERENCE_ROWS, Scenario};
use freehold_drift::{
    Comparison, Correction, DriftError, Permutations, Sample, Settings, Values, Vectors, chi_squared, compare,
    domain_classifier, holm, jensen_shannon, kolmogorov_smirnov, merge_rare, mmd, psi,
};
use proptest::prelude::*;

/// How many p-values of so many comparisons of what does not change are at most 0.01, 0.05, 0.2 and 0.5.
fn small(scenario: Scenario, times: u64, p: impl Fn(&Values, &Values) -> f64) -> [f64; 4] {
    let mut small = [0.0; 4];
    for seed in 0..times {
        let mut rows = scenario.rows(seed, 240, 240).unwrap();
        let current = rows.split_off(140);
        let p = p(rows.column("x").unwrap(), current.column("x").unwrap());
        assert!((0.0..=1.0).contains(&p), "{p}");
        for (count, limit) in small.iter_mut().zip([0.01, 0.05, 0.2, 0.5]) {
            *count += f64::from(u8::from(p <= limit));
        }
    }
    small.map(|count| count / times as f64)
}

/// No more small p-values than there may be, and not far fewer: within four deviations.
#[track_caller]
fn assert_uniform(found: [f64; 4], times: u64, least: f64) {
    for (part, limit) in found.into_iter().zip([0.01, 0.05, 0.2, 0.5_f64]) {
        let slack = 4.0 * (limit * (1.0 - limit) / times as f64).sqrt();
        assert!(part <= limit + slack && part >= least * limit - slack, "{part} at {limit}: {found:?}");
    }
}

fn of_numbers(reference: &Values, current: &Values) -> f64 {
    let (Values::Numbers(reference), Values::Numbers(current)) = (reference, current) else { panic!("no numbers") };
    kolmogorov_smirnov(reference, current).unwrap().p
}

#[test]
fn kolmogorov_smirnov_errs_as_often_as_it_says() {
    for scenario in [Scenario::None, Scenario::NoneSkewed, Scenario::NoneTied] {
        assert_uniform(small(scenario, 2000, of_numbers), 2000, 0.6);
    }
}

#[test]
fn chi_squared_errs_as_often_as_it_says() {
    let p = |reference: &Values, current: &Values| {
        let (Values::Categories(reference), Values::Categories(current)) = (reference, current) else { panic!() };
        let names = ["billing", "shipping", "account", "returns", "other"];
        let count = |side: &[String]| names.map(|name| side.iter().filter(|row| *row == name).count() as u64);
        let (reference, current) = merge_rare(&count(reference), &count(current));
        chi_squared(&reference, &current).test.p
    };
    assert_uniform(small(Scenario::NoneCategories, 2000, p), 2000, 0.8);
}

fn both<'a>(reference: &'a Values, current: &'a Values) -> (&'a Vectors, &'a Vectors) {
    let (Values::Vectors(reference), Values::Vectors(current)) = (reference, current) else { panic!("no vectors") };
    (reference, current)
}

#[test]
fn mmd_errs_as_often_as_it_says() {
    let p = |reference: &Values, current: &Values| {
        let (reference, current) = both(reference, current);
        mmd(reference, current, Permutations { count: 199, rows_max: 512, seed: 1 }).unwrap().p
    };
    assert_uniform(small(Scenario::NoneVectors, 400, p), 400, 0.8);
}

#[test]
fn the_domain_classifier_errs_no_more_often_than_it_says() {
    let p = |reference: &Values, current: &Values| {
        let (reference, current) = both(reference, current);
        domain_classifier(reference, current, (5, 512), 1).unwrap().p
    };
    assert_uniform(small(Scenario::NoneVectors, 400, p), 400, 0.3);
}

fn numbers(values: &[f64]) -> Sample {
    Sample::new([("a".to_owned(), Values::Numbers(values.to_vec()))]).unwrap()
}

#[test]
fn constant_columns_are_no_change_until_they_are_another_constant() {
    let settings = Settings::default();
    let columns = |number: f64, category: &str| {
        let vectors = Vectors::new(3, [1.0, number, 0.1 + 0.2].repeat(60)).unwrap();
        Sample::new([
            ("number".to_owned(), Values::Numbers(vec![number; 60])),
            ("category".to_owned(), Values::Categories(vec![category.to_owned(); 60])),
            ("vector".to_owned(), Values::Vectors(vectors)),
        ])
        .unwrap()
    };
    let same = compare(&columns(0.1, "a"), &columns(0.1, "a"), &settings).unwrap();
    assert_eq!(same.drifted, [""; 0], "{same:?}");
    assert!(same.findings.iter().filter_map(|finding| finding.p).all(|p| p > 0.99), "{same:?}");
    let other = compare(&columns(0.1, "a"), &columns(0.3, "b"), &settings).unwrap();
    assert_eq!(other.drifted, ["category", "number", "vector"], "{other:?}");
    assert!(other.findings.iter().all(|finding| finding.value.is_finite()), "{other:?}");
}

#[test]
fn nothing_and_too_little_say_nothing() {
    let settings = Settings::default();
    let empty = Sample::new([]).unwrap();
    let said = compare(&empty, &empty, &settings).unwrap();
    assert!(!said.enough_rows && said.findings.is_empty() && said.drifted.is_empty());
    let said = compare(&numbers(&[0.0; 49]), &numbers(&[1.0; 500]), &settings).unwrap();
    assert!(!said.enough_rows && said.drifted.is_empty(), "{said:?}");
    assert!(compare(&numbers(&[0.0; 50]), &numbers(&[1.0; 50]), &settings).unwrap().enough_rows);
    assert!(matches!(kolmogorov_smirnov(&[], &[1.0]), Err(DriftError::TooFew { .. })));
    assert!(matches!(kolmogorov_smirnov(&[f64::NAN], &[1.0]), Err(DriftError::NotFinite { row: 0, .. })));
    let none = Vectors::new(2, vec![]).unwrap();
    let permutations = Permutations { count: 99, rows_max: 512, seed: 1 };
    assert!(matches!(mmd(&none, &none, permutations), Err(DriftError::TooFew { needed: 2, .. })));
    assert!(matches!(domain_classifier(&none, &none, (5, 512), 1), Err(DriftError::TooFew { needed: 10, .. })));
    assert!(matches!(Vectors::new(0, vec![]), Err(DriftError::Width { .. })));
    assert!(matches!(Vectors::new(2, vec![1.0]), Err(DriftError::Width { .. })));
    let (two, three) = (Vectors::new(2, vec![0.0; 60]).unwrap(), Vectors::new(3, vec![0.0; 60]).unwrap());
    assert!(matches!(mmd(&two, &three, permutations), Err(DriftError::Kind { .. })));
    let broken = Vectors::new(2, vec![0.0, f64::NAN, 0.0, 0.0]).unwrap();
    assert!(matches!(mmd(&broken, &two, permutations), Err(DriftError::NotFinite { row: 0, .. })));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let default = Settings::default();
    default.check().unwrap();
    for (settings, key) in [
        (Settings { alpha: 0.0, ..default.clone() }, "alpha"),
        (Settings { alpha: f64::NAN, ..default.clone() }, "alpha"),
        (Settings { bins: 1, ..default.clone() }, "bins"),
        (Settings { permutations: 9, ..default.clone() }, "permutations"),
        (Settings { folds: 1, ..default.clone() }, "folds"),
        (Settings { rows_min: 9, ..default.clone() }, "rows_min"),
        (Settings { vectors_max: 9, ..default.clone() }, "vectors_max"),
        (Settings { area_min: 1.5, ..default.clone() }, "area_min"),
    ] {
        assert!(settings.check().unwrap_err().to_string().contains(key), "{key}");
    }
}

/// Rows of every kind.
fn mixed(seed: u64, rows: usize, moved: bool) -> Sample {
    let change = if moved { REFERENCE_ROWS } else { usize::MAX };
    let column = |name: &str, scenario: Scenario| {
        let mut sample = scenario.rows(seed, REFERENCE_ROWS + rows, change).unwrap();
        (name.to_owned(), sample.split_off(REFERENCE_ROWS).column("x").unwrap().clone())
    };
    Sample::new([
        column("length", Scenario::Mean),
        column("topic", Scenario::Mix),
        column("hidden", Scenario::Vectors),
        column("tied", Scenario::NoneTied),
    ])
    .unwrap()
}

#[test]
fn the_same_rows_give_the_same_bits_and_the_correction_is_of_all_tests() {
    let (reference, current) = (mixed(1, 500, false), mixed(2, 300, true));
    let said: Comparison = compare(&reference, &current, &Settings::default()).unwrap();
    assert_eq!(said, compare(&reference, &current, &Settings::default()).unwrap());
    assert_eq!(said.drifted, ["hidden", "length", "topic"], "{said:?}");
    let tests = || said.findings.iter().filter(|finding| finding.p.is_some());
    assert_eq!(tests().count(), 5);
    let p: Vec<f64> = tests().map(|finding| finding.p.unwrap()).collect();
    let corrected: Vec<f64> = tests().map(|finding| finding.corrected.unwrap()).collect();
    assert_eq!(corrected, holm(&p));
    let plain = Settings { correction: Correction::None, ..Settings::default() };
    let said = compare(&reference, &current, &plain).unwrap();
    assert!(said.findings.iter().all(|finding| finding.corrected == finding.p), "{said:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ranks_alone_matter(a in prop::collection::vec(-50i32..50, 1..40), b in prop::collection::vec(-50i32..50, 1..40)) {
        let of = |f: fn(f64) -> f64, side: &[i32]| side.iter().map(|x| f(f64::from(*x))).collect::<Vec<_>>();
        let plain = kolmogorov_smirnov(&of(|x| x, &a), &of(|x| x, &b)).unwrap();
        let scaled = kolmogorov_smirnov(&of(|x| (x / 9.0).exp(), &a), &of(|x| (x / 9.0).exp(), &b)).unwrap();
        prop_assert_eq!(plain, scaled);
        let turned = kolmogorov_smirnov(&of(|x| x, &b), &of(|x| x, &a)).unwrap();
        prop_assert!((plain.p - turned.p).abs() < 1e-9 && plain.value == turned.value);
        let (mut c, mut d) = (a.clone(), b.clone());
        c.reverse();
        d.sort_unstable();
        prop_assert_eq!(plain, kolmogorov_smirnov(&of(|x| x, &c), &of(|x| x, &d)).unwrap());
    }

    #[test]
    fn sizes_are_finite_and_the_same_from_both_sides(pairs in prop::collection::vec((0u64..50, 0u64..50), 0..20)) {
        let (a, b): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
        for (of, limit) in [(psi as fn(&[u64], &[u64]) -> f64, f64::MAX), (jensen_shannon, 1.0)] {
            let (one, other) = (of(&a, &b), of(&b, &a));
            prop_assert!((one - other).abs() < 1e-9 && (0.0..=limit).contains(&one), "{} {}", one, other);
        }
        let said = chi_squared(&a, &b);
        prop_assert!((0.0..=1.0).contains(&said.test.p) && (0.0..=1.0).contains(&said.cramers_v));
        let (merged, with) = merge_rare(&a, &b);
        prop_assert_eq!(merged.iter().sum::<u64>(), a.iter().sum::<u64>());
        prop_assert_eq!(with.iter().sum::<u64>(), b.iter().sum::<u64>());
    }

    #[test]
    fn units_of_a_dimension_do_not_matter(seed in 0u64..1000, scale in 1.0e-3..1.0e3) {
        let sample = |by: f64, rows: &Sample| {
            let Values::Vectors(vectors) = rows.column("x").unwrap() else { panic!("no vectors") };
            let scaled = vectors.iter().flat_map(|row| row.iter().enumerate().map(move |(at, x)| if at == 0 { by * x + by } else { *x }));
            Vectors::new(vectors.width(), scaled.collect()).unwrap()
        };
        let mut rows = Scenario::Vectors.rows(seed, 60, 30).unwrap();
        let later = rows.split_off(30);
        let permutations = Permutations { count: 99, rows_max: 512, seed };
        let plain = mmd(&sample(1.0, &rows), &sample(1.0, &later), permutations).unwrap();
        let scaled = mmd(&sample(scale, &rows), &sample(scale, &later), permutations).unwrap();
        prop_assert!((plain.value - scaled.value).abs() < 1e-5 && (plain.p - scaled.p).abs() < 0.021);
    }
}

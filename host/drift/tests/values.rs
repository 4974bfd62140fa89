//! Values of scipy, numpy, scikit-learn and statsmodels: `fixtures/make.py` made them.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_drift::{
    Permutations, Vectors, benjamini_hochberg, chi_squared, domain_classifier, holm, jensen_shannon,
    kolmogorov_smirnov, mmd, psi,
};
use serde_json::Value;

fn values(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("fixtures/values.json")).unwrap();
    let found = all[name].as_array().unwrap().clone();
    assert!(!found.is_empty());
    found
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-9), "{found} instead of {expected}");
}

#[test]
fn kolmogorov_smirnov_is_scipys() {
    for case in values("ks") {
        let test = kolmogorov_smirnov(&numbers(&case["a"]), &numbers(&case["b"])).unwrap();
        assert_near(test.value, number(&case["value"]));
        assert_near(test.p, number(&case["p"]));
    }
}

#[test]
fn beyond_what_is_counted_it_is_the_limit() {
    let grid = |rows: u32, by: f64| (0..rows).map(|row| f64::from(row) / f64::from(rows) + by).collect::<Vec<_>>();
    let (exact, limit) = (grid(1990, 0.0), grid(2020, 0.0));
    let (by_count, by_limit) = (
        kolmogorov_smirnov(&exact, &grid(2000, 0.04)).unwrap(),
        kolmogorov_smirnov(&limit, &grid(2000, 0.04)).unwrap(),
    );
    assert!((by_count.p / by_limit.p - 1.0).abs() < 0.1, "{by_count:?} {by_limit:?}");
}

#[test]
fn statistics_of_counts_are_scipys_and_numpys() {
    for case in values("counts") {
        let counts =
            |side: &str| case[side].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>();
        let (reference, current) = (counts("r"), counts("c"));
        let said = chi_squared(&reference, &current);
        assert_near(said.test.value, number(&case["chi2"]));
        assert_near(said.test.p, number(&case["p"]));
        assert_near(said.cramers_v, number(&case["v"]));
        assert_eq!(said.degrees as u64, case["df"].as_u64().unwrap());
        assert_near(psi(&reference, &current), number(&case["psi"]));
        assert_near(jensen_shannon(&reference, &current), number(&case["js"]));
    }
}

#[test]
fn corrections_are_those_of_statsmodels() {
    for (name, correct) in [("holm", holm as fn(&[f64]) -> Vec<f64>), ("benjamini_hochberg", benjamini_hochberg)] {
        let cases = values(name);
        let (given, expected) = (numbers(&cases[0]), numbers(&cases[1]));
        correct(&given).into_iter().zip(expected).for_each(|(found, expected)| assert_near(found, expected));
    }
}

fn vectors(case: &Value, side: &str) -> Vectors {
    Vectors::new(case["width"].as_u64().unwrap() as usize, numbers(&case[side])).unwrap()
}

#[test]
fn mmd_is_numpys() {
    let permutations = Permutations { count: 99, rows_max: 512, seed: 1 };
    for case in values("mmd") {
        let test = mmd(&vectors(&case, "x"), &vectors(&case, "y"), permutations).unwrap();
        // The kernel is kept in f32.
        assert!((test.value - number(&case["value"])).abs() < 1e-6, "{test:?}");
    }
}

#[test]
fn the_domain_classifier_is_about_scikit_learns() {
    for case in values("classifier") {
        let test = domain_classifier(&vectors(&case, "x"), &vectors(&case, "y"), (5, 512), 1).unwrap();
        // Other rows are held out together.
        assert!((test.value - number(&case["area"])).abs() < 0.02, "{test:?} {}", case["area"]);
        assert!(test.p < 1e-6, "{test:?}");
    }
}

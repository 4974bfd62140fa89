//! The truth table of the gate.

use super::*;
use freehold_sdk::policy::Outcome;
use freehold_sdk::test::{Host, estimate, evidence, measurement, subject};

const GOOD: Estimate = estimate(0.934, 0.91, 0.95);
const BASE: Estimate = estimate(0.4, 0.35, 0.45);

fn judge(settings: &str, evidence: &Evidence) -> Verdict {
    let settings = format!("metric = 'match'\n{settings}");
    Host::of(include_str!("../plugin.toml")).settings(settings).policy::<MetricGate>().check(evidence).unwrap()
}

fn measured(change: impl FnOnce(&mut Measurement)) -> Evidence {
    let mut facts = evidence(Stage::Promote);
    let mut one = measurement("match", BASE, GOOD);
    change(&mut one);
    facts.measurements.push(one);
    facts
}

/// Evidence with a model in production and the change against it.
fn over_production(over: Option<Estimate>) -> Evidence {
    let mut facts = measured(|one| {
        one.production = Some(estimate(0.92, 0.9, 0.94));
        one.over_production = over;
    });
    facts.production = Some(subject("tickets@3", &[]));
    facts
}

fn code(settings: &str, evidence: &Evidence) -> String {
    let verdict = judge(settings, evidence);
    assert_eq!(verdict.outcome == Outcome::Allow, verdict.code == "metric-reached", "{}", verdict.code);
    verdict.code
}

#[test]
fn bars() {
    let plain = measured(|_| {});
    let lower = measured(|one| one.higher_is_better = false);
    for (settings, evidence, expected) in [
        ("minimum = 0.9", &plain, "metric-reached"),
        ("minimum = 0.91", &plain, "metric-reached"),
        ("minimum = 0.92", &plain, "below-minimum"),
        ("minimum = 0.92\nuse = 'value'", &plain, "metric-reached"),
        ("minimum = 0.94\nuse = 'value'", &plain, "below-minimum"),
        ("maximum = 0.95", &lower, "metric-reached"),
        ("maximum = 0.94", &lower, "above-maximum"),
        ("maximum = 0.94\nuse = 'value'", &lower, "metric-reached"),
        ("minimum = 0.9\nmaximum = 0.94", &plain, "above-maximum"),
        ("", &plain, "no-bar"),
        ("minimum = 1\nuse = 'value'", &plain, "below-minimum"),
    ] {
        assert_eq!(code(settings, evidence), expected, "{settings}");
    }
}

#[test]
fn production() {
    let better = over_production(Some(estimate(0.014, 0.001, 0.03)));
    let unsure = over_production(Some(estimate(0.014, -0.01, 0.03)));
    let mut lower = over_production(Some(estimate(-0.014, -0.03, 0.01)));
    lower.measurements[0].higher_is_better = false;
    for (settings, evidence, expected) in [
        ("", &better, "metric-reached"),
        ("", &unsure, "worse-than-production"),
        ("margin = 0.01", &unsure, "metric-reached"),
        ("margin = 0.009", &unsure, "worse-than-production"),
        ("minimum = 0.99", &better, "below-minimum"),
        ("minimum = 0.5", &unsure, "worse-than-production"),
        ("margin = 0.01", &lower, "metric-reached"),
        ("", &lower, "worse-than-production"),
        ("minimum = 0.5", &over_production(None), "no-comparison"),
    ] {
        assert_eq!(code(settings, evidence), expected, "{settings}");
    }
    // Production stands in the evidence although the measurement knows nothing of it, or the other way round.
    let mut forgotten = measured(|_| {});
    forgotten.production = Some(subject("tickets@3", &[]));
    assert_eq!(code("minimum = 0.5", &forgotten), "no-comparison");
    let half = measured(|one| one.production = Some(GOOD));
    assert_eq!(code("minimum = 0.5", &half), "no-comparison");
}

#[test]
fn what_is_not_known_denies() {
    let nan = f64::NAN;
    assert_eq!(code("minimum = 0.5", &evidence(Stage::Promote)), "no-evidence");
    assert_eq!(code("minimum = 0.5", &evidence(Stage::Admit)), "wrong-stage");
    assert_eq!(code("minimum = 0.5", &measured(|one| one.metric = "other".to_owned())), "no-evidence");
    assert_eq!(code("minimum = 0.5", &measured(|one| one.rows = 29)), "too-few-rows");
    assert_eq!(code("minimum = 0.5", &measured(|one| one.rows = 30)), "metric-reached");
    let mut twice = measured(|_| {});
    twice.measurements.push(measurement("match", BASE, BASE));
    assert_eq!(code("minimum = 0.5", &twice), "ambiguous");
    for broken in [
        measured(|one| one.adapted = estimate(nan, 0.9, 1.0)),
        measured(|one| one.adapted = estimate(0.9, nan, 1.0)),
        measured(|one| one.adapted = estimate(0.9, 0.8, nan)),
        measured(|one| one.adapted = estimate(0.9, 0.8, f64::INFINITY)),
        measured(|one| one.adapted = estimate(0.9, 0.95, 0.85)),
        measured(|one| one.base = estimate(nan, nan, nan)),
        measured(|one| one.confidence = nan),
        over_production(Some(estimate(0.1, nan, 0.2))),
    ] {
        assert_eq!(code("minimum = 0.5", &broken), "not-a-number");
    }
}

#[test]
fn reasons_have_numbers() {
    let verdict = judge("minimum = 0.92", &measured(|_| {}));
    assert_eq!(
        verdict.reason,
        "match is 0.934 (0.910 to 0.950 at 95%): its low bound 0.910 is below the minimum 0.920"
    );
    assert_eq!(verdict.rests_on, ["metric:match"]);
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    for (settings, key) in [
        ("minimum = nan", "minimum"),
        ("maximum = nan", "maximum"),
        ("margin = -0.1", "margin"),
        ("margin = inf", "margin"),
        ("use = 'mean'", "use"),
        ("minimum_rows = -1", "minimum_rows"),
    ] {
        let host = Host::of(include_str!("../plugin.toml")).settings(format!("metric = 'match'\n{settings}"));
        let error = host.policy::<MetricGate>().check(&measured(|_| {})).unwrap_err();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
    let host = Host::of(include_str!("../plugin.toml")).settings("metric = ''");
    assert!(host.policy::<MetricGate>().check(&measured(|_| {})).is_err());
}

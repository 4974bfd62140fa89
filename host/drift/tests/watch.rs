//! A watch finds changes soon, cries wolf seldom, and goes on where it was killed.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_drift::simulate::{Scenario, Score, score};
use freehold_drift::{DriftError, Sample, Settings, Signal, Statistic, Values, Watch, WatchSettings};
use serde_json::json;

fn settings(seed: u64) -> WatchSettings {
    WatchSettings { compare: Settings { seed, ..Settings::default() }, ..WatchSettings::default() }
}

/// Scores of several seeds, each of so many rows and with the change after so many of them.
fn scores(scenario: Scenario, seeds: u64, rows: (usize, usize)) -> Vec<Score> {
    (0..seeds).map(|seed| score(scenario, seed, rows, &settings(seed)).unwrap()).collect()
}

/// The delays in order; the greatest number for what was not found.
fn delays(scores: &[Score], of: impl Fn(&Score) -> Option<u64>) -> Vec<u64> {
    let mut delays: Vec<u64> = scores.iter().map(|score| of(score).unwrap_or(u64::MAX)).collect();
    delays.sort_unstable();
    delays
}

#[test]
fn one_window_in_a_hundred_without_change_gives_an_alarm() {
    let still = [Scenario::None, Scenario::NoneSkewed, Scenario::NoneTied, Scenario::NoneCategories];
    for scenario in still {
        let all = scores(scenario, 15, (10_000, 10_000));
        let sum = |of: fn(&Score) -> u64| all.iter().map(of).sum::<u64>();
        let (windows, wrong, changes) =
            (sum(|score| score.windows), sum(|score| score.false_windows), sum(|score| score.false_changes));
        assert_eq!(windows, 750);
        // One in a hundred may be, and four deviations of chance.
        assert!(wrong <= 18, "{}: {wrong} of {windows}", scenario.as_str());
        assert!(changes <= 2, "{}: {changes} changes of streams in 150,000 rows", scenario.as_str());
    }
}

#[test]
fn vectors_without_change_give_few_alarms() {
    let all = scores(Scenario::NoneVectors, 2, (4_000, 4_000));
    let wrong: u64 = all.iter().map(|score| score.false_windows).sum();
    assert!(wrong <= 3, "{wrong} of 40 windows");
    assert_eq!(all.iter().map(|score| score.false_changes).sum::<u64>(), 0);
}

/// Median and greatest delay of windows, and of streams, in rows.
#[test]
fn changes_are_found_soon() {
    for (scenario, windows, streams) in [
        (Scenario::Mean, (200, 400), (256, 480)),
        (Scenario::Variance, (400, 800), (256, 480)),
        (Scenario::Mix, (200, 400), (256, 480)),
        (Scenario::Slow, (1200, 1800), (1400, 2000)),
    ] {
        let all = scores(scenario, 10, (7_000, 4_000));
        let found = delays(&all, |score| score.window_delay);
        assert!(found[5] <= windows.0 && found[9] <= windows.1, "{}: {found:?}", scenario.as_str());
        let found = delays(&all, |score| score.change_delay);
        assert!(found[5] <= streams.0 && found[9] <= streams.1, "{}: {found:?}", scenario.as_str());
    }
}

#[test]
fn changes_of_vectors_are_found_in_the_first_window() {
    for scenario in [Scenario::Vectors, Scenario::Correlation] {
        let all = scores(scenario, 2, (800, 400));
        assert_eq!(delays(&all, |score| score.window_delay), [200; 2], "{}", scenario.as_str());
    }
}

/// Rows of two kinds; all change at row 900.
fn rows(seed: u64, rows: usize) -> Sample {
    let column = |name: &str, scenario: Scenario| {
        let sample = scenario.rows(seed, rows, 900).unwrap();
        (name.to_owned(), sample.column("x").unwrap().clone())
    };
    Sample::new([column("length", Scenario::Mean), column("topic", Scenario::Mix), column("hidden", Scenario::Vectors)])
        .unwrap()
}

#[test]
fn a_watch_that_was_written_out_after_any_row_goes_on_to_the_same_signals() {
    let mut all = rows(3, 1500);
    let current = all.split_off(300);
    let start = || Watch::new(all.clone(), settings(1)).unwrap();
    let at_once = start().push(current.clone()).unwrap();
    let windows = || at_once.iter().filter(|signal| matches!(signal, Signal::Window { .. }));
    assert_eq!(windows().count(), 6);
    assert_eq!(windows().map(Signal::is_drift).collect::<Vec<_>>(), [false, false, false, true, true, true]);
    assert!(at_once.iter().any(|signal| matches!(signal, Signal::Change { row: 600.., .. })), "{at_once:?}");
    for step in [1, 7, 199, 200, 201, 450] {
        let (mut left, mut watch, mut signals) = (current.clone(), start(), Vec::new());
        while left.rows() > 0 {
            let later = left.split_off(step);
            signals.extend(watch.push(left).unwrap());
            left = later;
            // One row at a time takes long to write out.
            if step > 1 || watch.rows().is_multiple_of(97) {
                watch = serde_json::from_str(&serde_json::to_string(&watch).unwrap()).unwrap();
            }
        }
        assert_eq!(signals, at_once, "{step} rows at a time");
    }
}

#[test]
fn what_is_no_watch_is_refused_and_rows_of_another_kind_are_not_taken() {
    let reference = rows(1, 300);
    let default = WatchSettings::default();
    let few = Watch::new(rows(1, 49), default.clone()).unwrap_err();
    assert!(matches!(few, DriftError::TooFew { needed: 50, reference: 49, .. }));
    assert!(Watch::new(reference.clone(), WatchSettings { window: 49, ..default.clone() }).is_err());
    assert!(Watch::new(reference.clone(), WatchSettings { delta: 0.0, ..default.clone() }).is_err());
    assert!(Watch::new(Sample::new([]).unwrap(), default.clone()).is_err());
    let mut watch = Watch::new(reference, default).unwrap();
    let before = watch.clone();
    let other = Sample::new([("length".to_owned(), Values::Numbers(vec![1.0]))]).unwrap();
    assert!(matches!(watch.push(other), Err(DriftError::Kind { .. })));
    assert_eq!(watch, before);
    let none = Scenario::Mean.rows(1, 0, 0).unwrap();
    assert!(watch.push(none).is_err(), "even of no rows");
    assert_eq!(watch.push(rows(2, 0)).unwrap(), []);
    // What was written out by something else.
    let kept = serde_json::to_value(&watch).unwrap();
    for (place, value) in [
        ("/settings/window", json!(0)),
        ("/settings/compare/alpha", json!(7)),
        ("/reference/length/numbers", json!([1.0])),
        ("/pending", json!({})),
    ] {
        let mut other = kept.clone();
        *other.pointer_mut(place).unwrap() = value;
        assert!(serde_json::from_value::<Watch>(other).is_err(), "{place}");
    }
    assert_eq!(serde_json::from_value::<Watch>(kept).unwrap(), watch);
}

#[test]
fn sizes_alone_decide_nothing() {
    let (reference, current) = (Scenario::None.rows(1, 60, 60).unwrap(), Scenario::None.rows(2, 60, 60).unwrap());
    let settings = Settings { bins: 30, ..Settings::default() };
    let said = freehold_drift::compare(&reference, &current, &settings).unwrap();
    let psi = said.findings.iter().find(|finding| finding.statistic == Statistic::Psi).unwrap();
    assert!(psi.value > 0.1 && psi.drifted.is_none() && said.drifted.is_empty(), "{said:?}");
}

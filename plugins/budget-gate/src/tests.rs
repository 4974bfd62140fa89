use super::*;
use freehold_sdk::policy::Outcome;
use freehold_sdk::test::{Host, evidence};

const MANIFEST: &str = include_str!("../plugin.toml");

fn told(attributes: &[(&str, Value)]) -> Evidence {
    let mut facts = evidence(Stage::Promote);
    let attribute = |(key, value): &(&str, Value)| Attribute { key: (*key).to_owned(), value: value.clone() };
    facts.attributes = attributes.iter().map(attribute).collect();
    facts
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// What a run of 500 J, 20 s, 3000 tokens and 0.25 EUR says of itself, changed.
fn usual(changes: &[(&str, Option<Value>)]) -> Evidence {
    let mut attributes = vec![
        ("energy-joules", Value::Number(500.0)),
        ("energy-source", text("measured")),
        ("seconds", Value::Number(20.0)),
        ("train-tokens", Value::Integer(3000)),
        ("cost", Value::Number(0.25)),
        ("currency", text("EUR")),
        ("incomplete", Value::Boolean(false)),
    ];
    for (key, value) in changes {
        attributes.retain(|(known, _)| known != key);
        attributes.extend(value.clone().map(|value| (*key, value)));
    }
    told(&attributes)
}

fn verdict(settings: &str, facts: &Evidence) -> Verdict {
    Host::of(MANIFEST).settings(settings).policy::<BudgetGate>().check(facts).unwrap()
}

#[test]
fn truth_table() {
    let all = "joules = 500\nseconds = 20\ntokens = 3000\ncost = 0.25\ncurrency = 'EUR'";
    let joules = "joules = 500";
    let measured = "joules = 500\nsources = ['measured']";
    for (settings, changes, code) in [
        (all, vec![], "within-budget"),
        (joules, vec![], "within-budget"),
        (joules, vec![("energy-joules", Some(Value::Integer(500)))], "within-budget"),
        (joules, vec![("energy-joules", Some(Value::Number(500.1)))], "over-budget"),
        (joules, vec![("energy-joules", None)], "no-evidence"),
        (joules, vec![("energy-joules", Some(Value::Number(f64::NAN)))], "not-a-number"),
        (joules, vec![("energy-joules", Some(Value::Number(f64::NEG_INFINITY)))], "not-a-number"),
        (joules, vec![("energy-joules", Some(Value::Integer(-1)))], "not-a-number"),
        (joules, vec![("energy-joules", Some(text("1")))], "not-a-number"),
        (joules, vec![("energy-source", Some(text("estimated")))], "within-budget"),
        (joules, vec![("energy-source", Some(text("unknown")))], "source-not-accepted"),
        (joules, vec![("energy-source", Some(text("guessed")))], "source-not-accepted"),
        (joules, vec![("energy-source", None)], "no-evidence"),
        (joules, vec![("energy-source", Some(Value::Boolean(true)))], "not-a-text"),
        (measured, vec![("energy-source", Some(text("estimated")))], "source-not-accepted"),
        ("joules = 500\nsources = []", vec![], "source-not-accepted"),
        (joules, vec![("incomplete", Some(Value::Boolean(true)))], "incomplete"),
        (joules, vec![("incomplete", None)], "no-evidence"),
        (joules, vec![("incomplete", Some(text("no")))], "not-a-flag"),
        ("joules = 500\naccept_incomplete = true", vec![("incomplete", Some(Value::Boolean(true)))], "within-budget"),
        ("seconds = 19.9", vec![], "over-budget"),
        ("seconds = 20", vec![("energy-source", None), ("energy-joules", None)], "within-budget"),
        ("tokens = 2999", vec![], "over-budget"),
        ("tokens = 3000", vec![("train-tokens", None)], "no-evidence"),
        ("cost = 0.2\ncurrency = 'EUR'", vec![], "over-budget"),
        ("cost = 1\ncurrency = 'USD'", vec![], "other-currency"),
        ("cost = 1\ncurrency = 'EUR'", vec![("cost", None)], "no-evidence"),
        ("cost = 1\ncurrency = 'EUR'", vec![("currency", None)], "no-evidence"),
        ("cost = 1\ncurrency = 'EUR'", vec![("energy-source", Some(text("unknown")))], "source-not-accepted"),
        ("", vec![], "no-budget"),
        ("joules = 0", vec![("energy-joules", Some(Value::Integer(0)))], "within-budget"),
    ] {
        let verdict = verdict(settings, &usual(&changes));
        assert_eq!(verdict.code, code, "{settings} {changes:?}: {}", verdict.reason);
        assert_eq!(verdict.outcome == Outcome::Allow, code == "within-budget");
    }
    assert_eq!(verdict(joules, &told(&[])).outcome, Outcome::Deny);
    assert_eq!(verdict(joules, &evidence(Stage::Admit)).code, "wrong-stage");
    let twice =
        [("seconds", Value::Integer(1)), ("seconds", Value::Integer(99)), ("incomplete", Value::Boolean(false))];
    assert_eq!(verdict("seconds = 2", &told(&twice)).code, "ambiguous");
}

#[test]
fn a_denial_names_what_it_rests_on() {
    let over = verdict("seconds = 19", &usual(&[]));
    assert_eq!(over.rests_on, ["attribute:seconds"]);
    assert_eq!(over.reason, "seconds is 20.000 s, the maximum is 19.000 s");
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    let check =
        |settings: &str| Host::of(MANIFEST).settings(settings).policy::<BudgetGate>().check(&usual(&[])).unwrap_err();
    assert!(check("joules = -1").contains("`joules`"));
    assert!(check("cost = 1").contains("`currency`"));
    assert!(check("currency = 'EUR'").contains("`cost`"));
    assert!(check("joules = 1\nsources = ['guessed']").contains("`sources`"));
}

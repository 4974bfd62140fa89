//! Denies promotion unless what the run took is known, and is no more than it may take.

use freehold_sdk::policy::{Evidence, Policy, Stage, Verdict};
use freehold_sdk::{Attribute, AttributeValue as Value};

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    joules: Option<f64>,
    seconds: Option<f64>,
    tokens: Option<u64>,
    cost: Option<f64>,
    currency: Option<String>,
    sources: Vec<String>,
    accept_incomplete: bool,
}

/// The policy.
pub struct BudgetGate(Settings);

/// A finding against the run: code and reason.
type Denial = (&'static str, String);

/// Something that is limited: the attribute of the evidence, what it is counted in, and the maximum.
type Bar<'s> = (&'static str, &'s str, f64);

const SOURCES: [&str; 3] = ["measured", "estimated", "unknown"];

impl Policy for BudgetGate {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        for (name, maximum) in [("joules", settings.joules), ("seconds", settings.seconds), ("cost", settings.cost)] {
            if maximum.is_some_and(|maximum| !maximum.is_finite() || maximum < 0.0) {
                return Err(format!("setting `{name}` must be 0 or more; leave it out for no maximum"));
            }
        }
        if settings.cost.is_some() != settings.currency.is_some() {
            return Err("settings `cost` and `currency` go together".to_owned());
        }
        if let Some(other) = settings.sources.iter().find(|source| !SOURCES.contains(&source.as_str())) {
            return Err(format!("setting `sources`: `{other}` is none of {}", SOURCES.join(", ")));
        }
        Ok(Self(settings))
    }

    fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        let bars = self.bars();
        let rests_on: Vec<_> = bars.iter().map(|(key, ..)| format!("attribute:{key}")).collect();
        let verdict = match self.judge(evidence, &bars) {
            Ok(reason) => Verdict::allow("within-budget", reason),
            Err((code, reason)) => Verdict::deny(code, reason),
        };
        Ok(verdict.rests_on(rests_on))
    }
}

impl BudgetGate {
    fn bars(&self) -> Vec<Bar<'_>> {
        let Settings { joules, seconds, tokens, cost, currency, .. } = &self.0;
        let all = [
            ("energy-joules", "J", *joules),
            ("seconds", "s", *seconds),
            ("train-tokens", "tokens", tokens.map(|tokens| tokens as f64)),
            ("cost", currency.as_deref().unwrap_or_default(), *cost),
        ];
        all.into_iter().filter_map(|(key, unit, maximum)| Some((key, unit, maximum?))).collect()
    }

    fn judge(&self, evidence: &Evidence, bars: &[Bar<'_>]) -> Result<String, Denial> {
        if bars.is_empty() {
            return Err(("no-budget", "no maximum is set".to_owned()));
        }
        if evidence.stage == Stage::Admit {
            return Err(("wrong-stage", "what a run takes is known after it: use this gate at promote".to_owned()));
        }
        if !self.0.accept_incomplete && flag(evidence, "incomplete")? {
            let reason = "the run was interrupted, and a part of what it took may be missing".to_owned();
            return Err(("incomplete", reason));
        }
        if self.0.joules.is_some() || self.0.cost.is_some() {
            self.accepts_source(evidence)?;
        }
        if self.0.cost.is_some() {
            self.is_currency(evidence)?;
        }
        let mut findings = Vec::new();
        for (key, unit, maximum) in bars {
            let used = number(evidence, key)?;
            if used > *maximum {
                return Err(("over-budget", format!("{key} is {used:.3} {unit}, the maximum is {maximum:.3} {unit}")));
            }
            findings.push(format!("{key} {used:.3} of {maximum:.3} {unit}"));
        }
        Ok(findings.join("; "))
    }

    fn accepts_source(&self, evidence: &Evidence) -> Result<(), Denial> {
        let source = text(evidence, "energy-source")?;
        if self.0.sources.iter().any(|accepted| accepted == source) {
            return Ok(());
        }
        let accepted = if self.0.sources.is_empty() { "nothing".to_owned() } else { self.0.sources.join(", ") };
        Err(("source-not-accepted", format!("the energy is {source}; accepted is {accepted}")))
    }

    fn is_currency(&self, evidence: &Evidence) -> Result<(), Denial> {
        let (found, wanted) = (text(evidence, "currency")?, self.0.currency.as_deref().unwrap_or_default());
        if found == wanted {
            return Ok(());
        }
        Err(("other-currency", format!("the cost is in {found}, the maximum in {wanted}")))
    }
}

/// The one attribute of this name.
fn attribute<'e>(evidence: &'e Evidence, key: &str) -> Result<&'e Value, Denial> {
    let mut named = evidence.attributes.iter().filter(|attribute: &&Attribute| attribute.key == key);
    match (named.next(), named.next()) {
        (Some(attribute), None) => Ok(&attribute.value),
        (None, _) => Err(("no-evidence", format!("{key} is not known"))),
        (Some(_), Some(_)) => Err(("ambiguous", format!("{key} is given more than once"))),
    }
}

fn number(evidence: &Evidence, key: &str) -> Result<f64, Denial> {
    let number = match attribute(evidence, key)? {
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        _ => f64::NAN,
    };
    // A run that gives energy back is none that was measured.
    let sound = number.is_finite() && number >= 0.0;
    if sound { Ok(number) } else { Err(("not-a-number", format!("{key} is no number of 0 or more"))) }
}

fn text<'e>(evidence: &'e Evidence, key: &str) -> Result<&'e str, Denial> {
    match attribute(evidence, key)? {
        Value::Text(text) => Ok(text),
        _ => Err(("not-a-text", format!("{key} is no text"))),
    }
}

fn flag(evidence: &Evidence, key: &str) -> Result<bool, Denial> {
    match attribute(evidence, key)? {
        Value::Boolean(flag) => Ok(*flag),
        _ => Err(("not-a-flag", format!("{key} is neither true nor false"))),
    }
}

freehold_sdk::policy!(BudgetGate);

#[cfg(test)]
mod tests;

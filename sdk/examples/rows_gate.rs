//! A policy in one screen: denies promotion unless every metric was measured on enough rows.
//!
//! A plugin of its own would be a `cdylib`; here `main` runs it on the test harness.

use freehold_sdk::Policy;
use freehold_sdk::policy::{Evidence, Stage, Verdict};
use freehold_sdk::test::{Host, estimate, evidence, measurement};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    rows: u64,
}

struct RowsGate(Settings);

impl Policy for RowsGate {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        let Some(fewest) = evidence.measurements.iter().min_by_key(|measurement| measurement.rows) else {
            return Ok(Verdict::deny("no-evidence", "nothing was measured"));
        };
        let reason = format!("{} was measured on {} rows, {} are asked for", fewest.metric, fewest.rows, self.0.rows);
        let verdict = if fewest.rows < self.0.rows {
            Verdict::deny("too-few-rows", reason)
        } else {
            Verdict::allow("enough-rows", reason)
        };
        Ok(verdict.rests_on([format!("metric:{}", fewest.metric)]))
    }
}

freehold_sdk::policy!(RowsGate);

fn main() -> Result<(), String> {
    let mut facts = evidence(Stage::Promote);
    facts.measurements.push(measurement("match", estimate(0.4, 0.3, 0.5), estimate(0.9, 0.8, 1.0)));
    let verdict = Host::new().settings("rows = 200").policy::<RowsGate>().check(&facts)?;
    println!("{:?}: {}", verdict.outcome, verdict.reason);
    Ok(())
}

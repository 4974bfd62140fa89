//! Denies data whose residency is not on the list. What states no residency is denied, and so is everything under an
//! empty list.

use freehold_sdk::policy::{Evidence, Policy, Verdict};

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    allow: Vec<String>,
    host: String,
}

/// The policy.
pub struct ResidencyGate {
    allow: Vec<String>,
    host: Option<String>,
}

impl Policy for ResidencyGate {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let plain = |residency: &String| residency.trim().to_ascii_lowercase();
        let allow: Vec<String> = settings.allow.iter().map(plain).collect();
        if allow.iter().any(String::is_empty) {
            return Err("setting `allow` holds an empty text".to_owned());
        }
        Ok(Self { allow, host: Some(plain(&settings.host)).filter(|host| !host.is_empty()) })
    }

    fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        if self.allow.is_empty() {
            return Ok(Verdict::deny("nothing-allowed", "the list of allowed residencies is empty"));
        }
        let list = self.allow.join(", ");
        if let Some(host) = self.host.as_ref().filter(|host| !self.allow.contains(host)) {
            return Ok(Verdict::deny("host-not-allowed", format!("this host is in {host}; allowed: {list}")));
        }
        if evidence.datasets.is_empty() {
            return Ok(Verdict::deny("no-datasets", "there is no dataset whose residency could be looked at"));
        }
        let mut seen = Vec::new();
        for dataset in &evidence.datasets {
            let name = format!("dataset:{}", dataset.name);
            let residency = dataset.label("residency").map(|residency| residency.trim().to_ascii_lowercase());
            let denial = match residency {
                Some(residency) if self.allow.contains(&residency) => None,
                Some(residency) if !residency.is_empty() => {
                    Some(("residency-not-allowed", format!("must stay in {residency}; allowed: {list}")))
                }
                _ => Some(("residency-missing", "states no residency".to_owned())),
            };
            if let Some((code, reason)) = denial {
                return Ok(Verdict::deny(code, format!("dataset `{}` {reason}", dataset.name)).rests_on([name]));
            }
            seen.push(name);
        }
        Ok(Verdict::allow("residency-allowed", format!("all {} datasets are in: {list}", seen.len())).rests_on(seen))
    }
}

freehold_sdk::policy!(ResidencyGate);

#[cfg(test)]
mod tests {
    use super::*;
    use freehold_sdk::policy::{Outcome, Stage};
    use freehold_sdk::test::{Host, evidence, subject};

    fn verdict(settings: &str, datasets: &[&[(&str, &str)]]) -> Verdict {
        let mut facts = evidence(Stage::Admit);
        facts.datasets = datasets.iter().map(|labels| subject("tickets", labels)).collect();
        Host::of(include_str!("../plugin.toml")).settings(settings).policy::<ResidencyGate>().check(&facts).unwrap()
    }

    #[test]
    fn truth_table() {
        let eu: &[(&str, &str)] = &[("residency", "eu")];
        let us: &[(&str, &str)] = &[("residency", "us")];
        let upper: &[(&str, &str)] = &[("residency", " EU ")];
        let empty: &[(&str, &str)] = &[("residency", "")];
        let other: &[(&str, &str)] = &[("license", "MIT")];
        for (settings, datasets, code) in [
            ("allow = ['eu']", &[eu][..], "residency-allowed"),
            ("allow = ['eu', 'us']", &[eu, us], "residency-allowed"),
            ("allow = ['eu']", &[upper], "residency-allowed"),
            ("allow = ['eu']", &[eu, us], "residency-not-allowed"),
            ("allow = ['eu']", &[eu, other], "residency-missing"),
            ("allow = ['eu']", &[empty], "residency-missing"),
            ("allow = ['eu']", &[], "no-datasets"),
            ("allow = []", &[eu], "nothing-allowed"),
            ("allow = []", &[], "nothing-allowed"),
            ("allow = ['eu']\nhost = 'eu'", &[eu], "residency-allowed"),
            ("allow = ['eu']\nhost = 'us'", &[eu], "host-not-allowed"),
            ("allow = []\nhost = 'us'", &[eu], "nothing-allowed"),
        ] {
            let verdict = verdict(settings, datasets);
            assert_eq!(verdict.code, code, "{settings} {datasets:?}");
            assert_eq!(verdict.outcome == Outcome::Allow, code == "residency-allowed");
        }
    }

    #[test]
    fn an_empty_text_never_matches() {
        let host = Host::of(include_str!("../plugin.toml")).settings("allow = ['']");
        assert!(host.policy::<ResidencyGate>().check(&evidence(Stage::Admit)).unwrap_err().contains("`allow`"));
    }
}

//! Denies data and base models whose license is not on the list. What has no license is denied, and so is everything
//! under an empty list.

mod expression;

use freehold_sdk::policy::{Evidence, Policy, Subject, Verdict};
use std::collections::BTreeSet;

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    allow: Vec<String>,
    subjects: Vec<String>,
}

/// The policy.
pub struct LicenseGate {
    allow: BTreeSet<String>,
    datasets: bool,
    base: bool,
}

impl Policy for LicenseGate {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if let Some(other) = settings.subjects.iter().find(|subject| !["datasets", "base"].contains(&subject.as_str()))
        {
            return Err(format!("setting `subjects`: `{other}` is neither datasets nor base"));
        }
        if settings.subjects.is_empty() {
            return Err("setting `subjects` names nothing to look at".to_owned());
        }
        let looks_at = |name: &str| settings.subjects.iter().any(|subject| subject == name);
        Ok(Self {
            datasets: looks_at("datasets"),
            base: looks_at("base"),
            allow: settings.allow.iter().map(|license| license.trim().to_ascii_lowercase()).collect(),
        })
    }

    fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        if self.allow.is_empty() {
            return Ok(Verdict::deny("nothing-allowed", "the list of allowed licenses is empty"));
        }
        if self.datasets && evidence.datasets.is_empty() {
            return Ok(Verdict::deny("no-datasets", "there is no dataset whose license could be looked at"));
        }
        let mut seen = Vec::new();
        let datasets = evidence.datasets.iter().filter(|_| self.datasets).map(|subject| ("dataset", subject));
        let base = Some(("base", &evidence.base)).filter(|_| self.base);
        for (kind, subject) in datasets.chain(base) {
            let name = format!("{kind}:{}", subject.name);
            if let Err((code, reason)) = self.judge(subject) {
                return Ok(Verdict::deny(code, format!("{kind} `{}` {reason}", subject.name)).rests_on([name]));
            }
            seen.push(name);
        }
        Ok(Verdict::allow("licenses-allowed", format!("{} of {} licenses allowed", seen.len(), seen.len()))
            .rests_on(seen))
    }
}

impl LicenseGate {
    fn judge(&self, subject: &Subject) -> Result<(), (&'static str, String)> {
        let license = subject.label("license").map(str::trim).filter(|license| !license.is_empty());
        let license = license.ok_or(("license-missing", "states no license".to_owned()))?;
        match expression::is_allowed(license, &|id| self.allow.contains(&id.to_ascii_lowercase())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(("license-not-allowed", format!("is under {license}, which is not allowed"))),
            Err(error) => Err(("license-unreadable", format!("states the license `{license}`: {error}"))),
        }
    }
}

freehold_sdk::policy!(LicenseGate);

#[cfg(test)]
mod tests {
    use super::*;
    use freehold_sdk::policy::{Outcome, Stage};
    use freehold_sdk::test::{Host, evidence, subject};

    fn verdict(settings: &str, datasets: &[Option<&str>], base: Option<&str>) -> Verdict {
        let labelled = |name: &str, license: Option<&str>| {
            subject(name, &license.map(|license| ("license", license)).into_iter().collect::<Vec<_>>())
        };
        let mut facts = evidence(Stage::Admit);
        facts.base = labelled("llama", base);
        facts.datasets = datasets.iter().map(|license| labelled("tickets", *license)).collect();
        Host::of(include_str!("../plugin.toml")).settings(settings).policy::<LicenseGate>().check(&facts).unwrap()
    }

    #[test]
    fn truth_table() {
        let mit = "allow = ['MIT', 'Apache-2.0']";
        let data = "allow = ['MIT']\nsubjects = ['datasets']";
        let base = "allow = ['MIT']\nsubjects = ['base']";
        for (settings, datasets, of_base, code) in [
            (mit, &[Some("MIT")][..], Some("Apache-2.0"), "licenses-allowed"),
            (mit, &[Some("mit"), Some("Apache-2.0")], Some("MIT"), "licenses-allowed"),
            (mit, &[Some("MIT")], Some("GPL-3.0-only"), "license-not-allowed"),
            (mit, &[Some("MIT"), Some("GPL-3.0-only")], Some("MIT"), "license-not-allowed"),
            (mit, &[Some("MIT"), None], Some("MIT"), "license-missing"),
            (mit, &[Some("MIT")], None, "license-missing"),
            (mit, &[Some(" ")], Some("MIT"), "license-missing"),
            (mit, &[], Some("MIT"), "no-datasets"),
            (mit, &[Some("MIT OR GPL-2.0-only")], Some("MIT"), "licenses-allowed"),
            (mit, &[Some("MIT AND GPL-2.0-only")], Some("MIT"), "license-not-allowed"),
            (mit, &[Some("MIT AND (GPL-2.0-only OR Apache-2.0)")], Some("MIT"), "licenses-allowed"),
            (mit, &[Some("MIT OR")], Some("MIT"), "license-unreadable"),
            (data, &[Some("MIT")], None, "licenses-allowed"),
            (data, &[], Some("MIT"), "no-datasets"),
            (base, &[], Some("MIT"), "licenses-allowed"),
            ("allow = []", &[Some("MIT")], Some("MIT"), "nothing-allowed"),
            ("allow = []", &[], None, "nothing-allowed"),
        ] {
            let verdict = verdict(settings, datasets, of_base);
            assert_eq!(verdict.code, code, "{datasets:?} {of_base:?} {settings}");
            assert_eq!(verdict.outcome == Outcome::Allow, code == "licenses-allowed");
        }
    }

    #[test]
    fn a_denial_names_what_it_rests_on() {
        let verdict = verdict("allow = ['MIT']", &[Some("CC-BY-NC-4.0")], Some("MIT"));
        assert_eq!(verdict.rests_on, ["dataset:tickets"]);
        assert!(verdict.reason.contains("CC-BY-NC-4.0"));
    }

    #[test]
    fn settings_that_make_no_sense_are_errors() {
        let check = |settings: &str| {
            let host = Host::of(include_str!("../plugin.toml")).settings(settings);
            host.policy::<LicenseGate>().check(&evidence(Stage::Admit)).unwrap_err()
        };
        assert!(check("allow = ['MIT']\nsubjects = ['plugins']").contains("`subjects`"));
        assert!(check("allow = ['MIT']\nsubjects = []").contains("`subjects`"));
        assert!(check("").contains("`allow`"));
    }
}

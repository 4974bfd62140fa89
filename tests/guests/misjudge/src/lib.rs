//! A policy that does whatever a hostile policy would do: the setting `mode` says what.

use freehold_sdk::policy::{Evidence, Policy, Verdict};

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    mode: Mode,
}

/// What it does.
#[derive(serde::Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Allows.
    Allow,
    /// Denies.
    Deny,
    /// Warns.
    Warn,
    /// Panics with a message.
    Trap,
    /// Never comes back.
    Loop,
    /// Gives an error.
    Error,
}

/// The policy.
pub struct Misjudge(Mode);

impl Policy for Misjudge {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings.mode))
    }

    #[expect(clippy::panic, reason = "a trap is what the mode is for")]
    fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        match self.0 {
            Mode::Allow => Ok(Verdict::allow("misjudged", "told to allow").rests_on(["base"])),
            Mode::Deny => Ok(Verdict::deny("misjudged", "told to deny").rests_on(["base"])),
            Mode::Warn => Ok(Verdict::warn("misjudged", "told to warn").rests_on(["base"])),
            Mode::Trap => panic!("misjudge traps on run {}", evidence.run),
            Mode::Loop => forever(),
            Mode::Error => Err("misjudge was told to err".to_owned()),
        }
    }
}

fn forever() -> Result<Verdict, String> {
    let mut turns = 0u64;
    // `black_box` keeps the compiler from seeing that nothing ever comes of it.
    while std::hint::black_box(turns) < u64::MAX {
        turns = turns.wrapping_add(1) % 1_000;
    }
    Err("misjudge stopped looping".to_owned())
}

freehold_sdk::policy!(Misjudge);

#[cfg(test)]
mod tests {
    use super::Misjudge;
    use freehold_sdk::policy::{Outcome, Stage};
    use freehold_sdk::test::{Host, evidence};

    #[test]
    fn it_says_what_it_is_told() {
        let check = |mode: &str| {
            let host = Host::of(include_str!("../plugin.toml")).settings(format!("mode = '{mode}'"));
            host.policy::<Misjudge>().check(&evidence(Stage::Admit))
        };
        for (mode, outcome) in [("allow", Outcome::Allow), ("deny", Outcome::Deny), ("warn", Outcome::Warn)] {
            assert_eq!(check(mode).unwrap().outcome, outcome);
        }
        assert!(check("error").is_err());
        assert!(check("nonsense").unwrap_err().contains("`mode`"));
    }
}

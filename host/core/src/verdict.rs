//! Verdict: one policy's answer. Decision: the run's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When policies are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Before any data is touched.
    Admit,
    /// Before an adapter is promoted.
    Promote,
}

impl Stage {
    /// The name used in recipes and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Promote => "promote",
        }
    }
}

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing speaks against it.
    Allow,
    /// It may go on; people should know.
    Warn,
    /// It must not go on.
    Deny,
}

impl Outcome {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// One policy's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Verdict {
    /// What it says.
    pub outcome: Outcome,
    /// A short stable code.
    pub code: String,
    /// One sentence for people.
    pub reason: String,
    /// Names of the evidence it rests on.
    pub rests_on: Vec<String>,
}

impl Verdict {
    /// The verdict when a policy gave none: it erred, trapped, ran out of something or is missing.
    pub fn denied_for_lack_of_one(code: &str, reason: String) -> Self {
        Self { outcome: Outcome::Deny, code: code.into(), reason, rests_on: Vec::new() }
    }
}

/// The run's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The adapter may be used under its alias.
    Promoted,
    /// It may not.
    Denied,
}

impl Decision {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Denied => "denied",
        }
    }

    /// Every verdict counts, and none at all denies: no evidence, no allow.
    pub fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Self {
        let mut any = false;
        for verdict in verdicts {
            any = true;
            if verdict.outcome == Outcome::Deny {
                return Self::Denied;
            }
        }
        if any { Self::Promoted } else { Self::Denied }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_table() {
        use Outcome::{Allow, Deny, Warn};
        for (outcomes, decision) in [
            (&[][..], Decision::Denied),
            (&[Allow], Decision::Promoted),
            (&[Warn], Decision::Promoted),
            (&[Deny], Decision::Denied),
            (&[Allow, Deny], Decision::Denied),
            (&[Deny, Allow], Decision::Denied),
            (&[Allow, Warn, Allow], Decision::Promoted),
            (&[Warn, Deny], Decision::Denied),
        ] {
            let verdicts: Vec<_> = outcomes
                .iter()
                .map(|&outcome| Verdict { outcome, code: String::new(), reason: String::new(), rests_on: vec![] })
                .collect();
            assert_eq!(Decision::of(&verdicts), decision, "{outcomes:?}");
        }
    }
}

//! What a phase or a run used up: time and energy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How well the energy is known, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnergySource {
    /// Nothing says it.
    Unknown,
    /// The operator's estimate of watts, times the time.
    Estimated,
    /// Counters of the processor packages of the machine. What other processes used meanwhile is in it.
    Measured,
}

impl EnergySource {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Estimated => "estimated",
            Self::Measured => "measured",
        }
    }
}

/// What was used up. Nothing that has to be reproduced depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Spent {
    /// Seconds of wall time.
    pub seconds: f64,
    /// Joules; `None` if nothing says how many.
    pub joules: Option<f64>,
    /// How the joules are known.
    pub source: EnergySource,
    /// Whether a part may be missing: an earlier process was ended before this was recorded. What that had used is in it up to its
    /// last checkpoint, and what it used after that is not.
    pub incomplete: bool,
}

impl Spent {
    /// Of something of which nobody says what it used.
    pub const UNKNOWN: Self = Self { seconds: 0.0, joules: None, source: EnergySource::Unknown, incomplete: true };

    /// Both together, known as well as the worse known of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            joules: self.joules.zip(other.joules).map(|(some, more)| some + more),
            source: self.source.min(other.source),
            incomplete: self.incomplete || other.incomplete,
        }
    }

    /// All together; `None` of none, of which nothing is known.
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().reduce(Self::and)
    }
}

/// What a run used up until it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct RunSpent {
    /// Time and energy of all its phases up to then.
    #[serde(flatten)]
    pub spent: Spent,
    /// Tokens that were trained on; `None` if it did not come to that.
    pub train_tokens: Option<u64>,
    /// What that cost at the rates that the operator had declared; `None` if there were none or the energy that they need is not
    /// known.
    pub cost: Option<Cost>,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct Cost {
    /// How much.
    pub amount: f64,
    /// Of what, such as `EUR`.
    pub currency: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use EnergySource::{Estimated, Measured, Unknown};

    #[test]
    fn truth_table() {
        let spent = |joules, source, incomplete| Spent { seconds: 1.0, joules, source, incomplete };
        let measured = spent(Some(2.0), Measured, false);
        for (parts, sum) in [
            (&[][..], None),
            (&[measured], Some((Some(2.0), Measured, false))),
            (&[measured, measured], Some((Some(4.0), Measured, false))),
            (&[measured, spent(Some(1.0), Estimated, false)], Some((Some(3.0), Estimated, false))),
            (&[spent(None, Unknown, false), measured], Some((None, Unknown, false))),
            (
                &[measured, spent(None, Unknown, false), spent(Some(1.0), Estimated, false)],
                Some((None, Unknown, false)),
            ),
            (&[spent(Some(0.0), Measured, true), measured], Some((Some(2.0), Measured, true))),
        ] {
            let found = Spent::sum(parts.iter().copied());
            assert_eq!(found.map(|spent| (spent.joules, spent.source, spent.incomplete)), sum, "{parts:?}");
            assert_eq!(found.map(|spent| spent.seconds), sum.map(|_| parts.len() as f64));
        }
    }
}

//! The watch file: what starts a run of a recipe by itself, and what holds it back.

use std::collections::BTreeMap;

use freehold_core::toml_text::{self, TomlError, span_of};
use freehold_drift::{DriftError, Settings as DriftSettings};
use jiff::SignedDuration;
use jiff::civil::Time;
use serde::Deserialize;

/// A whole watch file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSettings {
    /// The recipe, beside this file.
    #[serde(default = "recipe")]
    pub recipe: String,
    /// Time between two looks.
    #[serde(default = "poll")]
    pub poll: SignedDuration,
    /// Least time between the end of a run and the beginning of the next.
    #[serde(default)]
    pub cool_down: SignedDuration,
    /// Hours in which no run begins, `22:00-06:00`, UTC.
    #[serde(default)]
    pub quiet: Vec<String>,
    /// What the runs may use up.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// How what is in production is trained further.
    #[serde(default)]
    pub increment: Increment,
    /// What starts a run.
    pub trigger: Vec<Trigger>,
}

/// `[budget]`: within any stretch of time of this length no run begins when this much was used up.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The stretch of time.
    #[serde(default = "day")]
    pub per: SignedDuration,
    /// Runs.
    #[serde(default)]
    pub runs: Option<u64>,
    /// Tokens that were trained on.
    #[serde(default)]
    pub tokens: Option<u64>,
    /// Seconds of training.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Joules of whole runs. Once it is not known what a run used, no other begins until that is long ago.
    #[serde(default)]
    pub joules: Option<f64>,
}

/// `[increment]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Increment {
    /// How often the mix of new and old rows is seen.
    pub epochs: f64,
    /// The part of the rows of earlier runs that is mixed in, against forgetting.
    pub replay: f64,
    /// The part of the recipe's learning rate.
    pub rate: f64,
}

impl Default for Increment {
    fn default() -> Self {
        Self { epochs: 1.0, replay: 0.3, rate: 1.0 / 3.0 }
    }
}

/// `[[trigger]]`: what starts a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// Files that come into a folder; each is a dataset of the split `train`.
    Data {
        /// Its name.
        name: String,
        /// The folder, relative to the recipe.
        folder: String,
        /// The labels of its rows.
        #[serde(default)]
        labels: BTreeMap<String, String>,
    },
    /// Rows of now that are not as those that what is in production was trained on.
    Drift(DriftTrigger),
    /// Time that passes.
    Schedule {
        /// Its name.
        name: String,
        /// From one event to the next.
        every: SignedDuration,
    },
    /// Another base model: what is in production is moved to it.
    Base {
        /// Its name.
        name: String,
        /// The model's folder, relative to the recipe.
        model: String,
        /// Its license.
        #[serde(default)]
        license: Option<String>,
    },
    /// A new trust root: keys were added, replaced or revoked.
    TrustRoot {
        /// Its name.
        name: String,
    },
    /// Whoever asks: `freehold trigger`, or a request to a server.
    Hook {
        /// Its name.
        name: String,
    },
}

/// A trigger of kind `drift`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftTrigger {
    /// Its name.
    pub name: String,
    /// The folder with the rows of now in files `*.jsonl`, relative to the recipe; captured traffic if not said.
    #[serde(default)]
    pub folder: Option<String>,
    /// How many rows are looked at, the newest: the last of the files in the order of their names.
    #[serde(default = "window")]
    pub rows: usize,
    /// Least time between two comparisons.
    #[serde(default = "hour")]
    pub every: SignedDuration,
    /// How often, at most, something is found that is not there, as a part of the comparisons.
    #[serde(default = "alpha")]
    pub alpha: f64,
}

impl DriftTrigger {
    /// How its rows are compared.
    pub(super) fn settings(&self) -> DriftSettings {
        DriftSettings { alpha: self.alpha, ..DriftSettings::default() }
    }

    fn check(&self) -> Result<(), DriftError> {
        let settings = self.settings();
        settings.check()?;
        if self.rows < settings.rows_min {
            let expected = "at least the rows that each side has to have";
            return Err(DriftError::Setting { key: "rows", found: self.rows.to_string(), expected });
        }
        Ok(())
    }
}

impl Trigger {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Data { name, .. }
            | Self::Schedule { name, .. }
            | Self::Base { name, .. }
            | Self::TrustRoot { name }
            | Self::Hook { name } => name,
            Self::Drift(drift) => &drift.name,
        }
    }
}

fn recipe() -> String {
    "freehold.toml".into()
}

fn poll() -> SignedDuration {
    SignedDuration::from_secs(30)
}

fn window() -> usize {
    1000
}

fn hour() -> SignedDuration {
    SignedDuration::from_hours(1)
}

fn alpha() -> f64 {
    DriftSettings::default().alpha
}

fn day() -> SignedDuration {
    SignedDuration::from_hours(24)
}

impl WatchSettings {
    /// Reads a watch file and checks its values.
    ///
    /// # Errors
    /// It is not TOML, has other keys, or values with which nothing can be watched.
    pub fn parse(document: &str) -> Result<Self, TomlError> {
        let settings: Self = toml_text::parse(document)?;
        let refused = |path: &[&str], message: String, remedy: &str| {
            Err(TomlError { message, span: span_of(document, path), remedy: Some(remedy.into()) })
        };
        if settings.poll < SignedDuration::from_millis(10) {
            return refused(&["poll"], format!("`poll` is {:#}", settings.poll), "write a time such as \"30s\"");
        }
        if settings.cool_down.is_negative() {
            return refused(&["cool_down"], "`cool_down` is negative".into(), "write a time such as \"6h\"");
        }
        if let Some(hours) = settings.quiet.iter().find(|hours| quiet_hours(hours).is_none()) {
            return refused(&["quiet"], format!("`quiet` has `{hours}`"), "write hours such as \"22:00-06:00\", UTC");
        }
        let Increment { epochs, replay, rate } = settings.increment;
        for (key, value, ok) in [
            ("epochs", epochs, epochs > 0.0 && epochs <= 1e6),
            ("replay", replay, (0.0..=1.0).contains(&replay)),
            ("rate", rate, rate > 0.0 && rate <= 1.0),
        ] {
            if !ok {
                let remedy = "epochs above 0, replay from 0 to 1, rate above 0 and at most 1";
                return refused(&["increment", key], format!("`increment.{key}` is {value}"), remedy);
            }
        }
        for (at, trigger) in settings.trigger.iter().enumerate() {
            let (place, name) = (at.to_string(), trigger.name());
            if !freehold_core::name::is_label(name) {
                let message = format!("a trigger is called `{name}`");
                return refused(&["trigger", &place, "name"], message, "use lowercase letters, digits and hyphens");
            }
            if settings.trigger[..at].iter().any(|other| other.name() == name) {
                let message = format!("two triggers are called `{name}`");
                return refused(&["trigger", &place, "name"], message, "give each a name of its own");
            }
            if let Trigger::Schedule { every, .. } | Trigger::Drift(DriftTrigger { every, .. }) = trigger
                && *every < SignedDuration::from_secs(1)
            {
                let message = format!("`every` of `{name}` is {every:#}");
                let remedy = "write a time of a second or more, such as \"24h\"";
                return refused(&["trigger", &place, "every"], message, remedy);
            }
            if let Trigger::Drift(drift) = trigger
                && let Err(error) = drift.check()
            {
                return refused(&["trigger", &place], format!("`{name}`: {error}"), "leave it out for the usual value");
            }
        }
        if settings.trigger.is_empty() {
            return refused(&["trigger"], "there is no `[[trigger]]`".into(), "say what starts a run");
        }
        Ok(settings)
    }

    /// Whether no run begins at this time of the day.
    pub(super) fn is_quiet(&self, time: Time) -> bool {
        self.quiet.iter().filter_map(|hours| quiet_hours(hours)).any(|(from, to)| {
            // Over midnight where it ends before it begins.
            if from <= to { from <= time && time < to } else { from <= time || time < to }
        })
    }
}

/// Begin and end of `22:00-06:00`.
fn quiet_hours(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    Some((time(from)?, time(to)?))
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;

    const FILE: &str = "[[trigger]]\nname = \"tickets\"\nkind = \"data\"\nfolder = \"inbox\"\n";

    #[test]
    fn a_watch_file_is_read_with_defaults() {
        let settings = WatchSettings::parse(FILE).unwrap();
        assert_eq!((settings.recipe.as_str(), settings.poll.as_secs(), settings.budget), ("freehold.toml", 30, None));
        let more = format!(
            "poll = \"5s\"\ncool_down = \"6h\"\nquiet = [\"22:00-06:00\"]\n[budget]\nruns = 3\n{FILE}\
             [[trigger]]\nname = \"n\"\nkind = \"schedule\"\nevery = \"24h\"\n[[trigger]]\nname = \"h\"\nkind = \"hook\"\n"
        );
        let settings = WatchSettings::parse(&more).unwrap();
        assert_eq!((settings.cool_down.as_hours(), settings.trigger.len()), (6, 3));
        for (at, quiet) in [(time(21, 59, 0, 0), false), (time(22, 0, 0, 0), true), (time(5, 59, 0, 0), true)] {
            assert_eq!(settings.is_quiet(at), quiet, "{at}");
        }
        assert!(!settings.is_quiet(time(6, 0, 0, 0)));
    }

    #[test]
    fn what_cannot_be_watched_names_its_key() {
        for (document, said) in [
            (String::new(), "trigger"),
            ("trigger = []\n".into(), "no `[[trigger]]`"),
            (format!("poll = \"0s\"\n{FILE}"), "`poll`"),
            (format!("poll = \"soon\"\n{FILE}"), "duration"),
            (format!("quiet = [\"night\"]\n{FILE}"), "night"),
            (format!("cool_down = \"-1h\"\n{FILE}"), "cool_down"),
            (format!("{FILE}{FILE}"), "two triggers"),
            (FILE.replace("tickets", "T T"), "T T"),
            (FILE.replace("\"data\"", "\"dada\""), "dada"),
            (FILE.replace("folder", "fodler"), "fodler"),
            (format!("[increment]\nreplay = 2.0\n{FILE}"), "increment.replay"),
            (format!("{FILE}[[trigger]]\nname = \"s\"\nkind = \"schedule\"\nevery = \"1ms\"\n"), "every"),
            (format!("{FILE}[[trigger]]\nname = \"d\"\nkind = \"drift\"\nevery = \"1ms\"\n"), "every"),
            (format!("{FILE}[[trigger]]\nname = \"d\"\nkind = \"drift\"\nrows = 3\n"), "rows"),
            (format!("{FILE}[[trigger]]\nname = \"d\"\nkind = \"drift\"\nalpha = 1.5\n"), "alpha"),
            (format!("{FILE}[[trigger]]\nname = \"d\"\nkind = \"drift\"\nfodler = \"x\"\n"), "fodler"),
        ] {
            let error = WatchSettings::parse(&document).unwrap_err();
            assert!(error.message.contains(said), "{document}: {}", error.message);
        }
    }
}

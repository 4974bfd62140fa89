//! Runs a plugin natively, as the host would: settings completed from the manifest, the same checks at the boundary.
//!
//! The code that is tested is the code that is compiled to WebAssembly; only the platform is played by this module.
//! What it does not test are the host's limits.

mod evidence;
pub(crate) mod manifest;
pub(crate) mod platform;

pub use evidence::{estimate, evidence, measurement, subject};
pub use platform::logged;

use crate::batch::{Batch, Column, Dialogues, Texts, Values};
use crate::bindings::transform::exports::freehold::transform::transform as raw;
use crate::instance::Instance;
use crate::policy::{Evidence, Verdict};
use crate::{AttributeValue, Metric, Policy, Transform, metric, policy, transform};
use std::collections::{BTreeMap, BTreeSet};

/// What the host gives to a plugin. The settings belong to the thread: one plugin at a time in a test.
#[derive(Clone, Debug, Default)]
pub struct Host {
    manifest: Option<&'static str>,
    settings: String,
    assets: BTreeMap<String, Vec<u8>>,
}

impl Host {
    /// A host that knows no manifest: settings have no defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A host that has read `include_str!("../plugin.toml")`: settings are checked and completed.
    #[must_use]
    pub fn of(manifest: &'static str) -> Self {
        Self { manifest: Some(manifest), ..Self::default() }
    }

    /// The settings of the recipe, in TOML.
    #[must_use]
    pub fn settings(mut self, settings: impl Into<String>) -> Self {
        self.settings = settings.into();
        self
    }

    /// Grants an asset.
    #[must_use]
    pub fn asset(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.assets.insert(name.to_owned(), bytes.into());
        self
    }

    /// A transform on this host.
    #[must_use]
    pub fn transform<P: Transform>(self) -> Transforming<P> {
        Transforming(Instance::new(), self)
    }

    /// A metric on this host.
    #[must_use]
    pub fn metric<P: Metric>(self) -> Measuring<P> {
        Measuring(Instance::new(), self)
    }

    /// A policy on this host.
    #[must_use]
    pub fn policy<P: Policy>(self) -> Judging<P> {
        Judging(Instance::new(), self)
    }

    /// Plays this host on this thread.
    fn enter(&self) -> Result<(), String> {
        platform::play(manifest::complete(self.manifest, &self.settings)?, self.assets.clone());
        Ok(())
    }
}

/// A transform under test.
pub struct Transforming<P>(Instance<P>, Host);

/// What a transform made of a whole stream.
#[derive(Debug, Default)]
pub struct Ran {
    /// What came out, call after call; the last is what `finish` gave.
    pub batches: Vec<Batch>,
    /// For every row that came out, the row it comes from.
    pub origins: Vec<u64>,
    /// Every row that was dropped, with the reason.
    pub dropped: Vec<(u64, String)>,
    /// Counts, summed over calls.
    pub counts: BTreeMap<String, i64>,
}

impl Ran {
    /// The texts of a column in everything that came out.
    #[must_use]
    pub fn texts(&self, column: &str) -> Vec<String> {
        let batches = self.batches.iter().filter_map(|batch| batch.text(column).ok());
        batches.flat_map(|texts| texts.iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

impl<P: Transform> Transforming<P> {
    /// The description: columns read, columns written, whether rows are independent.
    ///
    /// # Errors
    /// What the plugin or its settings say.
    pub fn describe(&self) -> Result<(Vec<String>, Vec<String>, bool), String> {
        self.1.enter()?;
        let description = transform::describe(&self.0)?;
        Ok((description.reads, description.writes, description.rows_independent))
    }

    /// Runs a whole stream and checks that every row is accounted for exactly as the contract asks.
    ///
    /// # Errors
    /// What the plugin or its settings say, or which row was lost.
    pub fn run(&mut self, batches: impl IntoIterator<Item = Batch>) -> Result<Ran, String> {
        self.1.enter()?;
        let (mut ran, mut given) = (Ran::default(), BTreeSet::new());
        for batch in batches {
            given.extend((batch.first_row()..).take(batch.rows()));
            ran.add(transform::process(&self.0, batch.into_raw())?)?;
        }
        ran.add(transform::finish(&self.0)?)?;
        let mut told: BTreeSet<u64> = ran.origins.iter().copied().collect();
        for (row, _) in &ran.dropped {
            if !told.insert(*row) {
                return Err(format!("row {row} is dropped twice, or dropped and kept"));
            }
        }
        match given.symmetric_difference(&told).next() {
            Some(row) => Err(format!("row {row} is not accounted for, or was never given")),
            None => Ok(ran),
        }
    }
}

impl Ran {
    fn add(&mut self, outcome: raw::Outcome) -> Result<(), String> {
        let batch = Batch::from_raw(outcome.batch)?;
        if batch.rows() != outcome.origins.len() {
            return Err(format!("{} rows but {} origins", batch.rows(), outcome.origins.len()));
        }
        self.batches.push(batch);
        self.origins.extend(outcome.origins);
        self.dropped.extend(outcome.dropped.into_iter().map(|dropped| (dropped.row, dropped.reason)));
        for count in outcome.counts {
            let AttributeValue::Integer(more) = count.value else {
                return Err(format!("count `{}` is no integer", count.key));
            };
            *self.counts.entry(count.key).or_default() += more;
        }
        Ok(())
    }
}

/// A metric under test.
pub struct Measuring<P>(Instance<P>, Host);

impl<P: Metric> Measuring<P> {
    /// Names of the statistics, and whether higher is better.
    ///
    /// # Errors
    /// What the plugin or its settings say.
    pub fn describe(&self) -> Result<(Vec<String>, bool), String> {
        self.1.enter()?;
        let description = metric::describe(&self.0)?;
        Ok((description.statistics, description.higher_is_better))
    }

    /// The statistics of rows of prediction and reference; the prompts are empty.
    ///
    /// # Errors
    /// What the plugin or its settings say.
    pub fn statistics(&self, rows: &[(&str, &str)]) -> Result<Vec<f64>, String> {
        self.1.enter()?;
        let column = |name: &str, texts: Texts| Column::new(name, Values::Text(texts));
        let batch = Batch::new(
            0,
            vec![
                column("prediction", rows.iter().map(|row| row.0).collect()),
                column("reference", rows.iter().map(|row| row.1).collect()),
                column("prompt", rows.iter().map(|_| "").collect()),
            ],
        )?;
        metric::statistics(&self.0, batch.into_raw())
    }

    /// The metric of groups of sums.
    ///
    /// # Errors
    /// What the plugin or its settings say.
    pub fn values(&self, sums: &[f64]) -> Result<Vec<f64>, String> {
        self.1.enter()?;
        metric::values(&self.0, sums)
    }

    /// The metric of all rows together.
    ///
    /// # Errors
    /// What the plugin or its settings say.
    pub fn value(&self, rows: &[(&str, &str)]) -> Result<f64, String> {
        let statistics = self.statistics(rows)?;
        let mut sums = vec![0.0; self.describe()?.0.len()];
        for row in statistics.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        Ok(self.values(&sums)?[0])
    }
}

/// A policy under test.
pub struct Judging<P>(Instance<P>, Host);

impl<P: Policy> Judging<P> {
    /// The verdict.
    ///
    /// # Errors
    /// What the plugin or its settings say.
    pub fn check(&self, evidence: &Evidence) -> Result<Verdict, String> {
        self.1.enter()?;
        policy::check(&self.0, evidence)
    }
}

/// A batch of columns; panics if they do not have the same number of rows.
#[expect(clippy::expect_used, reason = "a test that is built wrong should stop")]
pub fn batch<'a>(first_row: u64, columns: impl IntoIterator<Item = (&'a str, Values)>) -> Batch {
    let columns = columns.into_iter().map(|(name, values)| Column::new(name, values)).collect();
    Batch::new(first_row, columns).expect("columns of one length")
}

impl<const N: usize> From<[&str; N]> for Values {
    fn from(rows: [&str; N]) -> Self {
        Self::Text(rows.into_iter().collect())
    }
}

impl From<&[&str]> for Values {
    fn from(rows: &[&str]) -> Self {
        Self::Text(rows.iter().collect())
    }
}

impl From<Vec<f64>> for Values {
    fn from(rows: Vec<f64>) -> Self {
        Self::Numbers(rows)
    }
}

impl From<Vec<bool>> for Values {
    fn from(rows: Vec<bool>) -> Self {
        Self::Booleans(rows)
    }
}

impl From<Dialogues> for Values {
    fn from(rows: Dialogues) -> Self {
        Self::Dialogue(rows)
    }
}

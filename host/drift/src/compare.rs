//! A reference and current rows, descriptor by descriptor.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DriftError;
use crate::correction::Correction;
use crate::counts::{chi_squared, jensen_shannon, merge_rare, psi};
use crate::descriptor::{Sample, Values, counted};
use crate::numbers::{Bins, kolmogorov_smirnov};
use crate::test::Test;
use crate::vectors::{FOLDS_MIN, Permutations, Vectors, domain_classifier, mmd};

/// How rows are compared. The crate's documentation says why the defaults are what they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The chance of a false alarm in one comparison, all descriptors together.
    pub alpha: f64,
    /// How p-values are corrected for the number of tests.
    pub correction: Correction,
    /// Rows that each side has to have; with fewer nothing is said.
    pub rows_min: usize,
    /// Bins of numbers, for PSI and Jensen-Shannon.
    pub bins: usize,
    /// Permutations of MMD at least; more where the correction needs smaller p-values.
    pub permutations: usize,
    /// Parts of the domain classifier's cross-validation.
    pub folds: usize,
    /// Rows of a side that vectors are compared by at most; drawn where there are more.
    pub vectors_max: usize,
    /// The least distance of distribution functions (Kolmogorov-Smirnov) that matters.
    pub distance_min: f64,
    /// The least Cramér's V (chi-squared) that matters.
    pub cramers_v_min: f64,
    /// The least area under the domain classifier's ROC curve that matters.
    pub area_min: f64,
    /// Seed of what is drawn and permuted.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            alpha: 0.01,
            correction: Correction::Holm,
            rows_min: 50,
            bins: 10,
            permutations: 999,
            folds: 5,
            vectors_max: 512,
            distance_min: 0.1,
            cramers_v_min: 0.1,
            area_min: 0.55,
            seed: 0,
        }
    }
}

/// Permutations at most.
const PERMUTATIONS_MAX: usize = 100_000;

impl Settings {
    /// # Errors
    /// A setting is not possible.
    pub fn check(&self) -> Result<(), DriftError> {
        let require = |key, found: String, ok, expected| {
            if ok { Ok(()) } else { Err(DriftError::Setting { key, found, expected }) }
        };
        let part = |value: f64| (0.0..=1.0).contains(&value);
        require("alpha", self.alpha.to_string(), self.alpha > 0.0 && self.alpha < 1.0, "between 0 and 1")?;
        require("bins", self.bins.to_string(), (2..=1000).contains(&self.bins), "from 2 to 1000")?;
        let permutations = (99..=PERMUTATIONS_MAX).contains(&self.permutations);
        require("permutations", self.permutations.to_string(), permutations, "from 99 to 100000")?;
        require("folds", self.folds.to_string(), (FOLDS_MIN..=100).contains(&self.folds), "from 2 to 100")?;
        let enough = self.rows_min >= 2 * self.folds;
        require("rows_min", self.rows_min.to_string(), enough, "at least twice `folds`")?;
        let (vectors, some) = (self.vectors_max.to_string(), (2 * self.folds..=4096).contains(&self.vectors_max));
        require("vectors_max", vectors, some, "at least twice `folds`, and at most 4096")?;
        for (key, value) in
            [("distance_min", self.distance_min), ("cramers_v_min", self.cramers_v_min), ("area_min", self.area_min)]
        {
            require(key, value.to_string(), part(value), "from 0 to 1")?;
        }
        Ok(())
    }
}

/// What is computed of both sides of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The largest distance of the distribution functions.
    KolmogorovSmirnov,
    /// Pearson's test of homogeneity.
    ChiSquared,
    /// Squared maximum mean discrepancy, with permutations.
    Mmd,
    /// Area under the ROC curve of a classifier of both sides.
    DomainClassifier,
    /// Population stability index; a size, not a test.
    Psi,
    /// Jensen-Shannon distance; a size, not a test.
    JensenShannon,
}

impl Statistic {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KolmogorovSmirnov => "kolmogorov-smirnov",
            Self::ChiSquared => "chi-squared",
            Self::Mmd => "mmd",
            Self::DomainClassifier => "domain-classifier",
            Self::Psi => "psi",
            Self::JensenShannon => "jensen-shannon",
        }
    }
}

/// One statistic of one descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The descriptor.
    pub descriptor: String,
    /// The statistic.
    pub statistic: Statistic,
    /// Its value.
    pub value: f64,
    /// How large the change is, whatever the number of rows: the value itself, Cramér's V for chi-squared.
    pub size: f64,
    /// The least size that matters, if there is such.
    pub size_min: Option<f64>,
    /// The chance of a value at least as large with no change; `None` for what is no test.
    pub p: Option<f64>,
    /// The same, corrected for all tests of the comparison.
    pub corrected: Option<f64>,
    /// Whether it is a change: not by chance, and large enough to matter. `None` for what is no test.
    pub drifted: Option<bool>,
}

/// What the comparison of two samples says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Rows of the reference.
    pub reference_rows: usize,
    /// Rows that were compared with it.
    pub current_rows: usize,
    /// Whether both are enough to say anything. If not, there are no findings.
    pub enough_rows: bool,
    /// The statistics of every descriptor, by its name.
    pub findings: Vec<Finding>,
    /// The descriptors that have changed.
    pub drifted: Vec<String>,
}

/// Compares two samples with the same descriptors.
///
/// # Errors
/// Descriptors differ, or a setting is not possible.
pub fn compare(reference: &Sample, current: &Sample, settings: &Settings) -> Result<Comparison, DriftError> {
    settings.check()?;
    reference.check_like(current)?;
    let (reference_rows, current_rows) = (reference.rows(), current.rows());
    let enough_rows = reference_rows.min(current_rows) >= settings.rows_min;
    let mut comparison =
        Comparison { reference_rows, current_rows, enough_rows, findings: Vec::new(), drifted: Vec::new() };
    if !enough_rows {
        return Ok(comparison);
    }
    let permutations = permutations(reference, settings);
    for (name, values) in reference.columns() {
        let Some(other) = current.column(name) else { continue };
        comparison.findings.extend(descriptor(name, (values, other), permutations, settings)?);
    }
    judge(&mut comparison, settings);
    Ok(comparison)
}

/// With fewer, no p-value could be small enough after the correction.
fn permutations(reference: &Sample, settings: &Settings) -> Permutations {
    let tests: usize = reference.columns().map(|(_, values)| if let Values::Vectors(_) = values { 2 } else { 1 }).sum();
    let needed = (2.0 * tests as f64 / settings.alpha).ceil();
    let count = settings.permutations.max(needed.min(PERMUTATIONS_MAX as f64) as usize);
    Permutations { count, rows_max: settings.vectors_max, seed: settings.seed }
}

fn descriptor(
    name: &str,
    sides: (&Values, &Values),
    permutations: Permutations,
    settings: &Settings,
) -> Result<Vec<Finding>, DriftError> {
    let finding = |statistic, value, size, size_min, p| Finding {
        descriptor: name.to_owned(),
        statistic,
        value,
        size,
        size_min,
        p,
        corrected: None,
        drifted: None,
    };
    let test = |statistic, Test { value, p }, size_min| finding(statistic, value, value, size_min, Some(p));
    let sizes = |reference: &[u64], current: &[u64]| {
        [(Statistic::Psi, psi(reference, current)), (Statistic::JensenShannon, jensen_shannon(reference, current))]
            .map(|(statistic, value)| finding(statistic, value, value, None, None))
    };
    Ok(match sides {
        (Values::Numbers(reference), Values::Numbers(current)) => {
            let distance = kolmogorov_smirnov(reference, current)?;
            let bins = Bins::of(reference, settings.bins);
            let mut findings = vec![test(Statistic::KolmogorovSmirnov, distance, Some(settings.distance_min))];
            findings.extend(sizes(&bins.counts(reference), &bins.counts(current)));
            findings
        }
        (Values::Categories(reference), Values::Categories(current)) => {
            let (reference, current) = paired(reference, current);
            let (merged, with) = merge_rare(&reference, &current);
            let said = chi_squared(&merged, &with);
            let Test { value, p } = said.test;
            let least = Some(settings.cramers_v_min);
            let mut findings = vec![finding(Statistic::ChiSquared, value, said.cramers_v, least, Some(p))];
            findings.extend(sizes(&reference, &current));
            findings
        }
        (Values::Vectors(reference), Values::Vectors(current)) => {
            let (classified, discrepancy) = of_vectors(reference, current, permutations, settings)?;
            vec![
                test(Statistic::Mmd, discrepancy, None),
                test(Statistic::DomainClassifier, classified, Some(settings.area_min)),
            ]
        }
        // [`Sample::check_like`] has looked.
        _ => Vec::new(),
    })
}

fn of_vectors(
    reference: &Vectors,
    current: &Vectors,
    permutations: Permutations,
    settings: &Settings,
) -> Result<(Test, Test), DriftError> {
    let classifier = (settings.folds, settings.vectors_max);
    Ok((domain_classifier(reference, current, classifier, settings.seed)?, mmd(reference, current, permutations)?))
}

/// How often each category of either side occurs on both.
fn paired(reference: &[String], current: &[String]) -> (Vec<u64>, Vec<u64>) {
    let (reference, current) = (counted(reference), counted(current));
    let names: BTreeSet<&str> = reference.keys().chain(current.keys()).copied().collect();
    let of = |name: &&str| (reference.get(name).copied().unwrap_or(0), current.get(name).copied().unwrap_or(0));
    names.iter().map(of).unzip()
}

/// Corrects all p-values together, and says what has changed.
fn judge(comparison: &mut Comparison, settings: &Settings) {
    let tests = comparison.findings.iter_mut().filter(|finding| finding.p.is_some());
    let tests: Vec<&mut Finding> = tests.collect();
    let p: Vec<f64> = tests.iter().filter_map(|finding| finding.p).collect();
    let mut drifted = BTreeSet::new();
    for (finding, corrected) in tests.into_iter().zip(settings.correction.of(&p)) {
        let matters = finding.size_min.is_none_or(|least| finding.size >= least);
        let changed = corrected <= settings.alpha && matters;
        (finding.corrected, finding.drifted) = (Some(corrected), Some(changed));
        if changed {
            drifted.insert(finding.descriptor.clone());
        }
    }
    comparison.drifted = drifted.into_iter().collect();
}

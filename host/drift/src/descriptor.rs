//! Descriptors of rows: named columns of numbers, categories or vectors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::DriftError;
use crate::vectors::Vectors;

/// The values of a descriptor, one a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Values {
    /// Such as a length.
    Numbers(Vec<f64>),
    /// Such as a language.
    Categories(Vec<String>),
    /// Such as a mean hidden state.
    Vectors(Vectors),
}

impl Values {
    /// How many rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Categories(values) => values.len(),
            Self::Vectors(vectors) => vectors.rows(),
        }
    }

    fn described(&self) -> String {
        match self {
            Self::Numbers(_) => "numbers".into(),
            Self::Categories(_) => "categories".into(),
            Self::Vectors(vectors) => format!("vectors of width {}", vectors.width()),
        }
    }

    /// Whether both are of one kind and width.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numbers(_), Self::Numbers(_)) | (Self::Categories(_), Self::Categories(_)) => true,
            (Self::Vectors(a), Self::Vectors(b)) => a.width() == b.width(),
            _ => false,
        }
    }

    fn check(&self, name: &str) -> Result<(), DriftError> {
        match self {
            Self::Numbers(values) => finite(name, values),
            Self::Categories(_) => Ok(()),
            Self::Vectors(vectors) => vectors.check(name),
        }
    }

    fn append(&mut self, more: Self) {
        match (self, more) {
            (Self::Numbers(values), Self::Numbers(more)) => values.extend(more),
            (Self::Categories(values), Self::Categories(more)) => values.extend(more),
            (Self::Vectors(values), Self::Vectors(more)) => values.append(more),
            // [`Sample::append`] has looked.
            _ => {}
        }
    }

    /// Takes the rows from `at` on away.
    fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(values.split_off(at.min(values.len()))),
            Self::Categories(values) => Self::Categories(values.split_off(at.min(values.len()))),
            Self::Vectors(values) => Self::Vectors(values.split_off(at)),
        }
    }
}

/// That every value is finite.
pub(crate) fn finite(name: &str, values: &[f64]) -> Result<(), DriftError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(DriftError::NotFinite { descriptor: name.into(), row, value: values[row] }),
        None => Ok(()),
    }
}

/// How often each category occurs.
pub(crate) fn counted(categories: &[String]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for category in categories {
        *counts.entry(category.as_str()).or_default() += 1;
    }
    counts
}

/// Rows, by their descriptors. Every value is finite, and every descriptor has as many rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Values>", into = "BTreeMap<String, Values>")]
pub struct Sample {
    columns: BTreeMap<String, Values>,
}

impl TryFrom<BTreeMap<String, Values>> for Sample {
    type Error = DriftError;

    fn try_from(columns: BTreeMap<String, Values>) -> Result<Self, DriftError> {
        Self::new(columns)
    }
}

impl From<Sample> for BTreeMap<String, Values> {
    fn from(sample: Sample) -> Self {
        sample.columns
    }
}

impl Sample {
    /// # Errors
    /// Two descriptors have one name or other numbers of rows; a value is not finite.
    pub fn new(columns: impl IntoIterator<Item = (String, Values)>) -> Result<Self, DriftError> {
        let (mut sample, mut expected) = (Self { columns: BTreeMap::new() }, None);
        for (descriptor, values) in columns {
            let (rows, expected) = (values.rows(), *expected.get_or_insert(values.rows()));
            if rows != expected {
                return Err(DriftError::Rows { descriptor, rows, expected });
            }
            values.check(&descriptor)?;
            if sample.columns.contains_key(&descriptor) {
                return Err(DriftError::Twice { descriptor });
            }
            sample.columns.insert(descriptor, values);
        }
        Ok(sample)
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.columns.values().next().map_or(0, Values::rows)
    }

    /// The descriptors, by name.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &Values)> {
        self.columns.iter().map(|(name, values)| (name.as_str(), values))
    }

    /// A descriptor.
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns.get(name)
    }

    /// That the other has the same descriptors.
    pub(crate) fn check_like(&self, other: &Self) -> Result<(), DriftError> {
        let none = || "nothing".to_owned();
        for name in self.columns.keys().chain(other.columns.keys()) {
            let (here, there) = (self.columns.get(name), other.columns.get(name));
            if !here.zip(there).is_some_and(|(here, there)| here.is_like(there)) {
                return Err(DriftError::Kind {
                    descriptor: name.clone(),
                    found: there.map_or_else(none, Values::described),
                    expected: here.map_or_else(none, Values::described),
                });
            }
        }
        Ok(())
    }

    /// Appends rows with the same descriptors.
    ///
    /// # Errors
    /// The descriptors are others; nothing is appended then.
    pub fn append(&mut self, more: Self) -> Result<(), DriftError> {
        self.check_like(&more)?;
        for (name, values) in more.columns {
            if let Some(column) = self.columns.get_mut(&name) {
                column.append(values);
            }
        }
        Ok(())
    }

    /// Takes the rows from `at` on away, and gives them.
    pub fn split_off(&mut self, at: usize) -> Self {
        let columns = self.columns.iter_mut().map(|(name, values)| (name.clone(), values.split_off(at)));
        Self { columns: columns.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(name: &str, values: &[f64]) -> (String, Values) {
        (name.into(), Values::Numbers(values.to_vec()))
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        assert_eq!(Sample::new([]).unwrap().rows(), 0);
        assert_eq!(Sample::new([numbers("a", &[])]).unwrap().rows(), 0);
        let found = Sample::new([numbers("a", &[1.0, f64::NAN])]).unwrap_err();
        assert_eq!(found.to_string(), "descriptor `a`: row 1 is NaN, not a finite number");
        let found = Sample::new([numbers("a", &[f64::INFINITY])]).unwrap_err();
        assert!(matches!(found, DriftError::NotFinite { row: 0, .. }));
        let found = Sample::new([numbers("a", &[1.0]), numbers("b", &[])]).unwrap_err();
        assert!(matches!(found, DriftError::Rows { rows: 0, expected: 1, .. }));
        let found = Sample::new([numbers("a", &[1.0]), numbers("a", &[1.0])]).unwrap_err();
        assert!(matches!(found, DriftError::Twice { .. }));
        // What was kept is looked at again.
        let json = r#"{"a": {"numbers": [1.0]}, "b": {"numbers": [1.0, 2.0]}}"#;
        assert!(serde_json::from_str::<Sample>(json).is_err());
    }

    #[test]
    fn rows_are_appended_and_taken_in_order() {
        let mut sample = Sample::new([numbers("a", &[1.0, 2.0])]).unwrap();
        sample.append(Sample::new([numbers("a", &[3.0])]).unwrap()).unwrap();
        assert_eq!(sample.split_off(1), Sample::new([numbers("a", &[2.0, 3.0])]).unwrap());
        assert_eq!(sample.rows(), 1);
        assert_eq!(sample.split_off(9).rows(), 0);
        let other = Sample::new([("a".into(), Values::Categories(vec!["x".into()]))]).unwrap();
        let found = sample.append(other).unwrap_err();
        assert_eq!(found.to_string(), "descriptor `a` is categories on one side and numbers on the other");
        assert!(sample.append(Sample::new([numbers("b", &[1.0])]).unwrap()).is_err());
    }
}

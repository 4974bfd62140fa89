//! Frequencies of the rotary embedding (Su et al., arXiv 2104.09864) and how they are stretched for long contexts.
//!
//! Everything is computed in f32 in the order of transformers, so that angles are the same to the last bit or nearly so.

use serde_json::{Map, Value};

use crate::config::{Raw, unsupported};
use crate::folder::ModelError;

/// How frequencies are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scaling {
    /// Not at all.
    None,
    /// All divided by a factor.
    Linear { factor: f64 },
    /// By wavelength, as Llama 3.1 does.
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
    /// YaRN (Peng et al., arXiv 2309.00071).
    Yarn { factor: f64, attention: f64, fast: f64, slow: f64, original: f64, truncate: bool },
}

/// The rotary embedding of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rotary {
    pub(crate) theta: f64,
    pub(crate) scaling: Scaling,
}

impl Rotary {
    /// Reads either spelling: `rope_parameters`, or `rope_theta` and `rope_scaling`.
    pub(crate) fn parse(raw: &Raw) -> Result<Self, ModelError> {
        let (key, table) = match (&raw.rope_parameters, &raw.rope_scaling) {
            (Some(table), _) => ("rope_parameters", Some(table)),
            (None, table) => ("rope_scaling", table.as_ref()),
        };
        let empty = Map::new();
        let table = Table { key, table: table.unwrap_or(&empty) };
        let theta = table.optional("rope_theta")?.or(raw.rope_theta).unwrap_or(10_000.0);
        if !(theta.is_finite() && theta > 0.0) {
            return Err(unsupported("rope_theta", theta, "a positive number"));
        }
        if table.optional("partial_rotary_factor")?.or(raw.partial_rotary_factor).is_some_and(|part| part != 1.0) {
            return Err(unsupported("partial_rotary_factor", "less than 1", "1"));
        }
        Ok(Self { theta, scaling: table.scaling(raw.max_position_embeddings as f64)? })
    }

    /// The frequency of each pair of a head's elements, and what cosines and sines are multiplied with.
    pub(crate) fn frequencies(&self, head: usize) -> (Vec<f32>, f64) {
        let theta = self.theta as f32;
        let plain: Vec<f32> = (0..head / 2).map(|i| 1.0 / libm::powf(theta, (2 * i) as f32 / head as f32)).collect();
        match self.scaling {
            Scaling::None => (plain, 1.0),
            Scaling::Linear { factor } => (plain.iter().map(|f| f / factor as f32).collect(), 1.0),
            Scaling::Llama3 { factor, low, high, original } => {
                let stretch = |f: &f32| {
                    let wavelength = 2.0 * std::f32::consts::PI / f;
                    if wavelength > (original / low) as f32 {
                        f / factor as f32
                    } else if wavelength < (original / high) as f32 {
                        *f
                    } else {
                        let smooth = (original as f32 / wavelength - low as f32) / (high - low) as f32;
                        (1.0 - smooth) * f / factor as f32 + smooth * f
                    }
                };
                (plain.iter().map(stretch).collect(), 1.0)
            }
            Scaling::Yarn { factor, attention, fast, slow, original, truncate } => {
                let dimension = |rotations: f64| {
                    let turns = libm::log(original / (rotations * 2.0 * std::f64::consts::PI));
                    head as f64 * turns / (2.0 * libm::log(self.theta))
                };
                let (mut low, mut high) = (dimension(fast), dimension(slow));
                if truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                (low, high) = (low.max(0.0), high.min(head as f64 - 1.0));
                if low == high {
                    high += 0.001;
                }
                let blend = |(i, f): (usize, &f32)| {
                    let ramp = ((i as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
                    f / factor as f32 * ramp + f * (1.0 - ramp)
                };
                (plain.iter().enumerate().map(blend).collect(), attention)
            }
        }
    }
}

/// The table of the configuration, with its name for errors.
struct Table<'a> {
    key: &'static str,
    table: &'a Map<String, Value>,
}

impl Table<'_> {
    fn optional(&self, name: &str) -> Result<Option<f64>, ModelError> {
        match self.table.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64().filter(|value| value.is_finite()) {
                Some(number) => Ok(Some(number)),
                None => Err(unsupported(self.key, format!("`{name}` = {value}"), "a number there")),
            },
        }
    }

    fn positive(&self, name: &str) -> Result<f64, ModelError> {
        let found = self.optional(name)?;
        found
            .filter(|number| *number > 0.0)
            .ok_or_else(|| unsupported(self.key, format!("without a positive `{name}`"), "a positive number there"))
    }

    fn scaling(&self, positions: f64) -> Result<Scaling, ModelError> {
        let kind = self.table.get("rope_type").or_else(|| self.table.get("type"));
        match kind.and_then(Value::as_str).unwrap_or("default") {
            // `dynamic` stretches what is longer than the model's positions; nothing here is.
            "default" | "dynamic" => Ok(Scaling::None),
            "linear" => Ok(Scaling::Linear { factor: self.positive("factor")? }),
            "llama3" => {
                let (low, high) = (self.positive("low_freq_factor")?, self.positive("high_freq_factor")?);
                if low >= high {
                    return Err(unsupported(self.key, "`low_freq_factor` not below `high_freq_factor`", "one below"));
                }
                let original = self.positive("original_max_position_embeddings")?;
                Ok(Scaling::Llama3 { factor: self.positive("factor")?, low, high, original })
            }
            "yarn" => self.yarn(positions),
            other => Err(unsupported(
                self.key,
                format!("`rope_type` \"{other}\""),
                "\"default\", \"dynamic\", \"linear\", \"llama3\" or \"yarn\" there",
            )),
        }
    }

    fn yarn(&self, positions: f64) -> Result<Scaling, ModelError> {
        let original = self.optional("original_max_position_embeddings")?.unwrap_or(positions);
        let factor = match self.optional("factor")? {
            Some(_) => self.positive("factor")?,
            None => positions / original,
        };
        let scale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * libm::log(factor) + 1.0 };
        let attention = match self.optional("attention_factor")? {
            Some(given) => given,
            None => match (self.optional("mscale")?, self.optional("mscale_all_dim")?) {
                (Some(m), Some(all)) if m != 0.0 && all != 0.0 => scale(m) / scale(all),
                _ => scale(1.0),
            },
        };
        let or = |given: Option<f64>, default: f64| given.filter(|x| *x > 0.0).unwrap_or(default);
        let (fast, slow) = (or(self.optional("beta_fast")?, 32.0), or(self.optional("beta_slow")?, 1.0));
        let truncate = self.table.get("truncate").and_then(Value::as_bool).unwrap_or(true);
        if original <= 0.0 {
            return Err(unsupported(self.key, "`original_max_position_embeddings` not positive", "a positive number"));
        }
        Ok(Scaling::Yarn { factor, attention, fast, slow, original, truncate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_leaves_high_frequencies_and_divides_low_ones() {
        let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192.0 };
        let (stretched, attention) = Rotary { theta: 500_000.0, scaling }.frequencies(128);
        let (plain, _) = Rotary { theta: 500_000.0, scaling: Scaling::None }.frequencies(128);
        assert_eq!((stretched[0], attention), (plain[0], 1.0));
        assert_eq!(stretched[63], plain[63] / 8.0);
        let ratios: Vec<f32> = stretched.iter().zip(&plain).map(|(a, b)| a / b).collect();
        assert!(ratios.is_sorted_by(|a, b| a >= b), "{ratios:?}");
    }

    #[test]
    fn linear_divides_all() {
        let linear = Rotary { theta: 1e4, scaling: Scaling::Linear { factor: 4.0 } }.frequencies(8).0;
        assert_eq!(linear[0], 0.25);
    }
}

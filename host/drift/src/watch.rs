//! A watch over rows as they come: windows that are compared with a reference, and streams between them.
//!
//! Its state is plain data: written out and read again after any row, it goes on to the same signals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DriftError;
use crate::compare::{Comparison, Settings, compare};
use crate::descriptor::Sample;
use crate::stream::{Stream, StreamKind, streams};

/// How rows are watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSettings {
    /// Rows of a window.
    pub window: usize,
    /// How a window is compared.
    pub compare: Settings,
    /// The chance of a false alarm of all streams together, at each look that ADWIN takes at a window.
    pub delta: f64,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { window: 200, compare: Settings::default(), delta: 0.002 }
    }
}

/// What a watch has to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// A window is full, and was compared with the reference.
    Window {
        /// Its number, from 0.
        window: u64,
        /// Its first row, from 0.
        first_row: u64,
        /// What the comparison says.
        comparison: Comparison,
    },
    /// A stream has changed, wherever the windows begin.
    Change {
        /// The descriptor.
        descriptor: String,
        /// What of it.
        stream: StreamKind,
        /// The row, from 0, at which it was seen.
        row: u64,
    },
}

impl Signal {
    /// Whether it says that something has changed.
    pub fn is_drift(&self) -> bool {
        match self {
            Self::Window { comparison, .. } => !comparison.drifted.is_empty(),
            Self::Change { .. } => true,
        }
    }
}

/// A watch over rows with the descriptors of a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Kept")]
pub struct Watch {
    settings: WatchSettings,
    reference: Sample,
    /// Rows of the window that is not full yet.
    pending: Sample,
    streams: Vec<Stream>,
    rows: u64,
    windows: u64,
}

/// A watch as it was written out.
#[derive(Deserialize)]
struct Kept {
    settings: WatchSettings,
    reference: Sample,
    pending: Sample,
    streams: Vec<Stream>,
    rows: u64,
    windows: u64,
}

impl TryFrom<Kept> for Watch {
    type Error = DriftError;

    fn try_from(kept: Kept) -> Result<Self, DriftError> {
        let Kept { settings, reference, pending, streams, rows, windows } = kept;
        settings.check(reference.rows())?;
        reference.check_like(&pending)?;
        if pending.rows() >= settings.window || (pending.rows() as u64) > rows {
            let (found, expected) = (pending.rows().to_string(), "fewer than a window, and than all rows");
            return Err(DriftError::Setting { key: "pending", found, expected });
        }
        Ok(Self { settings, reference, pending, streams, rows, windows })
    }
}

impl WatchSettings {
    /// That a reference of so many rows can be watched with.
    fn check(&self, reference: usize) -> Result<(), DriftError> {
        self.compare.check()?;
        let (window, needed) = (self.window, self.compare.rows_min);
        if window < needed {
            let (found, expected) = (window.to_string(), "at least `rows_min`");
            return Err(DriftError::Setting { key: "window", found, expected });
        }
        if reference < needed {
            return Err(DriftError::TooFew { what: "watch", needed, reference, current: window });
        }
        Ok(())
    }
}

impl Watch {
    /// # Errors
    /// A setting is not possible, or the reference has fewer rows than a comparison needs.
    pub fn new(mut reference: Sample, settings: WatchSettings) -> Result<Self, DriftError> {
        settings.check(reference.rows())?;
        let streams = streams(&reference, settings.delta)?;
        let whole = reference.rows();
        let pending = reference.split_off(whole);
        Ok(Self { settings, reference, pending, streams, rows: 0, windows: 0 })
    }

    /// How many rows it has seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What it compares with.
    pub fn reference(&self) -> &Sample {
        &self.reference
    }

    /// Takes the next rows, any number of them; gives what there is to say, in the order of the rows.
    ///
    /// # Errors
    /// Descriptors are not those of the reference; nothing is taken then.
    pub fn push(&mut self, mut rows: Sample) -> Result<Vec<Signal>, DriftError> {
        self.reference.check_like(&rows)?;
        let mut signals = Vec::new();
        while rows.rows() > 0 {
            let later = rows.split_off(self.settings.window - self.pending.rows());
            self.follow(&rows, &mut signals)?;
            self.pending.append(rows)?;
            rows = later;
            if self.pending.rows() == self.settings.window {
                signals.push(self.close()?);
            }
        }
        Ok(signals)
    }

    /// Shows rows to the streams.
    fn follow(&mut self, rows: &Sample, signals: &mut Vec<Signal>) -> Result<(), DriftError> {
        for row in 0..rows.rows() {
            for stream in &mut self.streams {
                let Some(values) = rows.column(&stream.descriptor) else { continue };
                let Some(value) = stream.value(values, row) else { continue };
                if stream.adwin.push(value)? {
                    let (descriptor, kind) = (stream.descriptor.clone(), stream.kind.clone());
                    signals.push(Signal::Change { descriptor, stream: kind, row: self.rows });
                }
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// Compares the window, and begins the next.
    fn close(&mut self) -> Result<Signal, DriftError> {
        let window = self.pending.split_off(0);
        // Each window is permuted in another way.
        let seed = self.settings.compare.seed.wrapping_add(self.windows);
        let settings = Settings { seed, ..self.settings.compare.clone() };
        let comparison = compare(&self.reference, &window, &settings)?;
        let number = self.windows;
        self.windows += 1;
        Ok(Signal::Window { window: number, first_row: self.rows - window.rows() as u64, comparison })
    }
}

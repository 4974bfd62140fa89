//! Plugins that change data: rows go in, rows come out, and every row is accounted for.

use crate::Attribute;
use crate::batch::Batch;
use crate::bindings::transform::exports::freehold::transform::transform as raw;
use crate::instance::Instance;
use crate::settings::{self, Setting};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A plugin that changes data. Export it with [`transform!`](crate::transform!).
pub trait Transform: Sized + 'static {
    /// What the recipe can set; missing settings have the manifest's defaults.
    type Settings: DeserializeOwned;

    /// Makes the plugin.
    ///
    /// # Errors
    /// If the settings make no sense; the message should name the setting.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// What the plugin reads and writes, so that the host can plan.
    fn describe(&self) -> Description;

    /// Treats some rows. Rows may be held back until [`finish`](Self::finish).
    ///
    /// # Errors
    /// If the rows cannot be treated; the run stops.
    fn process(&mut self, batch: Batch) -> Result<Outcome, String>;

    /// Accounts for the rows that were held back.
    ///
    /// # Errors
    /// If they cannot be treated; the run stops.
    fn finish(&mut self) -> Result<Outcome, String> {
        Ok(Outcome::default())
    }
}

/// What a transform does to which columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    reads: Vec<String>,
    writes: Vec<String>,
    rows_independent: bool,
}

impl Description {
    /// Each row is treated for itself, so that the host may split the stream.
    #[must_use]
    pub const fn rows_independent() -> Self {
        Self { reads: Vec::new(), writes: Vec::new(), rows_independent: true }
    }

    /// Rows are seen together: one instance has the whole stream.
    #[must_use]
    pub const fn rows_together() -> Self {
        Self { reads: Vec::new(), writes: Vec::new(), rows_independent: false }
    }

    /// Columns that must be there.
    #[must_use]
    pub fn reads<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.reads.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Columns that are changed or added.
    #[must_use]
    pub fn writes<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.writes.extend(columns.into_iter().map(Into::into));
        self
    }
}

/// What came of some rows. The default is nothing at all: what a call gives that holds all rows back.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Outcome {
    batch: Batch,
    origins: Vec<u64>,
    dropped: Vec<(u64, String)>,
    counts: BTreeMap<String, u64>,
}

impl Outcome {
    /// Every row of the batch comes out, in order.
    #[must_use]
    pub fn all(batch: Batch) -> Self {
        let origins = (batch.first_row()..).take(batch.rows()).collect();
        Self { batch, origins, ..Self::default() }
    }

    /// Every row of the batch comes out except those for which `reason` gives a short code such as `too-short`.
    #[must_use]
    pub fn select<R: Into<String>>(batch: Batch, mut reason: impl FnMut(usize) -> Option<R>) -> Self {
        let mut kept = Vec::with_capacity(batch.rows());
        let mut dropped = Vec::new();
        for row in 0..batch.rows() {
            match reason(row) {
                None => kept.push(row),
                Some(reason) => dropped.push((batch.first_row() + row as u64, reason.into())),
            }
        }
        if dropped.is_empty() {
            return Self::all(batch);
        }
        let origins = kept.iter().map(|&row| batch.first_row() + row as u64).collect();
        Self { batch: batch.take(&kept), origins, dropped, ..Self::default() }
    }

    /// Rows that come from the rows of the stream in `origins`, for plugins that hold back, reorder or repeat rows.
    ///
    /// # Errors
    /// If there is not one origin for each row.
    pub fn from_origins(batch: Batch, origins: Vec<u64>) -> Result<Self, String> {
        if batch.rows() == origins.len() {
            Ok(Self { batch, origins, ..Self::default() })
        } else {
            Err(format!("{} rows but {} origins", batch.rows(), origins.len()))
        }
    }

    /// Says that row `row` of the stream does not come out.
    pub fn drop_row(&mut self, row: u64, reason: impl Into<String>) {
        self.dropped.push((row, reason.into()));
    }

    /// Adds to a count for the record, such as how often an address was found.
    pub fn count(&mut self, key: impl Into<String>, more: u64) {
        *self.counts.entry(key.into()).or_default() += more;
    }

    fn into_raw(self) -> raw::Outcome {
        let dropped = self.dropped.into_iter().map(|(row, reason)| raw::DroppedRow { row, reason }).collect();
        let counts = self.counts.into_iter().map(|(key, count)| Attribute::integer(key, count.cast_signed())).collect();
        raw::Outcome { batch: self.batch.into_raw(), origins: self.origins, dropped, counts }
    }
}

fn make<P: Transform>(given: Vec<Setting>) -> Result<P, String> {
    P::new(settings::parse(given)?)
}

/// The export `describe`.
#[doc(hidden)]
pub fn describe<P: Transform>(instance: &Instance<P>) -> Result<raw::Description, String> {
    instance.with(make, |plugin| {
        let Description { reads, writes, rows_independent } = plugin.describe();
        Ok(raw::Description { reads, writes, rows_independent })
    })
}

/// The export `process`.
#[doc(hidden)]
pub fn process<P: Transform>(instance: &Instance<P>, batch: crate::bindings::RawBatch) -> Result<raw::Outcome, String> {
    instance.with(make, |plugin| Ok(plugin.process(Batch::from_raw(batch)?)?.into_raw()))
}

/// The export `finish`.
#[doc(hidden)]
pub fn finish<P: Transform>(instance: &Instance<P>) -> Result<raw::Outcome, String> {
    instance.with(make, |plugin| Ok(plugin.finish()?.into_raw()))
}

/// Exports a [`Transform`] to the host.
#[macro_export]
macro_rules! transform {
    ($plugin:ty) => {
        const _: () = {
            use $crate::bindings::transform::exports::freehold::transform::transform as world;
            ::std::thread_local! {
                static INSTANCE: $crate::instance::Instance<$plugin> = const { $crate::instance::Instance::new() };
            }
            struct Exported;
            impl world::Guest for Exported {
                fn describe() -> Result<world::Description, String> {
                    INSTANCE.with($crate::transform::describe)
                }
                fn process(batch: world::Batch) -> Result<world::Outcome, String> {
                    INSTANCE.with(|instance| $crate::transform::process(instance, batch))
                }
                fn finish() -> Result<world::Outcome, String> {
                    INSTANCE.with($crate::transform::finish)
                }
            }
            $crate::export_transform_for_wasm!(Exported);
        };
    };
}

/// Exports a type that implements the generated `Guest` trait itself.
#[cfg(target_family = "wasm")]
#[macro_export]
macro_rules! export_transform_for_wasm {
    ($exported:ident) => {
        $crate::bindings::transform::export_transform!($exported with_types_in $crate::bindings::transform);
    };
}

/// Exports nothing: natively the type is called, not linked.
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! export_transform_for_wasm {
    ($exported:ident) => {
        const _: ::std::marker::PhantomData<$exported> = ::std::marker::PhantomData;
    };
}

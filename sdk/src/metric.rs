//! Plugins that measure: statistics of every row, and a value for sums of them.

use crate::batch::{Batch, Column, Texts};
use crate::bindings::metric::exports::freehold::metric::metric as raw;
use crate::instance::Instance;
use crate::settings::{self, Setting};
use serde::de::DeserializeOwned;

/// A plugin that measures. Export it with [`metric!`](crate::metric!).
///
/// The metric of any set of rows is a function of the sums of their statistics, so that the host can merge machines and
/// resample rows without asking again. The batches and groups of the contract are handled here.
pub trait Metric: Sized + 'static {
    /// What the recipe can set; missing settings have the manifest's defaults.
    type Settings: DeserializeOwned;

    /// Makes the plugin.
    ///
    /// # Errors
    /// If the settings make no sense; the message should name the setting.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// The statistics of a row and the direction.
    fn describe(&self) -> Description;

    /// The statistics of one row, to be written into `statistics`: zeros, one for each that `describe` names. A text
    /// without a value reads as empty.
    fn row(&self, prediction: &str, reference: &str, prompt: &str, statistics: &mut [f64]);

    /// The metric for sums of statistics. For no rows, when all sums are 0, it must be a number too, 0 by custom: the
    /// number of rows is told apart. What is not finite is an error, not a measurement.
    fn value(&self, sums: &[f64]) -> f64;
}

/// What a metric counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    statistics: Vec<String>,
    higher_is_better: bool,
}

impl Description {
    /// More is better.
    pub fn higher_is_better<S: Into<String>>(statistics: impl IntoIterator<Item = S>) -> Self {
        Self { statistics: statistics.into_iter().map(Into::into).collect(), higher_is_better: true }
    }

    /// Less is better.
    pub fn lower_is_better<S: Into<String>>(statistics: impl IntoIterator<Item = S>) -> Self {
        Self { higher_is_better: false, ..Self::higher_is_better(statistics) }
    }
}

fn make<P: Metric>(given: Vec<Setting>) -> Result<P, String> {
    P::new(settings::parse(given)?)
}

/// The export `describe`.
#[doc(hidden)]
pub fn describe<P: Metric>(instance: &Instance<P>) -> Result<raw::Description, String> {
    instance.with(make, |plugin| {
        let Description { statistics, higher_is_better } = plugin.describe();
        Ok(raw::Description { statistics, higher_is_better })
    })
}

/// The export `statistics`.
#[doc(hidden)]
pub fn statistics<P: Metric>(instance: &Instance<P>, batch: crate::bindings::RawBatch) -> Result<Vec<f64>, String> {
    instance.with(make, |plugin: &mut P| {
        let batch = Batch::from_raw(batch)?;
        let texts = |name| Ok::<_, String>((batch.column(name)?, batch.text(name)?));
        let (predictions, references, prompts) = (texts("prediction")?, texts("reference")?, texts("prompt")?);
        let names = plugin.describe().statistics;
        let width = names.len();
        let mut statistics = vec![0.0; batch.rows() * width];
        for row in 0..batch.rows() {
            let own = &mut statistics[row * width..(row + 1) * width];
            plugin.row(read(predictions, row), read(references, row), read(prompts, row), own);
            if let Some(at) = own.iter().position(|number| !number.is_finite()) {
                let row = batch.first_row() + row as u64;
                return Err(format!("row {row}: the statistic `{}` is {}", names[at], not_finite(own[at])));
            }
        }
        Ok(statistics)
    })
}

fn read<'a>((column, texts): (&Column, &'a Texts), row: usize) -> &'a str {
    if column.is_null(row) { "" } else { texts.get(row) }
}

/// The export `values`.
#[doc(hidden)]
pub fn values<P: Metric>(instance: &Instance<P>, sums: &[f64]) -> Result<Vec<f64>, String> {
    instance.with(make, |plugin: &mut P| {
        let width = plugin.describe().statistics.len();
        if width == 0 || !sums.len().is_multiple_of(width) {
            return Err(format!("{} sums are not groups of {width}", sums.len()));
        }
        sums.chunks_exact(width)
            .enumerate()
            .map(|(at, group)| match plugin.value(group) {
                value if value.is_finite() => Ok(value),
                value => Err(format!("the value of group {at} of sums is {}", not_finite(value))),
            })
            .collect()
    })
}

/// In words: what prints numbers would be a fifth of a small plugin.
fn not_finite(number: f64) -> &'static str {
    if number.is_nan() { "not a number" } else { "infinite" }
}

/// Exports a [`Metric`] to the host.
#[macro_export]
macro_rules! metric {
    ($plugin:ty) => {
        const _: () = {
            use $crate::bindings::metric::exports::freehold::metric::metric as world;
            ::std::thread_local! {
                static INSTANCE: $crate::instance::Instance<$plugin> = const { $crate::instance::Instance::new() };
            }
            struct Exported;
            impl world::Guest for Exported {
                fn describe() -> Result<world::Description, String> {
                    INSTANCE.with($crate::metric::describe)
                }
                fn statistics(batch: world::Batch) -> Result<Vec<f64>, String> {
                    INSTANCE.with(|instance| $crate::metric::statistics(instance, batch))
                }
                fn values(sums: Vec<f64>) -> Result<Vec<f64>, String> {
                    INSTANCE.with(|instance| $crate::metric::values(instance, &sums))
                }
            }
            $crate::export_metric_for_wasm!(Exported);
        };
    };
}

/// Exports a type that implements the generated `Guest` trait itself.
#[cfg(target_family = "wasm")]
#[macro_export]
macro_rules! export_metric_for_wasm {
    ($exported:ident) => {
        $crate::bindings::metric::export_metric!($exported with_types_in $crate::bindings::metric);
    };
}

/// Exports nothing: natively the type is called, not linked.
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! export_metric_for_wasm {
    ($exported:ident) => {
        const _: ::std::marker::PhantomData<$exported> = ::std::marker::PhantomData;
    };
}

//! Whether new rows are as those before: descriptors of rows in, statistics and answers out.
//!
//! Pure arithmetic: no files, no clock, no threads. Everything random is a function of a seed, and functions that the system's
//! library would compute differently are those of libm, so that the same rows give the same bits on every machine.
//!
//! # What decides
//!
//! Every descriptor has tests, and sizes beside them. A test says *drifted* if its corrected p-value is at most `alpha` and
//! the change is large enough to matter. Sizes (PSI, Jensen-Shannon) are reported and decide nothing: with no change PSI is about
//! `(bins - 1) (1/n + 1/m)`, so that an alert at 0.1 fires by chance alone on windows of 100 rows, and never means anything on
//! windows of 100,000.
//!
//! | descriptor | tests | sizes |
//! |---|---|---|
//! | numbers | Kolmogorov-Smirnov, exact with ties | PSI, Jensen-Shannon, on bins of the reference |
//! | categories | chi-squared, rare ones together | PSI, Jensen-Shannon |
//! | vectors | MMD with permutations, domain classifier | |
//!
//! # Why the defaults are what they are
//!
//! `alpha` 0.01 with Holm's correction: about one window in a hundred gives a false alarm, or fewer, however many descriptors there
//! are and whatever they have to do with each other. That holds because of the p-values: Kolmogorov-Smirnov and MMD are exact,
//! chi-squared has no rare categories, the classifier errs to the safe side. Tests on generated streams keep it.
//! `distance_min` and `cramers_v_min` 0.1, `area_min` 0.55: what a hundred thousand rows show with certainty may be too small for
//! anyone to act on. A normal number that moves by a quarter of its deviation has a distance of 0.1. `rows_min` 50: with fewer,
//! only changes show that nobody needs a test for. A window of 200 rows finds a mean that moved by half a deviation as soon as it is
//! full, and a deviation that grew by half in the first or second window. ADWIN's `delta` 0.002 is the paper's; it is divided by
//! the number of streams.

mod adwin;
mod compare;
mod correction;
mod counts;
mod descriptor;
mod error;
mod numbers;
mod random;
mod reservoir;
mod special;
mod stream;
mod test;
mod vectors;
mod watch;

pub mod simulate;

pub use adwin::Adwin;
pub use compare::{Comparison, Finding, Settings, Statistic, compare};
pub use correction::{Correction, benjamini_hochberg, holm};
pub use counts::{ChiSquared, chi_squared, jensen_shannon, merge_rare, psi};
pub use descriptor::{Sample, Values};
pub use error::DriftError;
pub use numbers::{Bins, kolmogorov_smirnov};
pub use reservoir::Reservoir;
pub use stream::StreamKind;
pub use test::Test;
pub use vectors::{FOLDS_MIN, Permutations, Projection, Vectors, domain_classifier, mmd};
pub use watch::{Signal, Watch, WatchSettings};

//! Statistics of numbers.

mod bins;
mod smirnov;

pub use bins::Bins;
pub use smirnov::kolmogorov_smirnov;

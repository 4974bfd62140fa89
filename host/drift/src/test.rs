//! What a test says.

use serde::{Deserialize, Serialize};

/// The value of a statistic, and the chance of one at least as large where nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// The statistic.
    pub value: f64,
    /// The p-value.
    pub p: f64,
}

//! What cannot be compared.

/// Rows, or how they are to be compared, are not what they have to be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DriftError {
    /// A value is NaN or infinite.
    #[error("descriptor `{descriptor}`: row {row} is {value}, not a finite number")]
    NotFinite {
        /// The descriptor.
        descriptor: String,
        /// The row, from 0.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A descriptor has more or fewer rows than the first.
    #[error("descriptor `{descriptor}` has {rows} rows; those before it have {expected}")]
    Rows {
        /// The descriptor.
        descriptor: String,
        /// Its rows.
        rows: usize,
        /// Those of the first descriptor.
        expected: usize,
    },
    /// Two descriptors have one name.
    #[error("two descriptors are called `{descriptor}`")]
    Twice {
        /// The name.
        descriptor: String,
    },
    /// Vectors have no width, or their values do not come out even.
    #[error("descriptor `{descriptor}`: {values} values are no vectors of width {width}")]
    Width {
        /// The descriptor.
        descriptor: String,
        /// Values of all rows together.
        values: usize,
        /// Values of one row.
        width: usize,
    },
    /// Both sides of a comparison have to have the same descriptors.
    #[error("descriptor `{descriptor}` is {found} on one side and {expected} on the other")]
    Kind {
        /// The descriptor.
        descriptor: String,
        /// What it is here.
        found: String,
        /// What it is there.
        expected: String,
    },
    /// A test has nothing to work with.
    #[error("{what}: both sides need at least {needed} rows; there are {reference} and {current}")]
    TooFew {
        /// What was asked for.
        what: &'static str,
        /// The least that would do.
        needed: usize,
        /// Rows of the reference.
        reference: usize,
        /// Rows that are compared with it.
        current: usize,
    },
    /// A setting is not possible.
    #[error("`{key}` is {found}; it has to be {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
}

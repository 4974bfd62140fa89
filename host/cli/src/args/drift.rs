//! `freehold drift`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum DriftCommand {
    /// Say whether the rows of a file are as those that a run was trained on
    ///
    /// They go through the transforms of the run, in the versions that it was locked to. Both sides are then described by
    /// length, perplexity and mean hidden state under the base model, and by the `[[descriptor]]` plugins of the recipe, and
    /// compared. Nothing is recorded. The exit code is 0 whatever the answer is.
    Report(DriftArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DriftArguments {
    /// The recipe
    #[arg(default_value = "freehold.toml", value_name = "RECIPE")]
    pub(crate) recipe: PathBuf,
    /// The rows of now: JSON Lines, Parquet or Arrow, with the columns of what the run was trained on
    #[arg(long, value_name = "FILE")]
    pub(crate) current: PathBuf,
    /// Compare with what this alias, run or adapter was trained on; what the recipe's alias names if not said
    #[arg(long, value_name = "ALIAS|RUN")]
    pub(crate) model: Option<String>,
    /// Write a page with the distributions side by side
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Rows of a side at most; drawn where there are more
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub(crate) rows: usize,
    /// The chance of a false alarm, all descriptors together
    #[arg(long, default_value_t = 0.01, value_name = "CHANCE")]
    pub(crate) alpha: f64,
    /// How p-values are corrected for the number of tests
    #[arg(long, value_enum, default_value_t = CorrectionName::Holm, value_name = "NAME")]
    pub(crate) correction: CorrectionName,
    /// Seed of what is drawn and permuted
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many threads the engine and each transform may use; all of the machine if not said
    #[arg(long, value_name = "COUNT", value_parser = super::parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Let the recipe name paths below this folder as well; may be repeated
    #[arg(long = "root", value_name = "FOLDER")]
    pub(crate) roots: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CorrectionName {
    /// Bounds the chance that any test errs
    Holm,
    /// Bounds the part of findings that are wrong
    BenjaminiHochberg,
    /// As they are
    None,
}

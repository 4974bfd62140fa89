//! `freehold audit`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List all runs
    List,
    /// Show a run: plugins, metrics, verdicts, statements
    Show {
        /// The run
        run: String,
    },
    /// Verify trust roots, ledger, statements and blobs, offline
    Verify {
        /// Verify the statements of this run only; files are always verified
        run: Option<String>,
        /// A public key in PEM that has to have signed the first trust root, as you were told by other means
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// A checkpoint of this ledger that you kept: what it covers has to be there still. May be repeated
        #[arg(long = "checkpoint", value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
    },
    /// Write what a run left in a format of other tools, to stdout or to a file
    ///
    /// Records are verified while they are read, and a document says nothing that is not in them. What is signed is signed with
    /// a P-256 key (`freehold key new NAME --p256`): those tools know no Ed25519, and nothing here trusts that key.
    Export {
        /// The run
        run: String,
        /// The format
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// The P-256 key to sign with; not needed if the home has one only
        #[arg(long, value_name = "NAME")]
        key: Option<String>,
        /// The file to write, whole or not at all; stdout if not said
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the ledger's newest checkpoint, its signed tree head: what witnesses sign, and a copy to keep
    Checkpoint {
        /// The newest one that witnesses cosigned
        #[arg(long)]
        witnessed: bool,
    },
    /// Keep a checkpoint that witnesses cosigned
    ///
    /// Several files may each bring some of the cosignatures, all of one checkpoint. As many witnesses have to have cosigned
    /// it as the trust root asks for.
    Witness {
        /// The cosigned checkpoint, as signed notes
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Formats of other tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// SLSA provenance of the adapter in a Sigstore bundle
    Sigstore,
    /// The verdicts as a SLSA verification summary in a Sigstore bundle
    Vsa,
    /// A signature of the adapter's folder, for OpenSSF's `model_signing verify key`
    Oms,
    /// A bill of materials with a model card: CycloneDX 1.6, JSON
    Cyclonedx,
    /// Metrics and verdicts as a table for spreadsheets
    Csv,
}

impl ExportFormat {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sigstore => "sigstore",
            Self::Vsa => "vsa",
            Self::Oms => "oms",
            Self::Cyclonedx => "cyclonedx",
            Self::Csv => "csv",
        }
    }

    /// Whether its documents are JSON.
    pub(crate) fn is_json(self) -> bool {
        self != Self::Csv
    }
}

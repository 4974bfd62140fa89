//! `freehold audit`

use std::path::PathBuf;

use clap::Subcommand;

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

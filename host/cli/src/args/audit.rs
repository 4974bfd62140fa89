//! `freehold audit`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use freehold_core::name::{Alias, PluginName};
use freehold_workflow::audit::Moment;
use semver::Version;

/// Everything is answered offline, from the ledger and the store of the home; every statement is verified when it is read.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List runs, newest first
    List(ListArguments),
    /// Show a run: plugins, metrics, verdicts, statements
    Show {
        /// The run
        run: String,
    },
    /// Say who trained a model on what, with which plugins and policies, who signed and approved it, and where it was used
    Explain {
        /// An alias, a run, or an adapter by its digest or the beginning of it
        model: String,
    },
    /// Say who approved a model, and whether they are enough; exit code 4 if not
    Approvals {
        /// An alias, a run, or an adapter by its digest
        model: String,
        /// How many different keys have to have approved it; the threshold of role approver if not said
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        require: Option<u32>,
        /// Do not count keys that signed records of the run
        #[arg(long, value_enum, value_name = "WHO")]
        distinct_from: Option<Other>,
    },
    /// Say how two runs or models differ: base, data, plugins, settings, metrics, verdicts, signers
    Diff {
        /// An alias, a run, or an adapter by its digest
        before: String,
        /// What it is compared with
        after: String,
    },
    /// Say which runs a plugin, a key or a file touched, what of that is in production first
    #[command(subcommand)]
    Impact(ImpactCommand),
    /// Make the index of the records anew, by which runs are found
    ///
    /// It is made and brought up to date by itself, is no part of the evidence and says only where to look: what is shown is
    /// read from the ledger and the store, and verified. One that was changed is not used.
    Index,
    /// Print the JSON Schema (2020-12) of what a question answers with `--json`; without a question, list them
    Schema {
        /// The question, such as list, show or verify
        question: Option<String>,
    },
    /// Say what an alias named, and when
    History {
        /// The alias
        alias: Alias,
        /// Only what it named then: a day in UTC, such as 2026-11-24, or a moment, such as 2026-11-24T09:30:00Z
        #[arg(long, value_name = "DATE")]
        at: Option<Moment>,
    },
    /// Run every metric and policy of a run again from what was recorded, and compare byte for byte; exit code 4 if one differs
    Replay {
        /// The run
        run: String,
        /// A file that a plugin of the run was granted; may be repeated. Records keep only their digests
        #[arg(long = "asset", value_name = "FILE")]
        assets: Vec<PathBuf>,
    },
    /// Verify trust roots, ledger, statements and blobs, offline; or a pack, for which no home is needed
    Verify(VerifyArguments),
    /// Write what a run left in one file, to stdout or to a file: for a stranger (pack), or in a format of other tools
    ///
    /// Records are verified while they are read, and a document says nothing that is not in them. What is signed is signed with
    /// a P-256 key (`freehold key new NAME --p256`): those tools know no Ed25519, and nothing here trusts that key. A pack is
    /// not signed as a whole: all in it that counts is signed already.
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
        #[command(flatten)]
        pack: PackArguments,
    },
    /// Hold frameworks such as the EU AI Act against a run: what its records answer, and what is missing
    ///
    /// A profile maps the items of a framework to kinds of evidence. It says whether that evidence is in the records, not
    /// whether it is good enough, and is no legal advice. What records cannot answer is for you to write. Without a run, the
    /// profiles are listed.
    Profile(ProfileArguments),
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

#[derive(Debug, Args)]
pub(crate) struct ProfileArguments {
    /// The run
    pub(crate) run: Option<String>,
    /// A profile by name, or a file of your own, with its folder or its ending .toml; may be repeated. All if not said
    #[arg(long = "profile", value_name = "NAME|FILE", requires = "run")]
    pub(crate) profiles: Vec<String>,
    /// End with exit code 4 if evidence is missing that an item names; what is for you to write does not count
    #[arg(long, requires = "run")]
    pub(crate) require_evidence: bool,
    /// List the kinds of evidence that a profile can name
    #[arg(long, conflicts_with = "run")]
    pub(crate) vocabulary: bool,
}

/// `freehold audit verify`
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// A run, whose statements alone are looked at beside all files; or a pack, a file whose path has a `.` or a `/`, as no
    /// name of a run has
    #[arg(value_name = "RUN|PACK")]
    pub(crate) what: Option<String>,
    /// A public key in PEM that has to have signed the first trust root, as you were told by other means. Without it, whose
    /// trust root it is is the word of the home or pack
    #[arg(long, value_name = "FILE")]
    pub(crate) root_key: Option<PathBuf>,
    /// A checkpoint of this ledger that you kept: what it covers has to be there still. May be repeated
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub(crate) checkpoints: Vec<PathBuf>,
    /// Also show that what policies were asked with at the end was in the ledger before anything was measured
    #[arg(long)]
    pub(crate) preregistered: bool,
    /// Nothing here ever uses a network; for scripts that want it said
    #[arg(long)]
    pub(crate) offline: bool,
}

/// What a pack is to hold.
#[derive(Debug, Args)]
pub(crate) struct PackArguments {
    /// Only for a pack: what it is to hold besides. What is left out is still named by its digest
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) with: Vec<PackExtra>,
    /// Only for a pack: the entries of the ledger that it is to hold; all if they are at most 1024, else those of the run
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) entries: Option<PackEntries>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackExtra {
    /// The weights of the adapter or model
    Weights,
    /// The rows that were trained and measured on, what became of each, tokens and answers
    Data,
    /// The components of plugins
    Plugins,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackEntries {
    /// Every entry: shows that no other concerns the run, and names every run of the home
    All,
    /// Those that concern the run: others stay untold, and so does whether there are others
    Run,
}

/// `freehold approve`
#[derive(Debug, Args)]
pub(crate) struct ApproveArguments {
    /// The run
    pub(crate) run: String,
    /// The approver's key: one of the home by name, or a file with a secret key in PEM
    #[arg(long)]
    pub(crate) key: String,
    /// What the approver says
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Runs of the recipe of this name, of what an alias names, or the run itself
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Runs that used this plugin: publisher/name or publisher/name@version
    #[arg(long, value_name = "PLUGIN", value_parser = parse_plugin)]
    pub(crate) plugin: Option<NamedPlugin>,
    /// Runs with this decision
    #[arg(long, value_enum)]
    pub(crate) verdict: Option<Decided>,
    /// Runs that began then or later: a day in UTC or a moment
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<Moment>,
    /// Runs that began before or on this day
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<Moment>,
    /// How many at most, 0 for all; if not said, 50 on a page and all with --json
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// A plugin in one version or in all.
pub(crate) type NamedPlugin = (PluginName, Option<Version>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decided {
    /// Every policy allowed it
    Promoted,
    /// A policy denied it, or none allowed it
    Denied,
    /// It has no decision
    Unfinished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Other {
    /// Whoever signed records of the run
    Trainer,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImpactCommand {
    /// Runs that used a plugin
    Plugin {
        /// publisher/name or publisher/name@version
        #[arg(value_parser = parse_plugin)]
        plugin: NamedPlugin,
        #[command(flatten)]
        which: Which,
    },
    /// Runs that used a plugin which a key signed, or whose records or approvals it signed
    Key {
        /// The key: 64 hexadecimal digits, or one of the home by name
        key: String,
        #[command(flatten)]
        which: Which,
    },
    /// Runs that read a file
    Data {
        /// The file's digest, sha256:...
        digest: freehold_core::digest::Digest,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only runs that began then or later: a day in UTC or a moment
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<Moment>,
    /// How many at most, 0 for all; if not said, 50 on a page and all with --json
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

fn parse_plugin(text: &str) -> Result<NamedPlugin, String> {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version.parse().map_err(|error| format!("`{version}`: {error}"))?)),
        None => (text, None),
    };
    Ok((name.parse().map_err(|error: freehold_core::name::NameError| error.to_string())?, version))
}

/// Formats of what leaves the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One file that a machine with nothing but this command and your public root key verifies: `freehold audit verify FILE`
    Pack,
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
    /// One self-contained page for people, with charts, to read and to print
    Html,
}

impl ExportFormat {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Sigstore => "sigstore",
            Self::Vsa => "vsa",
            Self::Oms => "oms",
            Self::Cyclonedx => "cyclonedx",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }

    /// Whether its documents are JSON.
    pub(crate) fn is_json(self) -> bool {
        !matches!(self, Self::Csv | Self::Html | Self::Pack)
    }
}

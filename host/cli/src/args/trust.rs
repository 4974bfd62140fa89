//! `freehold trust`

use clap::{Args, Subcommand, ValueEnum};
use freehold_core::name::NamePattern;
use jiff::Timestamp;

/// Every command but init and show makes the next version of the trust root, signed by keys in role root.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Make a home with its first trust root; the same as `freehold init`
    Init,
    /// Let a key publish plugins of some names, give it a role, or name it as a witness
    Add {
        /// A key of the home by name or id, or a file with a public key in PEM
        #[arg(long)]
        key: String,
        /// Names that it may publish: publisher/name, publisher/* or *; may be repeated
        #[arg(long, required_unless_present_any = ["role", "witness"])]
        names: Vec<NamePattern>,
        /// The role that it gets
        #[arg(long, value_enum, conflicts_with = "names")]
        role: Option<RoleName>,
        /// The name under which it cosigns checkpoints of the ledger, as a witness
        #[arg(long, value_name = "NAME", conflicts_with_all = ["names", "role"])]
        witness: Option<String>,
        /// How many witnesses have to cosign a checkpoint from now on; 0 asks for none
        #[arg(long, requires = "witness", value_name = "N")]
        quorum: Option<usize>,
        /// How many keys of the role have to sign from now on
        #[arg(long, requires = "role", value_name = "N")]
        threshold: Option<usize>,
        /// What it signed before does not count
        #[arg(long, value_name = "TIME")]
        valid_from: Option<Timestamp>,
        /// What it signs from then on does not count
        #[arg(long, value_name = "TIME")]
        valid_until: Option<Timestamp>,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Take a key out of a role, names from a publisher, or a witness away
    Remove {
        /// A key by name or id
        #[arg(long)]
        key: String,
        /// The role that it loses; without it, it loses names
        #[arg(long, value_enum, conflicts_with = "names")]
        role: Option<RoleName>,
        /// The name under which it no longer cosigns
        #[arg(long, value_name = "NAME", conflicts_with_all = ["names", "role"])]
        witness: Option<String>,
        /// How many witnesses have to cosign a checkpoint from now on; 0 asks for none
        #[arg(long, requires = "witness", value_name = "N")]
        quorum: Option<usize>,
        /// Names that it may no longer publish; all of them if none is given
        #[arg(long)]
        names: Vec<NamePattern>,
        /// How many keys of the role have to sign from now on
        #[arg(long, requires = "role", value_name = "N")]
        threshold: Option<usize>,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Put a new key in the place of an old one; for a time both are good
    ///
    /// In role root the old key goes at once: the new trust root, which both sign, is the moment of change. In the other
    /// roles and for publishers the old key stays good until the overlap ends.
    Rotate {
        /// The old key by name or id
        old: String,
        /// The new key by name or id, or a file with a public key in PEM
        new: String,
        /// Only in this role; without it, in every role of the old key and for the names that it publishes
        #[arg(long, value_enum)]
        role: Option<RoleName>,
        /// For how many days the old key stays good; 0 takes it out at once
        #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=3650))]
        overlap_days: u32,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Revoke a key, a component or a signed manifest, for good
    Revoke {
        /// A key by name or id or in a PEM file, or sha256:DIGEST of a component or of a signed manifest
        what: String,
        /// Why, for those who meet it later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Change nothing but when the trust root expires
    Renew {
        #[command(flatten)]
        signing: SigningArguments,
    },
    /// Show the newest trust root, or an older one
    Show {
        /// Its version
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
}

/// A role of the trust root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Signs trust roots
    Root,
    /// Signs statements of runs
    Recorder,
    /// Signs tree heads of the ledger
    Log,
    /// Approves models
    Approver,
}

#[derive(Debug, Args)]
pub(crate) struct SigningArguments {
    /// A key that signs, by name; may be repeated. By default every key of the home in role root does
    #[arg(long, value_name = "NAME")]
    pub(crate) sign_with: Vec<String>,
    /// For how many days the new trust root holds
    #[arg(long, default_value_t = 365, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
}

//! What can be said on the command line. The only place that reads the environment.

mod audit;
mod drift;
mod model;
mod plugin;
mod serve;
mod trust;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use freehold_core::name::Alias;
use freehold_engine::Instructions;
use freehold_trust::TokenUri;

pub(crate) use audit::{
    ApproveArguments, AuditCommand, Decided, ExportFormat, ImpactCommand, ListArguments, PackArguments, PackEntries,
    PackExtra, ProfileArguments, VerifyArguments, Which,
};
pub(crate) use drift::{CorrectionName, DriftArguments, DriftCommand};
pub(crate) use model::{AdapterCommand, GenerateArguments, ModelCommand};
pub(crate) use plugin::PluginCommand;
pub(crate) use serve::{ServeArguments, ServeCommand, ServeKeyCommand};
pub(crate) use trust::{RoleName, SigningArguments, TrustCommand};

/// Filter of the log, in the form of the `tracing` crates.
pub(crate) const LOG_VARIABLE: &str = "FREEHOLD_LOG";

/// A token for a Hugging Face hub.
const TOKEN_VARIABLE: &str = "HF_TOKEN";

/// Own your customised language models: train, judge, promote and audit them on your machines.
///
/// A recipe (freehold.toml) says which base model is adapted with which data, which plugins transform the data and measure the
/// result, and which policies decide whether the adapter is promoted. Every run leaves signed records that anyone can
/// verify offline.
///
/// Exit codes: 0 done, 1 broken, 2 wrong usage, 3 denied by policy, 4 verification failed.
#[derive(Debug, Parser)]
#[command(name = "freehold", version, propagate_version = true, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Folder of your store, ledger, keys and trust root
    #[arg(long, global = true, env = "FREEHOLD_HOME", default_value = ".freehold", value_name = "FOLDER")]
    pub(crate) home: PathBuf,
    /// A file whose first line is the passphrase of encrypted keys; without it, a terminal is asked
    #[arg(long, global = true, env = "FREEHOLD_PASSPHRASE_FILE", value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A file whose first line is the PIN of the token with a key; without it, a terminal is asked
    #[arg(long, global = true, env = "FREEHOLD_PIN_FILE", value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
    /// Print results as JSON on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colors
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Compute with these instructions and lesser ones, for tests and diagnosis
    #[arg(long, global = true, hide = true, value_name = "SET", value_parser = parse_instructions)]
    pub(crate) instructions: Option<Instructions>,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Show more of the log: -v for what plugins say and where they failed, -vv for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a home: keys, a trust root, an empty store and a ledger
    Init,
    /// Run a recipe to a decision, or go on with a run that was interrupted
    ///
    /// Phases: resolve, admit, transform, tokenise, train, evaluate, promote, record. Each ends with a signed statement in
    /// the ledger before the next begins, so that a run that was killed goes on after its last finished phase when the
    /// same recipe is run again.
    Run(RunArguments),
    /// Run a recorded run again and compare its outputs bit for bit; nothing is recorded
    ///
    /// Recipe and lockfile are those of the record; data, base model and plugins are looked for in the folder. Says which input
    /// is not what was recorded, or else the first phase of which an output differs. Exit code 4 if there is either.
    Reproduce(ReproduceArguments),
    /// Say what a run would train on, and what that would take in time and memory, without training
    ///
    /// Resolves, admits, transforms and tokenises as a run does, and stops there. Nothing is signed, recorded or kept, and the
    /// lockfile stays as it is. Exit code 1 if the data would stop a run, 3 if a policy would not admit it.
    Check(RunArguments),
    /// Make and list keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Say whose keys are trusted with what, replace and revoke them, and show it
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Make, build, test, sign, pack, add, inspect, list, update and yank plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Pull base models from a hub, inspect and sign models, generate with them, and train small ones from scratch
    #[command(subcommand)]
    Model(ModelCommand),
    /// Write adapters as folders, and merge them into their base model
    #[command(subcommand)]
    Adapter(AdapterCommand),
    /// Move what a recipe has in production to another base model
    ///
    /// Climbs from the cheapest way to the dearest - the same update on the new weights, a short training from it, training anew - and
    /// stops at the first whose run the recipe's policies promote. Every rung is a run of the recipe with the new base, with the
    /// same plugins. A command that was killed goes on where it was. Exit code 3 if no rung is promoted.
    Rebase(RebaseArguments),
    /// Run a recipe by itself when something happens
    ///
    /// A watch file beside the recipe says what: new files in a folder, time, another base model, a new trust root, or whoever asks with
    /// `freehold trigger`. What is in production is trained further and judged as any run. It may be killed at any time: nothing
    /// that it saw is lost, and nothing is answered twice.
    Watch(WatchArguments),
    /// Ask the watch of a recipe for a run
    Trigger(TriggerArguments),
    /// Compare new rows with those that a run was trained on
    #[command(subcommand)]
    Drift(DriftCommand),
    /// Move an alias to what a run made, when enough have approved
    ///
    /// The policies have to have let it pass, nothing that it used may have been revoked since, and the alias has to name what the run
    /// was compared with. Exit code 3 if it may not.
    Promote(PromoteArguments),
    /// Take an alias back to what it named before
    Rollback(RollbackArguments),
    /// Serve what aliases name over HTTP, as OpenAI's API does
    ///
    /// Served are adapters that an alias names or named, if their records verify and nothing of theirs was revoked; models are
    /// called by alias, or by the digest of the adapter. When an alias moves, requests under way finish with what they began
    /// with. Settings, limits and the capture of traffic are in `[serve]` of host.toml in the home. SIGTERM ends it: requests
    /// under way may finish.
    Serve(ServeArguments),
    /// Approve what a run made, with a key in role approver
    Approve(ApproveArguments),
    /// Answer an auditor's questions from the records of runs, verify and export them
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The recipe
    #[arg(default_value = "freehold.toml", value_name = "RECIPE")]
    pub(crate) recipe: PathBuf,
    /// Refuse to change the lockfile beside the recipe
    #[arg(long)]
    pub(crate) locked: bool,
    /// How many threads the engine and each transform may use; all of the machine if not said. The result is the same with
    /// any number
    #[arg(long, value_name = "COUNT", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Let the recipe name paths below this folder as well; may be repeated
    #[arg(long = "root", value_name = "FOLDER")]
    pub(crate) roots: Vec<PathBuf>,
}

/// `freehold rebase`
#[derive(Debug, Args)]
pub(crate) struct RebaseArguments {
    /// The recipe
    #[arg(default_value = "freehold.toml", value_name = "RECIPE")]
    pub(crate) recipe: PathBuf,
    /// The new base model: a folder relative to the recipe, or hf:org/name@revision
    #[arg(long, value_name = "MODEL")]
    pub(crate) base: String,
    /// Its license, an SPDX expression; needed where the recipe says that of the old base
    #[arg(long, value_name = "LICENSE")]
    pub(crate) license: Option<String>,
    /// The part of the recipe's epochs that a short training takes
    #[arg(long, default_value_t = 0.33, value_name = "PART", value_parser = parse_part)]
    pub(crate) replay: f64,
    /// Train anew as well, and compare with that; it is not promoted
    #[arg(long)]
    pub(crate) compare: bool,
    /// How many threads the engine and each transform may use; all of the machine if not said
    #[arg(long, value_name = "COUNT", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Let the recipe name paths below this folder as well; may be repeated
    #[arg(long = "root", value_name = "FOLDER")]
    pub(crate) roots: Vec<PathBuf>,
}

/// `freehold watch`
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The watch file
    #[arg(default_value = "freehold.watch.toml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Look once, answer what waits, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Show what was seen and answered, and what waits; nothing is looked for
    #[arg(long, conflicts_with = "once")]
    pub(crate) status: bool,
    /// How many threads the engine and each transform may use; all of the machine if not said
    #[arg(long, value_name = "COUNT", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Let the recipe name paths below this folder as well; may be repeated
    #[arg(long = "root", value_name = "FOLDER")]
    pub(crate) roots: Vec<PathBuf>,
}

/// `freehold trigger`
#[derive(Debug, Args)]
pub(crate) struct TriggerArguments {
    /// The trigger, of kind `hook` in the watch file
    pub(crate) trigger: String,
    /// The watch file
    #[arg(long, default_value = "freehold.watch.toml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What makes it the same event if it is asked for again; every call is one of its own without
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// What it is about
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

/// `freehold promote`
#[derive(Debug, Args)]
pub(crate) struct PromoteArguments {
    /// The run
    pub(crate) run: String,
    /// The alias; that of the run's recipe if not said. Another one has to name nothing yet, or what the run was compared with
    #[arg(long, value_name = "NAME")]
    pub(crate) alias: Option<Alias>,
}

/// `freehold rollback`
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The alias
    pub(crate) alias: Alias,
    /// The run whose adapter it is to name again; what it named before the promotion that is undone if not said
    #[arg(long, value_name = "RUN")]
    pub(crate) to: Option<String>,
    /// Why; it goes into the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReproduceArguments {
    /// The run
    pub(crate) run: String,
    /// The folder that the paths of the recipe begin at
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// How many threads the engine and each transform may use; all of the machine if not said
    #[arg(long, value_name = "COUNT", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Let the recipe name paths below this folder as well; may be repeated
    #[arg(long = "root", value_name = "FOLDER")]
    pub(crate) roots: Vec<PathBuf>,
}

/// The token for the hub. It has no argument: those are seen by everyone on the machine.
pub(crate) fn hub_token() -> Option<String> {
    std::env::var_os(TOKEN_VARIABLE).filter(|token| !token.is_empty()).map(|token| token.to_string_lossy().into_owned())
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err("expected a number from 1 to 1024".into()),
    }
}

fn parse_part(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if part > 0.0 && part < 1.0 => Ok(part),
        _ => Err("expected a number above 0 and below 1, such as 0.25".into()),
    }
}

fn parse_instructions(text: &str) -> Result<Instructions, String> {
    let found = Instructions::ALL.into_iter().find(|instructions| instructions.as_str() == text);
    found.ok_or_else(|| format!("expected {}", Instructions::ALL.map(Instructions::as_str).join(", ")))
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key in the home: Ed25519, or P-256 for other tools
    New {
        /// Its name: lowercase letters, digits and hyphens
        name: String,
        /// Make an ECDSA P-256 key, with which `audit export` and `model sign` sign what other tools verify. It may have the
        /// name of an Ed25519 key: they are two keys of one authority. No trust root knows it
        #[arg(long)]
        p256: bool,
        /// Encrypt it with a passphrase
        #[arg(long)]
        passphrase: bool,
    },
    /// Take in an Ed25519 key that lives in a token: a smart card, a security module
    ///
    /// The secret half stays in the token, which signs. The key can have every role: `freehold trust rotate root NAME`.
    Add {
        /// Its name in this home
        name: String,
        /// The key: pkcs11:token=TOKEN;object=KEY (RFC 7512)
        #[arg(long, value_name = "URI")]
        pkcs11: TokenUri,
        /// The PKCS#11 library of the token's maker, by its whole path
        #[arg(long, value_name = "PATH")]
        module: PathBuf,
    },
    /// Encrypt a key with a passphrase (age, scrypt)
    Protect {
        /// Its name
        name: String,
        /// The P-256 key of this name
        #[arg(long)]
        p256: bool,
        /// The file with the passphrase that it has now, if it has one already
        #[arg(long, value_name = "FILE")]
        old_passphrase_file: Option<PathBuf>,
    },
    /// Keep a key without a passphrase
    Unprotect {
        /// Its name
        name: String,
        /// The P-256 key of this name
        #[arg(long)]
        p256: bool,
    },
    /// List the keys of the home
    List,
}
